"""Nodes of a cluster: how they are started, and what has to become true before a test goes on."""
import os
import random
import socket
import subprocess
import threading
import time

from harness.resp import Client, Closed
from harness.servers import LONG, Server, free_port, info, redis_binary

WAIT_SECONDS = 120 if LONG else 60


def options(timeout=2000, **more):
    """Directives of a node. The bus has a port of its own: 10000 more may not be one."""
    found = {"cluster-enabled": "yes", "cluster-node-timeout": timeout,
             "cluster-port": free_port()}
    found.update({name.replace("_", "-"): value for name, value in more.items()})
    return found


def port_pair():
    """A port that is free, and the one 10000 above as well. Both are below those that the kernel
    gives to outgoing connections, so a node that was killed finds them free again."""
    while True:
        port = random.randrange(11000, 21000)
        try:
            with socket.create_server(("127.0.0.1", port)), \
                    socket.create_server(("127.0.0.1", port + 10000)):
                return port
        except OSError:
            continue


def node(binary, **more):
    """A Cairn node, not started."""
    return Server(binary, "cairn", options(**more))


def redis_node(**more):
    return Server(redis_binary(), "redis", options(**more))


def until(condition, what, seconds=WAIT_SECONDS):
    """Waits until condition() is true, and returns what it gave; an error counts as false."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except Exception as e:  # a node that is down, or says so
            last = e
        if time.monotonic() > end:
            raise AssertionError("%s: not in %d s; last: %r" % (what, seconds, last))
        time.sleep(0.02)


class Line:
    """A node as another one sees it: a line of CLUSTER NODES or nodes.conf."""

    def __init__(self, text):
        words = text.split()
        self.id, address, flags, primary = words[:4]
        self.flags = flags.split(",")
        self.primary = None if primary == "-" else primary
        self.epoch = int(words[6])
        self.connected = words[7] == "connected"
        self.slots = words[8:]
        self.port = int(address.split("@")[0].rsplit(":", 1)[1])
        self.bus_port = int(address.split("@")[1].split(",")[0])

    @property
    def is_primary(self):
        return "master" in self.flags

    @property
    def failed(self):
        return "fail" in self.flags

    def slot_count(self):
        count = 0
        for word in self.slots:
            if word.startswith("["):
                continue
            first, _, last = word.partition("-")
            count += int(last or first) - int(first) + 1
        return count


def lines(client):
    """CLUSTER NODES, by node id."""
    text = client.call("CLUSTER", "NODES").decode()
    return {line.id: line for line in map(Line, text.strip().split("\n"))}


def saved(server):
    """nodes.conf of a node, by node id."""
    with open(os.path.join(server.dir, "nodes.conf")) as f:
        found = [Line(text) for text in f if not text.startswith("vars")]
    return {line.id: line for line in found}


def my_id(server):
    """From its file, so it need not run."""
    return next(line.id for line in saved(server).values() if "myself" in line.flags)


class Cluster:
    """Three primaries with a replica each, formed by redis-cli; make() gives a node that is not
    started. The directories of nodes that are still there go with close(). cli: options that
    redis-cli needs to connect to them."""

    # A hash tag in the slots of each shard, as redis-cli --cluster create deals them out.
    TAGS = ("{b}", "{c}", "{a}")

    def __init__(self, make, shards=3, replicas=1, cli=()):
        self.nodes = [make() for _ in range(shards * (1 + replicas))]
        self.shards, self.replicas, self.cli = shards, replicas, list(cli)
        for server in self.nodes:
            server.port = port_pair()
            server.options.pop("cluster-port")

    def form(self):
        for server in self.nodes:
            server.launch()
        for server in self.nodes:
            server.wait_ready()
        result = subprocess.run(
            ["redis-cli"] + self.cli + ["--cluster", "create"] +
            ["%s:%d" % self.reach(server) for server in self.nodes] +
            ["--cluster-replicas", str(self.replicas), "--cluster-yes"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT_SECONDS, check=False)
        if result.returncode != 0:
            raise AssertionError(result.stdout.decode())
        self.settle()
        return self

    def reach(self, server):
        """Host and port that the others know a node by."""
        return "127.0.0.1", server.port

    def living(self):
        return [s for s in self.nodes if s.process is not None and s.process.poll() is None]

    def settle(self):
        """Until all who live agree that all is well and every replica has its primary's data."""
        until(self.is_settled, "the cluster is settled")

    def is_settled(self):
        living = self.living()
        maps = set()
        for server in living:
            with server.client(timeout=5) as c:
                if b"cluster_state:ok" not in c.call("CLUSTER", "INFO"):
                    return False
                seen = lines(c)
                replication = info(c, "replication")
            if any(line.flags[-1] in ("fail", "fail?", "handshake") for line in seen.values()
                   if line.port in [self.reach(s)[1] for s in living]):
                return False
            maps.add(tuple(sorted((line.id, line.primary or "", tuple(line.slots))
                                  for line in seen.values())))
            if replication["role"] == "slave" and replication["master_link_status"] != "up":
                return False
        return len(maps) == 1

    def primary(self, tag):
        """The node that serves the keys of a tag now, as all who live see it."""
        with self.living()[0].client(timeout=5) as c:
            slot = c.call("CLUSTER", "KEYSLOT", tag)
            for line in lines(c).values():
                for word in line.slots:
                    first, _, last = word.partition("-")
                    if not word.startswith("[") and int(first) <= slot <= int(last or first):
                        return self.by_port(line.port)
        raise AssertionError("nobody serves %s" % tag)

    def replicas_of(self, server):
        """The living nodes that follow a node."""
        with self.living()[0].client(timeout=5) as c:
            seen = lines(c)
        mine = [line.id for line in seen.values() if line.port == self.reach(server)[1]]
        return [self.by_port(line.port) for line in seen.values() if line.primary in mine]

    def by_port(self, port):
        return next(s for s in self.nodes if self.reach(s)[1] == port)

    def restart_all(self):
        """Kills all at once and starts them again."""
        for server in self.nodes:
            server.kill()
        for server in self.nodes:
            server.launch()
        for server in self.nodes:
            server.wait_ready()
        self.settle()

    def close(self):
        for server in self.nodes:
            server.close()


class Writer(threading.Thread):
    """Counts a key of a tag up without a pause, wherever the cluster sends it; knows the last
    acknowledged value and the longest time between two acknowledgements."""

    def __init__(self, ports, tag):
        super().__init__(daemon=True)
        self.ports, self.key = list(ports), tag + "counter"
        self.acknowledged, self.sent = 0, 0
        self.gap, self.gaps = 0.0, []
        self.errors = {}
        self.going = True
        self.start()

    def _note(self, error):
        word = str(error).split(" ")[0]
        self.errors[word] = self.errors.get(word, 0) + 1

    def run(self):
        client, port, at, last = None, self.ports[0], 0, time.monotonic()
        while self.going:
            try:
                if client is None:
                    client = Client(port, timeout=1.0)
                self.sent += 1
                client.call("SET", self.key, self.sent)
                self.acknowledged = self.sent
                now = time.monotonic()
                self.gap = max(self.gap, now - last)
                last = now
                continue
            except (OSError, Closed) as e:
                self._note(type(e).__name__)
                at += 1
                port = self.ports[at % len(self.ports)]
            except Exception as e:  # an error reply
                self._note(e)
                if str(e).startswith("MOVED"):
                    port = int(str(e).rsplit(":", 1)[1])
                else:
                    at += 1
                    port = self.ports[at % len(self.ports)]
                    time.sleep(0.002)
            if client is not None:
                client.close()
            client = None
            time.sleep(0.001)
        if client is not None:
            client.close()

    def stop(self):
        self.going = False
        self.join(30)
        return self
