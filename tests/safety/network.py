"""Networks that lose packets between nodes, and between clients and nodes.

Every node and every client has an address of its own; drop() says whose packets to whom get lost,
one direction at a time. Packets does it in a network namespace of the test's own, by the kernel's
routing rules. Where no namespace can be had, Proxies lets all connections run through this process
and holds back their bytes."""
import itertools
import os
import shutil
import subprocess
import sys

from harness.link import Link

INSIDE = "CAIRN_SAFETY_NAMESPACE"


def enter():
    """Goes on in a network and mount namespace of its own when there can be one: the program
    begins anew there. Nothing happens where it can't, or with CAIRN_SAFETY_PROXIES=1."""
    if INSIDE in os.environ or os.environ.get("CAIRN_SAFETY_PROXIES") == "1":
        return
    if not all(map(shutil.which, ("unshare", "ip", "mount"))):
        return
    # Its processes end with it, however it ends.
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    words += [] if os.geteuid() == 0 else ["--map-root-user"]
    # Local addresses are looked up after the rules that lose packets, not before.
    prepare = "ip link set lo up && ip rule add pref 1000 lookup local && ip rule del pref 0"
    able = subprocess.run(words + ["sh", "-c", prepare + " && ip rule add pref 10 from 127.0.9.1 "
                                   "to 127.0.9.2 blackhole && mount -t tmpfs none /mnt"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if able.returncode != 0:
        return
    command = words + ["sh", "-c", prepare + ' && exec "$@"', "sh", sys.executable, "-B"] + sys.argv
    os.execvpe("unshare", command, dict(os.environ, **{INSIDE: "1"}))


def inside():
    return INSIDE in os.environ


class Packets:
    """In a namespace: a node is reached at its address and port by everybody, and by the test
    itself at 127.0.0.1, which never loses anything."""

    name = "a network namespace"

    def __init__(self):
        self.numbers = itertools.count(1)
        self.clients = itertools.count(1)
        self.ports = {}  # address -> the node's port
        self.rules = set()

    def join(self, server):
        """Gives a node that is not started its address."""
        number = next(self.numbers)
        server.address = "127.0.%d.%d" % (1 + number // 250, number % 250 + 1)
        server.reach = (server.address, server.port)
        server.options.update({"bind": [server.address, "127.0.0.1"],
                               "bind-source-addr": server.address,
                               "cluster-announce-ip": server.address})
        self.ports[server.address] = server.port

    def client_address(self):
        return "127.0.200.%d" % next(self.clients)

    def _rules(self, drops):
        found = set()
        for source, target, kind in drops:
            rule = "from %s to %s" % (source, target)
            if kind == "all":
                found.add("pref 10 " + rule)
                continue
            for address, side in ((source, "sport"), (target, "dport")):
                if address in self.ports:
                    # Of a number of its own: a rule that says less would go for it.
                    found.add("pref 11 %s ipproto tcp %s %d" % (rule, side,
                                                                self.ports[address]))
        return found

    def drop(self, drops):
        """From now on exactly these packets are lost: (source, target, kind), kind being "all" or
        "data": what belongs to connections to the port of clients and replicas."""
        wanted = self._rules(drops)
        if wanted:
            # A redis-server that can't connect from its own address tries without one.
            wanted |= {"pref 12 from 127.0.0.1 to 127.0.1.0/24",
                       "pref 12 from 127.0.1.0/24 to 127.0.0.1"}
        lines = ["rule del %s blackhole" % r for r in sorted(self.rules - wanted)]
        lines += ["rule add %s blackhole" % r for r in sorted(wanted - self.rules)]
        if lines:
            subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)
        self.rules = wanted

    def close(self):
        self.drop(set())


class _Gate(Link):
    """A port as others reach it."""

    def __init__(self, network, to_port, address, kind):
        super().__init__(to_port)
        self.network, self.address, self.kind = network, address, kind

    def is_held(self, client, towards_client):
        way = (self.address, client) if towards_client else (client, self.address)
        return any(way + (kind,) in self.network.drops for kind in ("all", self.kind))


class Proxies:
    """Without a namespace: a node is reached through two ports of this process."""

    name = "proxies"

    def __init__(self):
        self.numbers = itertools.count(1)
        self.clients = itertools.count(1)
        self.gates = []
        self.drops = frozenset()

    def join(self, server):
        number = next(self.numbers)
        server.address = "127.0.%d.%d" % (1 + number // 250, number % 250 + 1)
        data = _Gate(self, server.port, server.address, "data")
        bus = _Gate(self, server.port + 10000, server.address, "bus")
        self.gates += [data, bus]
        server.reach = ("127.0.0.1", data.port)
        server.options.update({"bind-source-addr": server.address,
                               "cluster-announce-ip": "127.0.0.1",
                               "cluster-announce-port": data.port,
                               "cluster-announce-bus-port": bus.port})

    def client_address(self):
        return "127.0.200.%d" % next(self.clients)

    def drop(self, drops):
        self.drops = frozenset(drops)

    def close(self):
        self.drops = frozenset()
        for gate in self.gates:
            gate.close()


def network():
    return Packets() if inside() else Proxies()


def between(one, other, kind="all"):
    """Both directions between each address of one group and each of the other."""
    return {(a, b, kind) for a in one for b in other} | {(b, a, kind) for a in one for b in other}
