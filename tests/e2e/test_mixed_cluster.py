#!/usr/bin/env python3
"""Cairn and redis-server in one cluster: they agree on slots, vote for each other's replicas, and
come back from each one's nodes.conf. A shard is of one kind."""
import signal
import time
import unittest

from harness import cluster
from harness.case import BINARIES, main
from harness.servers import info

TIMEOUT_MS = 2000
# (kind, first slot, last slot, with a replica, a tag whose slot is among them)
SHARDS = (("redis", 0, 5460, True, "{b}"), ("cairn", 5461, 10922, True, "{c}"),
          ("cairn", 10923, 16383, False, "{a}"))


class Mixed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sanitized = any(kind in BINARIES.cairn for kind in ("asan", "tsan"))
        timeout = TIMEOUT_MS * (4 if sanitized else 1)
        more = {"timeout": timeout, "cluster_allow_replica_migration": "no"}
        make = {"redis": lambda: cluster.redis_node(appendonly="yes", **more),
                "cairn": lambda: cluster.node(BINARIES.cairn, **more)}
        kinds = [kind for kind, _, _, replica, _ in SHARDS for _ in range(1 + replica)]
        # Ports and waiting as in a cluster of one kind; the nodes are introduced by hand.
        order = iter(kinds)
        cls.nodes = cluster.Cluster(lambda: make[next(order)](), shards=len(kinds), replicas=0)
        try:
            cls.form()
        except BaseException:
            cls.nodes.close()
            raise

    @classmethod
    def form(cls):
        for server in cls.nodes.nodes:
            server.start()
        cls.primaries, cls.replicas = [], {}
        rest = list(cls.nodes.nodes)
        for number, (_, first, last, replica, _) in enumerate(SHARDS):
            primary = rest.pop(0)
            with primary.client() as c:
                c.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                c.call("CLUSTER", "ADDSLOTSRANGE", first, last)
            cls.primaries.append(primary)
            if replica:
                cls.replicas[primary.port] = rest.pop(0)
        # Introduced from either side: a Redis node meets Cairn ones, and the other way round.
        for by, whom in ((0, 2), (2, 4), (3, 1)):
            with cls.nodes.nodes[by].client() as c:
                c.call("CLUSTER", "MEET", "127.0.0.1", cls.nodes.nodes[whom].port)
            cluster.until(lambda n=whom: len(cluster.saved(cls.nodes.nodes[n])) > 1, "they meet")
        # On a busy machine redis-server gives up a handshake that takes it a second, for good.
        for again in range(6):
            with cls.nodes.nodes[2].client() as c:
                c.call("CLUSTER", "MEET", "127.0.0.1", cls.nodes.nodes[3].port)
            try:
                cluster.until(lambda: all(len(cluster.saved(s)) == 5 for s in cls.nodes.nodes),
                              "all know all", 20)
                break
            except AssertionError:
                if again == 5:
                    raise
        for port, replica in cls.replicas.items():
            with replica.client() as c:
                c.call("CLUSTER", "REPLICATE", cluster.my_id(cls.nodes.by_port(port)))
        cls.nodes.settle()

    @classmethod
    def tearDownClass(cls):
        cls.nodes.close()

    def setUp(self):
        self.nodes.settle()

    def tearDown(self):
        if any(test is self for test, _ in
               self._outcome.result.failures + self._outcome.result.errors):
            for server in self.nodes.nodes:
                print("--- %s, port %d\n%s" % (server.kind, server.port, server.tail(60)))
        for server in self.nodes.nodes:
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
            else:
                server.launch()

    def role(self, server):
        with server.client(timeout=5) as c:
            return info(c, "replication")["role"]

    def shard(self, number):
        """Its primary and its replica now, and its tag."""
        tag = SHARDS[number][4]
        primary = self.nodes.primary(tag)
        self.assertEqual(primary.kind, SHARDS[number][0])
        return primary, self.nodes.replicas_of(primary)[0], tag

    def replaced(self, number):
        """Kills the primary of a shard and has it come back."""
        primary, replica, tag = self.shard(number)
        with primary.client() as c:
            c.call("SET", tag + "kept", "value")
            self.assertEqual(c.call("WAIT", 1, 20000), 1)
        primary.kill()
        cluster.until(lambda: self.role(replica) == "master", "the replica takes over")
        cluster.until(lambda: self.nodes.primary(tag) is replica, "all see it")
        with replica.client() as c:
            cluster.until(lambda: c.call("SET", tag + "new", "value") == b"OK", "it takes writes")
            self.assertEqual(c.call("GET", tag + "kept"), b"value")
        primary.start()
        self.nodes.settle()
        self.assertEqual(self.role(primary), "slave")

    def test_a_redis_primary_is_replaced_by_votes_of_cairn(self):
        self.replaced(0)

    def test_a_cairn_primary_is_replaced_by_votes_of_redis_and_cairn(self):
        self.replaced(1)

    def test_every_node_sends_clients_to_the_same_place(self):
        for number, (_, _, _, _, tag) in enumerate(SHARDS):
            owner = self.nodes.primary(tag)
            for server in self.nodes.nodes:
                if server is owner:
                    continue
                with server.client() as c:
                    with self.assertRaises(Exception) as caught:
                        c.call("SET", tag + "moved", number)
                    self.assertRegex(str(caught.exception),
                                     r"^MOVED \d+ 127.0.0.1:%d$" % owner.port)

    def cut_off(self, number):
        """A shard's primary stands still until it is replaced, and learns it when it wakes."""
        primary, replica, tag = self.shard(number)
        primary.process.send_signal(signal.SIGSTOP)
        cluster.until(lambda: self.role(replica) == "master", "the replica takes over")
        primary.process.send_signal(signal.SIGCONT)
        self.nodes.settle()
        self.assertEqual(self.role(primary), "slave")
        self.assertIs(self.nodes.primary(tag), replica)

    def test_a_cut_off_cairn_primary_is_deposed_and_learns_it(self):
        self.cut_off(1)

    def test_a_cut_off_redis_primary_is_deposed_and_learns_it(self):
        self.cut_off(0)

    def test_a_manual_failover_on_either_side(self):
        for number in (0, 1):
            primary, replica, tag = self.shard(number)
            with replica.client() as c:
                self.assertEqual(c.call("CLUSTER", "FAILOVER"), b"OK")
            cluster.until(lambda r=replica: self.role(r) == "master", "it takes over")
            self.nodes.settle()
            self.assertIs(self.nodes.primary(tag), replica)
            self.assertEqual(self.role(primary), "slave")

    def test_all_come_back_from_their_files(self):
        before = {s.port: self.role(s) for s in self.nodes.nodes}
        self.nodes.restart_all()
        self.assertEqual(before, {s.port: self.role(s) for s in self.nodes.nodes})

    def test_a_quiet_while_leaves_redis_nothing_to_complain_of(self):
        redis = next(s for s in self.nodes.nodes if s.kind == "redis")
        seen = len(redis.tail(100000))
        time.sleep(5)
        said = redis.tail(100000)[seen:]
        for word in ("Received unknown extension", "WARNING", "Bad message length", "invalid",
                     "Received invalid"):
            self.assertNotIn(word, said)


if __name__ == "__main__":
    main()
