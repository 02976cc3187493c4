"""A cluster whose nodes have addresses that packets can get lost between, disks that can fill up
and be slow, and clocks that can be set."""
import os
import shutil
import signal
import subprocess
import tempfile

from harness import cluster
from harness.servers import Server, redis_binary

import network

DISK_MB = 96


class Nodes(cluster.Cluster):
    """Nodes of one kind: "cairn" or "redis". shim: the library that makes disks slow and sets
    clocks, or None. disks: each node has a small file system of its own."""

    def __init__(self, kind, binary, timeout_ms, shards=3, replicas=1, shim=None, disks=False,
                 **options):
        self.kind, self.timeout_ms, self.shim = kind, timeout_ms, shim
        self.base = tempfile.mkdtemp(prefix="cairn-safety-")
        self.disks = disks and network.inside()
        self.net = network.network()
        self.keep = False
        numbers = iter(range(100))

        def make():
            directory = os.path.join(self.base, "node%d" % next(numbers))
            os.mkdir(directory)
            if self.disks:
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % DISK_MB, "none",
                                directory], check=True)
            # Addresses other than 127.0.0.1 are strangers to Redis.
            directives = cluster.options(timeout_ms, appendfsync="always", protected_mode="no",
                                         **options)
            if kind == "redis":
                directives["appendonly"] = "yes"
            return Server(binary if kind == "cairn" else redis_binary(), kind, directives,
                          directory=directory)

        super().__init__(make, shards, replicas)
        for number, server in enumerate(self.nodes):
            server.number = number
            server.log = os.path.join(self.base, "node%d.log" % number)
            self.net.join(server)
            if shim:
                server.faults = os.path.join(self.base, "node%d.faults" % number)
                self.fault(server)
                server.env = dict(os.environ, LD_PRELOAD=shim, CAIRN_FAULTS=server.faults)

    def reach(self, server):
        return server.reach

    def is_settled(self):
        """And all slots are those of nodes that live: nobody waits to be found dead."""
        living = {s.reach[1] for s in self.living()}
        with self.living()[0].client(timeout=5) as c:
            served = all(line.port in living for line in cluster.lines(c).values() if line.slots)
        return served and super().is_settled()

    def fault(self, server, *lines):
        """What fault_shim.c shall do in this node from now on: nothing without lines."""
        with open(server.faults + ".new", "w") as f:
            f.write("".join(line + "\n" for line in lines))
        os.rename(server.faults + ".new", server.faults)

    def ballast(self, server):
        return os.path.join(server.dir, "ballast")

    def fill(self, server):
        """Leaves no room on the node's disk."""
        with open(self.ballast(server), "wb", buffering=0) as f:
            piece = b"x" * (1 << 16)
            try:
                while piece:
                    if f.write(piece) != len(piece):
                        piece = piece[:len(piece) // 2]
            except OSError:
                pass

    def unfill(self, server):
        if os.path.exists(self.ballast(server)):
            os.unlink(self.ballast(server))

    def signal(self, server, number):
        if server.process is not None and server.process.poll() is None:
            server.process.send_signal(number)

    def revive(self):
        """Everybody lives, hears and has room."""
        self.net.drop(set())
        for server in self.nodes:
            self.signal(server, signal.SIGCONT)
            self.unfill(server)
            if self.shim:
                self.fault(server)

    def close(self):
        self.revive()
        for server in self.nodes:
            server.kill()
        self.net.close()
        if self.keep:
            kept = tempfile.mkdtemp(prefix="cairn-safety-kept-")
            # File systems of this namespace end with it.
            shutil.copytree(self.base, kept, dirs_exist_ok=True)
            print("kept for study: %s" % kept)
        if self.disks:
            for server in self.nodes:
                subprocess.run(["umount", server.dir], check=False)
        shutil.rmtree(self.base, ignore_errors=True)
