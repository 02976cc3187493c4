"""A control group with a memory limit, for a server whose page cache is to be counted as well."""
import os
import time

PLACES = {2: ("/sys/fs/cgroup", "memory.max"),
          1: ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")}


class MemoryGroup:
    """A limit of so many bytes in the first of these versions of control groups that this machine
    has writable. path is None where there is none to be had; error then says why."""

    def __init__(self, limit, versions=(2, 1)):
        self.path, self.error = None, None
        for parent, setting in (PLACES[version] for version in versions):
            path = os.path.join(parent, "cairn-memory-%d" % os.getpid())
            try:
                os.mkdir(path)
                self.path = path
                self._write(setting, limit)
                return
            except OSError as e:
                self.error = e
                self.close()

    def _write(self, name, value):
        # Never create one: beside version 1's controllers lies a plain file system.
        fd = os.open(os.path.join(self.path, name), os.O_WRONLY)
        try:
            os.write(fd, str(value).encode())
        finally:
            os.close(fd)

    def prefix(self):
        """What to start a server with, so that it is in the group from its first page on."""
        if self.path is None:
            return []
        return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', self.path]

    def close(self):
        """After the end of the servers in it, which may take the kernel a moment."""
        for _ in range(100 if self.path is not None else 0):
            try:
                os.rmdir(self.path)
                break
            except OSError:
                time.sleep(0.1)
        self.path = None
