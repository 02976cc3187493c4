#!/usr/bin/env python3
"""A cluster of three primaries and three replicas, formed by redis-cli: what happens to clients and
data when nodes are killed, stopped, cut off, emptied and brought back."""
import os
import shutil
import signal
import time
import unittest

from harness import cluster
from harness.case import BINARIES, main
from harness.resp import encode
from harness.servers import info

TIMEOUT_MS = 2000
SANITIZED_MS = 8000


def sanitized():
    return any(kind in BINARIES.cairn for kind in ("asan", "tsan"))


class Failover(unittest.TestCase):
    """One cluster for all: each test leaves it settled."""

    @classmethod
    def setUpClass(cls):
        cls.timeout = SANITIZED_MS if sanitized() else TIMEOUT_MS
        cls.nodes = cluster.Cluster(lambda: cluster.node(BINARIES.cairn, timeout=cls.timeout))
        try:
            cls.nodes.form()
        except BaseException:
            cls.nodes.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.nodes.close()

    def setUp(self):
        self.tag = self.nodes.TAGS[0]
        self.nodes.settle()

    def tearDown(self):
        if any(test is self for test, _ in
               self._outcome.result.failures + self._outcome.result.errors):
            for server in self.nodes.nodes:
                print("--- port %d\n%s" % (server.port, server.tail(400)))
        for server in self.nodes.nodes:
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
            else:
                server.launch()

    def shard(self):
        """The primary of the tag's slots, and its replica."""
        primary = self.nodes.primary(self.tag)
        return primary, self.nodes.replicas_of(primary)[0]

    def writer(self):
        writer = cluster.Writer([s.port for s in self.nodes.nodes], self.tag)
        self.addCleanup(writer.stop)
        cluster.until(lambda: writer.acknowledged > 100, "the writer writes")
        return writer

    def await_writes(self, writer):
        before = writer.acknowledged
        cluster.until(lambda: writer.acknowledged > before + 50, "writes are acknowledged again")

    def store(self, server, count=200):
        """Keys that the replica has as well."""
        with server.client() as c:
            for i in range(count):
                # A node that has just come back may wait for a majority's answers first.
                cluster.until(lambda i=i: c.call("SET", "%skept:%d" % (self.tag, i),
                                                 "value-%d" % i), "a write is accepted")
            self.assertGreaterEqual(c.call("WAIT", 1, 20000), 1)

    def assert_kept(self, server, count=200):
        with server.client() as c:
            for i in range(count):
                self.assertEqual(c.call("GET", "%skept:%d" % (self.tag, i)),
                                 b"value-%d" % i)

    def standstills(self):
        """How often nodes found that they had not run for a while: the machine's doing."""
        return sum(s.tail(100000).count("stood still") for s in self.nodes.nodes)

    def role(self, server):
        with server.client() as c:
            return info(c, "replication")["role"]

    def test_a_killed_primary_is_replaced_and_comes_back_as_a_replica(self):
        primary, replica = self.shard()
        self.store(primary)
        writer = self.writer()
        primary.kill()
        begin = time.monotonic()
        self.await_writes(writer)
        took = time.monotonic() - begin
        self.assertEqual(self.nodes.primary(self.tag), replica)
        self.assert_kept(replica)
        self.assertLess(took, 3 * self.timeout / 1000 + 2)
        primary.start()
        self.nodes.settle()
        self.assertEqual(self.role(primary), "slave")
        writer.stop()
        with replica.client() as c:
            value = c.call("GET", writer.key)
            self.assertEqual(c.call("WAIT", 1, 20000), 1)
        with primary.client() as c:
            self.assertEqual(c.call("READONLY"), b"OK")
            self.assertEqual(c.call("GET", writer.key), value)

    def test_a_primary_that_is_stopped_hands_over(self):
        primary, replica = self.shard()
        before = self.standstills()
        writer = self.writer()
        writer.gap = 0.0
        self.assertEqual(primary.stop(), 0)
        self.await_writes(writer)
        self.assertEqual(self.nodes.primary(self.tag), replica)
        writer.stop()
        undisturbed = self.standstills() == before
        # Far below what noticing takes; the benchmark measures it.
        if undisturbed:
            self.assertLess(writer.gap, self.timeout / 1000)
        # Nothing acknowledged is missing: the last value that was, or a later one.
        with replica.client() as c:
            self.assertGreaterEqual(int(c.call("GET", writer.key)), writer.acknowledged)
        if undisturbed:
            self.assertNotIn("CLUSTERDOWN", writer.errors)
        self.assertIn("replica of", "".join(primary.tail(40)))
        primary.start()
        self.nodes.settle()
        self.assertEqual(self.role(primary), "slave")

    def test_shutdown_now_does_not_hand_over(self):
        primary, replica = self.shard()
        writer = self.writer()
        with primary.client() as c:
            c.send(b"*2\r\n$8\r\nSHUTDOWN\r\n$3\r\nNOW\r\n")
            primary.process.wait(60)
        self.assertNotIn("handing over", primary.tail(20))
        self.await_writes(writer)
        self.assertEqual(self.nodes.primary(self.tag), replica)
        writer.stop()

    def test_a_primary_that_stood_still_takes_no_writes_when_it_wakes(self):
        primary, replica = self.shard()
        self.store(primary)
        client = primary.client()
        self.addCleanup(client.close)
        writer = self.writer()
        primary.process.send_signal(signal.SIGSTOP)
        cluster.until(lambda: self.role(replica) == "master", "the replica takes over")
        self.await_writes(writer)
        # This is the first thing that it reads.
        client.send(b"*3\r\n$3\r\nSET\r\n$7\r\n%sgone\r\n$1\r\nx\r\n" % self.tag.encode())
        primary.process.send_signal(signal.SIGCONT)
        reply = client.read()[1]
        self.assertTrue(reply.startswith((b"-CLUSTERDOWN", b"-MOVED")), reply)
        self.nodes.settle()
        self.assertEqual(self.role(primary), "slave")
        self.assert_kept(replica)
        with replica.client() as c:
            self.assertEqual(c.call("EXISTS", self.tag + "gone"), 0)
        writer.stop()

    def test_a_minority_takes_no_writes(self):
        primary, replica = self.shard()
        others = [s for s in self.nodes.nodes if s not in (primary, replica)]
        with primary.client() as c:
            self.assertEqual(c.call("SET", self.tag + "k", "1"), b"OK")
            for server in others:
                server.process.send_signal(signal.SIGSTOP)
            begin = time.monotonic()

            def refused():
                try:
                    c.call("SET", self.tag + "k", "2")
                    return False
                except Exception as e:
                    return str(e).startswith("CLUSTERDOWN")

            cluster.until(refused, "writes are refused")
            # No longer than the node timeout since the majority was last heard.
            self.assertLess(time.monotonic() - begin, self.timeout / 1000 + 1)
            for server in others:
                server.process.send_signal(signal.SIGCONT)
            self.nodes.settle()
            cluster.until(lambda: c.call("SET", self.tag + "k", "3") == b"OK",
                          "writes are taken again")
        self.assertEqual(self.nodes.primary(self.tag), primary)

    def test_a_primary_without_its_data_does_not_resume_its_slots(self):
        primary, replica = self.shard()
        self.store(primary)
        primary.kill()
        for name in os.listdir(primary.dir):
            path = os.path.join(primary.dir, name)
            if name in ("nodes.conf", "output.log"):
                continue
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        # Its nodes.conf may be from before it had a replica.
        replica_id = cluster.my_id(replica)
        path = os.path.join(primary.dir, "nodes.conf")
        with open(path) as f:
            known = [line for line in f if not line.startswith(replica_id)]
        with open(path, "w") as f:
            f.writelines(known)
        # A second start finds the empty store that the first one made.
        primary.start()
        primary.kill()
        primary.start()
        cluster.until(lambda: self.role(replica) == "master", "the replica takes over")
        self.assert_kept(replica)
        self.nodes.settle()
        self.assertEqual(self.role(primary), "slave")
        with primary.client() as c:
            self.assertEqual(c.call("READONLY"), b"OK")
            self.assertEqual(c.call("GET", self.tag + "kept:7"), b"value-7")

    def test_everything_is_as_it_was_after_all_were_killed(self):
        primary, _ = self.shard()
        self.store(primary)
        before = {s.port: (cluster.my_id(s), self.role(s)) for s in self.nodes.nodes}
        self.nodes.restart_all()
        self.assertEqual(before, {s.port: (cluster.my_id(s), self.role(s))
                                  for s in self.nodes.nodes})
        self.assert_kept(primary)

    def test_failover_by_command(self):
        primary, replica = self.shard()
        self.store(primary)
        writer = self.writer()
        for words in (("FAILOVER",), ("FAILOVER", "FORCE"), ("FAILOVER", "TAKEOVER")):
            with replica.client() as c:
                self.assertEqual(c.call("CLUSTER", *words), b"OK")
            cluster.until(lambda r=replica: self.role(r) == "master", "it takes over")
            self.await_writes(writer)
            self.nodes.settle()
            self.assertEqual(self.role(primary), "slave")
            primary, replica = replica, primary
        writer.stop()
        self.assert_kept(primary)

    def test_a_primary_that_comes_back_at_another_address_is_found(self):
        primary, replica = self.shard()
        self.store(primary)
        moved_id = cluster.my_id(primary)
        primary.kill()
        primary.port = cluster.port_pair()
        primary.start()
        self.nodes.settle()
        for server in self.nodes.nodes:
            with server.client() as c:
                self.assertEqual(cluster.lines(c)[moved_id].port, primary.port)
        owner = self.nodes.primary(self.tag)
        self.assertIn(owner, (primary, replica))
        self.assert_kept(owner)
        with replica.client() as c:
            if owner is primary:  # it was back before it was missed
                self.assertEqual(int(info(c, "replication")["master_port"]), primary.port)

    def test_a_node_that_says_ok_takes_writes(self):
        primaries = {tag: self.nodes.primary(tag) for tag in self.nodes.TAGS}
        for server in self.nodes.nodes:
            server.kill()
        for server in self.nodes.nodes:
            server.launch()
        for server in self.nodes.nodes:
            server.wait_ready()
        before = self.standstills()
        for tag, server in primaries.items():
            with server.client() as c:
                cluster.until(lambda c=c: b"cluster_state:ok" in c.call("CLUSTER", "INFO"),
                              "it says that all is well")
                reply = c.raw("SET", tag + "at once", "1")
                if self.standstills() == before:
                    self.assertEqual(reply, b"+OK\r\n")
        self.nodes.settle()

    def run_script(self, primary, text):
        client = primary.client(timeout=120)
        self.addCleanup(client.close)
        client.send(encode(["EVAL", text, "1", self.tag + "scripted"]))
        return client

    def test_a_script_longer_than_the_timeout_costs_no_role(self):
        primary, replica = self.shard()
        primary_id = cluster.my_id(primary)
        before = self.standstills()
        client = self.run_script(primary, "while true do end")
        # Others are answered after busy-reply-threshold; the bus has to be long before.
        end = time.monotonic() + max(3 * self.timeout / 1000, 7)
        seen = set()
        while time.monotonic() < end:
            with replica.client() as c:
                seen.update(cluster.lines(c)[primary_id].flags)
            time.sleep(0.1)
        with primary.client() as c:
            self.assertEqual(c.call("SCRIPT", "KILL"), b"OK")
            self.assertIn("killed", str(client.read()[1]))
            if self.standstills() == before:
                self.assertEqual(seen, {"master"})
                self.assertEqual(c.call("SET", self.tag + "k", "1"), b"OK")
                self.assertEqual(self.role(replica), "slave")

    def test_a_script_learns_that_its_node_was_deposed(self):
        primary, replica = self.shard()
        self.store(primary)
        client = self.run_script(
            primary, "local r = 0 while type(r) ~= 'table' do r = redis.pcall('INCR', KEYS[1]) "
            "for i = 1, 10000 do r = r end end return r")
        time.sleep(0.5)
        with replica.client() as c:
            self.assertEqual(c.call("CLUSTER", "FAILOVER", "TAKEOVER"), b"OK")
        reply = client.read()[1]
        self.assertIn(b"-ERR Script attempted to access", reply)
        self.nodes.settle()
        self.assertEqual(self.role(primary), "slave")
        self.assert_kept(replica)
        with primary.client() as old, replica.client() as new:
            self.assertEqual(old.call("READONLY"), b"OK")
            self.assertEqual(old.call("GET", self.tag + "scripted"),
                             new.call("GET", self.tag + "scripted"))

    def test_a_replica_of_another_shard_does_not_stand_before_it_has_copied(self):
        # A new node is told to follow a shard and killed before it can copy; its primary dies.
        primary, replica = self.shard()
        self.store(primary)
        with replica.client() as c:
            c.call("CONFIG", "SET", "cluster-replica-no-failover", "yes")
        spare = cluster.node(BINARIES.cairn, timeout=self.timeout)
        spare.port = cluster.port_pair()
        spare.options.pop("cluster-port")
        spare.start()
        spare_id = cluster.my_id(spare)
        try:
            with primary.client() as c:
                c.call("CLUSTER", "MEET", "127.0.0.1", spare.port)
            # All know it: who met it may be killed before that is in its nodes.conf.
            for server in self.nodes.nodes:
                with server.client() as c:
                    cluster.until(lambda c=c: spare_id in cluster.lines(c), "it is known")
            with primary.client() as c:
                # Nobody is served a copy: the replica can't log in.
                c.call("CONFIG", "SET", "requirepass", "secret")
                c.call("AUTH", "secret")
                primary_id = c.call("CLUSTER", "MYID")
            cluster.until(lambda: primary_id.decode() in cluster.lines(spare.client()),
                          "the spare node knows the primary")
            with spare.client() as c:
                self.assertEqual(c.call("CLUSTER", "REPLICATE", primary_id), b"OK")
            time.sleep(0.5)
            spare.kill()
            spare.start()
            primary.kill()
            time.sleep(2.5 * self.timeout / 1000)
            self.assertEqual(self.role(spare), "slave")
            with spare.client() as c:
                # Not even by hand.
                with self.assertRaises(AssertionError):
                    c.call("CLUSTER", "FAILOVER", "FORCE")
                    cluster.until(lambda: self.role(spare) == "master", "it stands", 3)
        finally:
            primary.start()
            with replica.client() as c:
                c.call("CONFIG", "SET", "cluster-replica-no-failover", "no")
            spare.close()
            for server in self.nodes.nodes:
                with server.client() as c:
                    c.call("CLUSTER", "FORGET", spare_id)
        self.nodes.settle()
        self.assert_kept(self.nodes.primary(self.tag))


if __name__ == "__main__":
    main()
