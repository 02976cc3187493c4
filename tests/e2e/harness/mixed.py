"""Clusters whose nodes are of two kinds, what each of them must say alike, and networks that break
between their buses."""
import itertools
import subprocess

from harness import cluster
from harness.case import BINARIES, Case
from harness.link import Link

SLOTS = 16384


def cli(*args, fails=False):
    """redis-cli's output."""
    done = subprocess.run(["redis-cli"] + [str(a) for a in args], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                          timeout=cluster.WAIT_SECONDS)
    if (done.returncode != 0) != fails:
        raise AssertionError("redis-cli %s: exit code %d\n%s" % (args, done.returncode,
                                                                 done.stdout))
    return done.stdout


def address(server):
    return "127.0.0.1:%d" % server.port


def ask(server, *args):
    with server.client(timeout=10) as c:
        return c.call(*args)


def seen(server):
    with server.client(timeout=10) as c:
        return cluster.lines(c)


def facts(server):
    """CLUSTER INFO."""
    text = ask(server, "CLUSTER", "INFO").decode()
    return dict(line.split(":", 1) for line in text.split())


def is_ok(server):
    return facts(server)["cluster_state"] == "ok"


def pairs(flat):
    return {k.decode(): v for k, v in zip(flat[::2], flat[1::2])}


# Flags that are one node's opinion, not the cluster's.
PRIVATE = {"myself", "fail?"}


def nodes_view(server):
    """CLUSTER NODES without what each node has its own times and opinion of."""
    return {line.id: (line.port, line.bus_port, tuple(f for f in line.flags if f not in PRIVATE),
                      line.primary, line.epoch, tuple(line.slots), line.connected)
            for line in seen(server).values()}


def slots_view(server):
    """CLUSTER SLOTS; replicas of a range in no order."""
    return sorted((first, last, str(nodes[0]), sorted(map(str, nodes[1:])))
                  for first, last, *nodes in ask(server, "CLUSTER", "SLOTS"))


def shards_view(server):
    """CLUSTER SHARDS: every field but the offsets, which go on meanwhile."""
    found = []
    for shard in map(pairs, ask(server, "CLUSTER", "SHARDS")):
        nodes = [pairs(n) for n in shard["nodes"]]
        for node in nodes:
            del node["replication-offset"]
        found.append((shard["slots"], sorted(map(str, (sorted(n.items()) for n in nodes)))))
    return sorted(found, key=str)


def agree(servers, view, what):
    """Until all say the same; returns it."""
    def same():
        views = [view(s) for s in servers]
        return views[0] if all(v == views[0] for v in views) else None

    try:
        return cluster.until(same, what)
    except AssertionError as e:
        raise AssertionError("%s\n%s" % (e, "\n".join(
            "%s %d: %s" % (s.kind, s.port, view(s)) for s in servers))) from e


def settled(servers):
    """Until all of them are well, connected, and tell the same of nodes, shards and slots."""
    for server in servers:
        cluster.until(lambda s=server: is_ok(s), "port %d: cluster_state:ok" % server.port)
    nodes = agree(servers, nodes_view, "CLUSTER NODES agree")
    agree(servers, slots_view, "CLUSTER SLOTS agree")
    agree(servers, shards_view, "CLUSTER SHARDS agree")
    return nodes


class MixedCase(Case):
    """kinds: a letter for each node, C for Cairn and R for redis-server."""

    def make(self, kind, **more):
        # A replica can't follow a primary of the other kind, so none may go there by itself.
        more.setdefault("cluster_allow_replica_migration", "no")
        server = (cluster.node(BINARIES.cairn, **more) if kind == "C"
                  else cluster.redis_node(**more))
        self.addCleanup(self._finish, server)
        return server

    def started(self, kinds, **more):
        servers = [self.make(kind, **more) for kind in kinds]
        for server in servers:
            server.launch()
        for server in servers:
            server.wait_ready()
        return servers

    def meet(self, one, other):
        self.assertEqual(ask(one, "CLUSTER", "MEET", "127.0.0.1", other.port,
                             other.options["cluster-port"]), b"OK")

    def know(self, servers):
        """Until each is connected to each other one."""
        ids = {cluster.my_id(s) for s in servers}
        for server in servers:
            cluster.until(lambda s=server: set(seen(s)) == ids and
                          all(line.connected for line in seen(s).values()),
                          "port %d knows everybody" % server.port)

    def joined(self, kinds, **more):
        """Nodes that know each other, without slots. Both kinds introduce."""
        servers = self.started(kinds, **more)
        for one, other in zip(servers, servers[1:]):
            self.meet(one, other)
        self.know(servers)
        return servers

    def dealt(self, servers):
        """Slots for each, as redis-cli deals them: (server, first, last)."""
        edges = [round(i * SLOTS / len(servers)) for i in range(len(servers) + 1)]
        return [(s, a, b - 1) for s, a, b in zip(servers, edges, edges[1:])]

    def formed(self, kinds, replicas=True, **more):
        """(primaries, replicas): a primary for each letter, each with a replica of its own kind."""
        servers = self.joined(kinds + (kinds if replicas else ""), **more)
        primaries, followers = servers[:len(kinds)], servers[len(kinds):]
        for epoch, (server, first, last) in enumerate(self.dealt(primaries), 1):
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for primary, replica in zip(primaries, followers):
            self.follow(replica, primary)
        self.settle(servers)
        return primaries, followers

    def follow(self, replica, primary):
        primary_id = cluster.my_id(primary)
        cluster.until(lambda: primary_id in seen(replica), "the primary is known")
        self.assertEqual(ask(replica, "CLUSTER", "REPLICATE", primary_id), b"OK")

    def linked(self, replica):
        with replica.client(timeout=10) as c:
            return b"master_link_status:up" in c.call("INFO", "replication")

    def settle(self, servers):
        nodes = settled(servers)
        for server in servers:
            if nodes[cluster.my_id(server)][3] is not None:
                cluster.until(lambda s=server: self.linked(s),
                              "the replica at %d has its data" % server.port)
        # Once more: a replica without data is not in CLUSTER SLOTS yet.
        return settled(servers)

    def role(self, server):
        return ask(server, "ROLE")[0].decode()

    def becomes(self, server, role):
        cluster.until(lambda: self.role(server) == role,
                      "%s at %d is %s" % (server.kind, server.port, role))


class Gate(Link):
    """A node's bus port as others reach it: who connects from an address that is barred is let in
    and hears nothing, as if packets were lost."""

    def __init__(self, to_port):
        super().__init__(to_port)
        self.barred = frozenset()

    def is_held(self, source, towards_client):
        del towards_client
        return source in self.barred


class Network:
    """Nodes that know each other's buses only through gates. Each has an address that its own
    connections come from."""

    _numbers = itertools.count(2)

    def __init__(self):
        self.gates = {}

    def options(self):
        """Directives of the next node; attach() it then."""
        number = next(self._numbers)
        return {"bind_source_addr": "127.1.%d.%d" % (number // 250, number % 250 + 1),
                "cluster_announce_ip": "127.0.0.1", "protected_mode": "no"}

    def attach(self, server):
        gate = Gate(server.options["cluster-port"])
        server.options["cluster-announce-bus-port"] = gate.port
        self.gates[server] = gate

    def split(self, *groups):
        """No two nodes of different groups hear each other any more."""
        home = {s: i for i, group in enumerate(groups) for s in group}
        for server, gate in self.gates.items():
            gate.barred = frozenset(other.options["bind-source-addr"] for other in self.gates
                                    if home.get(other) != home.get(server))

    def heal(self):
        self.split(list(self.gates))

    def close(self):
        for gate in self.gates.values():
            gate.barred = frozenset()
            gate.close()
