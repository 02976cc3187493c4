"""Nodes of a cluster: how they are started, and what has to become true before a test goes on."""
import os
import time

from harness.servers import LONG, Server, free_port, redis_binary

WAIT_SECONDS = 120 if LONG else 60


def options(timeout=2000, **more):
    """Directives of a node. The bus has a port of its own: 10000 more may not be one."""
    found = {"cluster-enabled": "yes", "cluster-node-timeout": timeout,
             "cluster-port": free_port()}
    found.update({name.replace("_", "-"): value for name, value in more.items()})
    return found


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
