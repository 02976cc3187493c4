"""Starts and ends cairn-server and redis-server: a free port, a temporary directory and a log each.
The directory is removed at the end, and kept (its path printed) when the test failed."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from harness.resp import Client, Closed

LONG = os.environ.get("CAIRN_TEST_LONG") == "1"
# Sanitizers make everything slower; the waits are for a machine that is busy as well.
START_SECONDS = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def redis_binary():
    path = shutil.which("redis-server")
    if path is None:
        sys.exit("redis-server is not installed (Debian package redis-server)")
    return path


class Server:
    """One server process. kind is "cairn" or "redis"; options are directives, as a dict."""

    def __init__(self, binary, kind, options=None, directory=None, port=None, env=None):
        self.binary, self.kind = os.path.abspath(binary), kind
        self.options = dict(options or {})
        self.owns_directory = directory is None
        self.dir = directory or tempfile.mkdtemp(prefix="cairn-%s-" % kind)
        self.port = port or free_port()
        self.log = os.path.join(self.dir, "output.log")
        self.env = env
        self.process = None
        self.keep = False

    def arguments(self):
        args = [self.binary, "--port", str(self.port), "--dir", self.dir]
        if self.kind == "redis" and "save" not in self.options:
            args += ["--save", ""]
        if self.kind == "cairn" and "tsan" in self.binary and "map-size-max" not in self.options:
            # The thread sanitizer's own maps leave no room for a terabyte.
            args += ["--map-size-max", "16gb"]
        for name, value in self.options.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            args += ["--" + name] + [str(v) for v in values]
        return args

    def launch(self, prefix=()):
        """Starts the process without waiting for it."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(list(prefix) + self.arguments(), stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, env=self.env,
                                            cwd=self.dir)
        return self

    def start(self, prefix=()):
        self.launch(prefix)
        self.wait_ready()
        return self

    def wait_ready(self, seconds=START_SECONDS):
        """Until an inline PING is answered (an error will do: the node is up)."""
        end = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended with %d:\n%s" % (
                    self.kind, self.process.returncode, self.tail()))
            try:
                with self.client(timeout=5) as c:
                    c.send(b"PING\r\n")
                    reply = c.read()[1]
                    if reply.startswith((b"+PONG", b"-NOAUTH", b"-DENIED", b"-ERR max")):
                        return
            except (OSError, Closed):
                pass
            if time.monotonic() > end:
                raise RuntimeError("%s is not ready after %d s:\n%s" % (
                    self.kind, seconds, self.tail()))
            time.sleep(0.002)

    def client(self, proto=2, timeout=60.0, password=None):
        return Client(self.port, proto=proto, timeout=timeout, password=password)

    def tail(self, lines=30):
        try:
            with open(self.log, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    def kill(self):
        """SIGKILL."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, seconds=60):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def cpu_seconds(self):
        """User and system time of all threads so far."""
        with open("/proc/%d/stat" % self.process.pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def status_kb(self, field):
        """A figure of /proc/PID/status in KiB, such as VmRSS or RssAnon."""
        with open("/proc/%d/status" % self.process.pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        return 0

    def bytes_written(self):
        """What the process caused to be sent to the disk."""
        with open("/proc/%d/io" % self.process.pid) as f:
            for line in f:
                if line.startswith("write_bytes:"):
                    return int(line.split()[1])
        return 0

    def close(self):
        self.kill()
        if self.owns_directory and not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        elif self.keep:
            print("%s: directory kept: %s\n%s" % (self.kind, self.dir, self.tail()))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.keep = self.keep or kind is not None
        self.close()


@contextlib.contextmanager
def running(binary, kind, options=None, **more):
    with Server(binary, kind, options, **more) as server:
        yield server.start()


def info(client, *sections):
    """INFO as a dict."""
    text = client.call("INFO", *sections)
    pairs = (line.partition(":") for line in text.decode().splitlines() if ":" in line)
    return {name: value for name, _, value in pairs}
