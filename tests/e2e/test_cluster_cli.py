#!/usr/bin/env python3
"""CLUSTER, redirection and redis-cli --cluster: the same requests to a cluster of Cairn nodes and
one of redis-server, and what redis-cli and redis-benchmark, unmodified, do with Cairn's."""
import binascii
import contextlib
import re
import subprocess
import unittest

from harness import cluster
from harness.case import BINARIES, main
from harness.servers import Server

WAIT = 120


def cli(*args, text="", code=0):
    """Runs redis-cli; its output."""
    result = subprocess.run(["redis-cli"] + [str(a) for a in args], input=text.encode(),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT,
                            check=False)
    out = result.stdout.decode()
    if result.returncode != code:
        raise AssertionError("redis-cli %s: exit code %d\n%s" % (args, result.returncode, out))
    return out


def values(out):
    """Replies without redis-cli's remarks on redirections."""
    return [line for line in out.split("\n") if line and not line.startswith("-> ")]


def at(server):
    return "127.0.0.1:%d" % server.port


class Formed(unittest.TestCase):
    """A cluster for all tests of a class; each leaves it settled."""

    make, replicas = staticmethod(lambda: cluster.node(BINARIES.cairn)), 0

    @classmethod
    def setUpClass(cls):
        cls.clusters = [cluster.Cluster(make, replicas=cls.replicas) for make in cls.makers()]
        try:
            for c in cls.clusters:
                c.form()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def makers(cls):
        return [cls.make]

    @classmethod
    def tearDownClass(cls):
        for c in cls.clusters:
            c.close()

    def tearDown(self):
        if any(test is self for test, _ in
               self._outcome.result.failures + self._outcome.result.errors):
            for server in self.clusters[0].nodes:
                print("--- port %d\n%s" % (server.port, server.tail(40)))


# What is sent to the first primary (1), the second (2) and the first one's replica (r). A and B are
# the ids of the first and the second, R of the replica, X of nobody. "hello" and "b" are the
# first's, "foo" is the third's, "k" (7629) the second's.
STEPS = """
1 SET hello 1|1 GET foo|1 SET foo 1|1 MGET hello foo|1 MGET foo hello|1 MGET {foo}a {foo}b
1 MSET {b}1 1 {b}2 2|1 DEL {b}1 {b}2 {b}3|1 EXISTS foo|1 RENAME hello foo|1 OBJECT ENCODING foo
1 LMPOP 1 foo LEFT|1 LMPOP 2 hello foo LEFT|1 WATCH foo|1 GET|1 TOUCH hello k
1 SELECT 1|1 SELECT 0|1 SELECT x|1 SWAPDB 0 1|1 MOVE hello 1|1 MOVE foo 1
1 COPY hello {hello}2 DB 1|1 COPY hello {hello}2 DB 99|1 REPLICAOF 127.0.0.1 1|1 DBSIZE
1 MULTI|1 SET hello 2|1 GET foo|1 EXEC|1 MULTI|1 SET hello 3|1 SET b 3|1 EXEC|1 GET hello|1 EXEC
1 MULTI|1 PING|1 EXEC|1 MULTI|1 GET foo|1 DISCARD|1 DISCARD
1 ASKING|1 GET foo|1 READONLY|1 GET foo|1 READWRITE|1 GET foo
1 WAIT 1 20000
r GET hello|r SET hello 1|r READONLY|r GET hello|r SET hello 1|r GET foo|r MULTI|r GET hello|r EXEC
r MULTI|r SET hello 1|r EXEC|r READWRITE|r GET hello|r READONLY|r RESET|r GET hello
r CLUSTER SETSLOT 1 STABLE|r CLUSTER REPLICATE A|r CLUSTER ADDSLOTS 1|r DEL hello|r FLUSHALL
1 CLUSTER|1 CLUSTER FOO|1 CLUSTER KEYSLOT|1 CLUSTER KEYSLOT a|1 CLUSTER KEYSLOT {a}b
1 CLUSTER COUNTKEYSINSLOT 866|1 CLUSTER COUNTKEYSINSLOT 99999|1 CLUSTER COUNTKEYSINSLOT a
1 CLUSTER GETKEYSINSLOT 866 10|1 CLUSTER GETKEYSINSLOT 866 0|1 CLUSTER GETKEYSINSLOT 866 -1
1 CLUSTER GETKEYSINSLOT a 1|1 CLUSTER GETKEYSINSLOT 1 a|1 CLUSTER GETKEYSINSLOT 20000 1
1 CLUSTER ADDSLOTS 1|1 CLUSTER ADDSLOTS a|1 CLUSTER ADDSLOTS 99999|1 CLUSTER ADDSLOTS
1 CLUSTER ADDSLOTSRANGE 1|1 CLUSTER ADDSLOTSRANGE 1 2 3|1 CLUSTER ADDSLOTSRANGE 5 1
1 CLUSTER DELSLOTS 1 1|1 CLUSTER DELSLOTSRANGE 1 2 2 3|1 CLUSTER DELSLOTS a
1 CLUSTER FLUSHSLOTS|1 CLUSTER RESET|1 CLUSTER RESET FOO|1 CLUSTER RESET HARD FOO
1 CLUSTER FAILOVER|1 CLUSTER FAILOVER FOO|1 CLUSTER FAILOVER FORCE FOO
1 CLUSTER FORGET X|1 CLUSTER FORGET A|1 CLUSTER FORGET|r CLUSTER FORGET A
1 CLUSTER REPLICATE X|1 CLUSTER REPLICATE A|1 CLUSTER REPLICATE B|1 CLUSTER REPLICATE R
1 CLUSTER REPLICAS X|1 CLUSTER REPLICAS R|1 CLUSTER COUNT-FAILURE-REPORTS X
1 CLUSTER COUNT-FAILURE-REPORTS A|1 CLUSTER SET-CONFIG-EPOCH 5|1 CLUSTER SET-CONFIG-EPOCH -1
1 CLUSTER SET-CONFIG-EPOCH a|1 CLUSTER MEET|1 CLUSTER MEET a 1|1 CLUSTER MEET 127.0.0.1 99999
1 CLUSTER MEET 127.0.0.1 0|1 CLUSTER MEET 127.0.0.1 1 2 3|1 CLUSTER SAVECONFIG
1 CLUSTER SETSLOT 1|1 CLUSTER SETSLOT 1 FOO|1 CLUSTER SETSLOT a FOO A|1 CLUSTER SETSLOT 1 FOO A
1 CLUSTER SETSLOT 1 MIGRATING X|1 CLUSTER SETSLOT 1 MIGRATING R
1 CLUSTER SETSLOT 12182 MIGRATING B
1 CLUSTER SETSLOT 1 IMPORTING B|1 CLUSTER SETSLOT 12182 IMPORTING X|1 CLUSTER SETSLOT 1 NODE X
1 CLUSTER SETSLOT 1 NODE R|1 CLUSTER SETSLOT 866 NODE B|1 CLUSTER SETSLOT 1 STABLE
2 CLUSTER SETSLOT 866 IMPORTING A|1 CLUSTER SETSLOT 866 MIGRATING B
1 GET hello|1 GET {hello}new|1 SET {hello}new 1|1 MGET hello {hello}new|1 MGET {hello}n1 {hello}n2
1 MULTI|1 GET hello|1 GET {hello}new|1 EXEC|1 MULTI|1 GET hello|1 EXEC
2 GET {hello}new|2 ASKING|2 SET {hello}new 1|2 ASKING|2 GET {hello}new|2 GET {hello}new
2 ASKING|2 MGET {hello}new {hello}x|2 ASKING|2 MGET {hello}new {hello}new|2 ASKING|2 PING
2 GET {hello}new|2 ASKING|2 MULTI|2 GET {hello}new|2 GET {hello}x|2 EXEC|2 GET {hello}new
2 ASKING|2 DEL {hello}new|1 CLUSTER COUNTKEYSINSLOT 866|1 CLUSTER SETSLOT 866 NODE B
1 DEL hello|2 CLUSTER SETSLOT 866 NODE B|1 CLUSTER SETSLOT 866 NODE B|1 GET hello|2 GET hello
1 CLUSTER SETSLOT 866 NODE A|1 CLUSTER SETSLOT 866 STABLE
1 SSUBSCRIBE hello foo|1 SPUBLISH foo x|1 COMMAND GETKEYS GET a|1 CLUSTER BUMPEPOCH FOO
"""


class Differential(Formed):
    replicas = 1

    @classmethod
    def makers(cls):
        return [cls.make, cluster.redis_node]

    def play(self, nodes):
        """Every step with its reply, in which ports and ids are names."""
        first = nodes.primary("{b}")
        servers = {"1": first, "2": nodes.primary("k"), "r": nodes.replicas_of(first)[0]}
        with first.client() as c:
            ids = {line.port: line.id for line in cluster.lines(c).values()}
        names = {"A": ids[servers["1"].port], "B": ids[servers["2"].port],
                 "R": ids[servers["r"].port], "X": "f" * 40}
        ports = {str(s.port): "port-of-%s" % who for who, s in servers.items()}
        clients = {who: s.client() for who, s in servers.items()}
        seen = []
        try:
            for step in re.split(r"[|\n]", STEPS.strip()):
                who, *words = step.split()
                raw = clients[who].raw(*[names.get(w, w) for w in words]).decode()
                for name, node_id in names.items():
                    raw = raw.replace(node_id, name)
                raw = re.sub(r":(\d{4,5})\r", lambda m: ":" + ports.get(m[1], "elsewhere") + "\r",
                             raw)
                seen.append((step, raw))
        finally:
            for c in clients.values():
                c.close()
        return seen

    # What Redis 7.2 says instead of the 7.0.15 that is compared with.
    NEWER = (("Invalid TCP base port", "Invalid base port"),)

    def test_every_request_is_answered_as_by_redis(self):
        ours, theirs = [self.play(c) for c in self.clusters]
        for got, want in zip(ours, theirs):
            for old, new in self.NEWER:
                want = (want[0], want[1].replace(old, new))
            with self.subTest(step=want[0]):
                self.assertEqual(got, want)


# Each with every list of arguments, most of them wrong; and within MULTI. What 7.0.15 does not know
# (MYSHARDID, SLOT-STATS), or answers with words of its own (HELP), is not here.
SUBCOMMANDS = """addslots addslotsrange bumpepoch count-failure-reports countkeysinslot delslots
    delslotsrange failover flushslots forget getkeysinslot info keyslot links meet migrateslots myid
    nodes replicas replicate reset saveconfig set-config-epoch setslot shards slaves
    slots""".split()
ARGUMENTS = """
1|1 2|1 2 3|1 1|1 1 1|a|a b|1 a|-1|0 -1|0 1 -1|0 16384|16384|99999999999999999999|5 1|1 2 2 3
1 2 3 2|FORCE|FORCE x|TAKEOVER|HARD x|UNKNOWN|1 NODE UNKNOWN|1 NODE|1 STABLE|1 STABLE x
16384 STABLE|16384 x|1 MIGRATING UNKNOWN|1 IMPORTING UNKNOWN|1 IMPORTING MYSELF|127.0.0.1 1 2 3
host 7000|127.0.0.1 70000|127.0.0.1 1 70000|127.0.0.1 x|MYSELF"""
ARGUMENTS = [words.split() for words in re.split(r"[|\n]", ARGUMENTS.strip())]


class Subcommands(unittest.TestCase):
    """One node of each kind that knows nobody else."""

    # What says how long a node has run, where, and how much; and what 7.2 says in other words.
    CHANGES = ((rb":\d+@\d+", b"ADDRESS"), (rb"(port|replication-offset)\r\n:\d+", rb"\1"),
               (rb"Invalid TCP base port", b"Invalid base port"),
               (rb"(?s)\$\d+\r\ncluster_state.*exceeded:0.*?\r\n\r\n", b"INFO"))

    def play(self, server):
        seen = []
        server.start()
        # Should it end by itself, its last words are of interest.
        self.addCleanup(lambda: server.process.poll() is not None and print(server.tail()))
        with server.client() as c:
            me = c.call("CLUSTER", "MYID")
            names = {"MYSELF": me, "UNKNOWN": "f" * 40}
            for subcommand in SUBCOMMANDS:
                for words in [[], [""]] + ARGUMENTS:
                    if subcommand == "keyslot" and words == ["MYSELF"]:
                        continue
                    request = ["CLUSTER", subcommand] + [names.get(w, w) for w in words]
                    reply = c.raw(*request)
                    c.raw("MULTI")
                    reply += c.raw(*request) + c.raw("EXEC")
                    reply = reply.replace(me, b"MYSELF")
                    for changing, constant in self.CHANGES:
                        reply = re.sub(changing, constant, reply)
                    seen.append(([subcommand] + words, reply))
                for words in (["FLUSHSLOTS"], ["RESET"]):
                    c.call("CLUSTER", *words)
        return seen

    def test_every_subcommand_with_all_kinds_of_arguments(self):
        ours, theirs = cluster.node(BINARIES.cairn), cluster.redis_node()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        for mine, its in zip(self.play(ours), self.play(theirs)):
            with self.subTest(request=its[0]):
                self.assertEqual(mine, its)

    def test_what_only_newer_servers_know(self):
        server = cluster.node(BINARIES.cairn)
        self.addCleanup(server.close)
        with server.start().client() as c:
            shard = c.call("CLUSTER", "MYSHARDID")
            self.assertRegex(shard, b"^[0-9a-f]{40}$")
            c.call("CLUSTER", "RESET")
            self.assertEqual(c.call("CLUSTER", "MYSHARDID"), shard)
            c.call("CLUSTER", "RESET", "HARD")
            self.assertNotEqual(c.call("CLUSTER", "MYSHARDID"), shard)
            for words in (["MYSHARDID", "x"], ["SLOT-STATS"], ["HELP", "x"]):
                self.assertIn(b"wrong number of arguments for 'cluster|%s'"
                              % words[0].lower().encode(), c.raw("CLUSTER", *words))
            said = c.call("CLUSTER", "HELP")
            for subcommand in SUBCOMMANDS + ["myshardid", "slot-stats", "help"]:
                if subcommand not in ("migrateslots", "slaves"):
                    self.assertTrue(any(line.decode().split(" ")[0] == subcommand.upper()
                                        for line in said), subcommand)


class RedisCli(Formed):
    replicas = 1

    def setUp(self):
        self.nodes = self.clusters[0]
        self.first = self.nodes.nodes[0]

    def new_node(self):
        server = cluster.node(BINARIES.cairn)
        self.addCleanup(server.close)
        return server.start()

    @contextlib.contextmanager
    def load(self, *more_errors):
        """Writers on all shards, who meet nothing but redirections (and more_errors) and find what
        they wrote."""
        writers = [cluster.Writer([s.port for s in self.nodes.nodes], tag)
                   for tag in self.nodes.TAGS]
        try:
            for writer in writers:
                cluster.until(lambda w=writer: w.acknowledged > 20, "a writer writes")
            yield
            for writer in writers:
                before = writer.acknowledged
                cluster.until(lambda w=writer, n=before: w.acknowledged > n + 20, "it goes on")
        finally:
            for writer in writers:
                writer.stop()
        for writer in writers:
            # A machine that stands still for a second is not the cluster's fault.
            self.assertLessEqual(set(writer.errors),
                                 {"MOVED", "ASK", "TRYAGAIN", "TimeoutError", *more_errors})
            value = int(values(cli("-c", "-p", self.first.port,
                                   text="GET %s\n" % writer.key))[-1])
            self.assertGreaterEqual(value, writer.acknowledged)
            self.assertLessEqual(value, writer.sent)
        cli("--cluster", "call", "--cluster-only-masters", at(self.first), "flushall")

    def test_check_info_call_and_set_timeout_under_load(self):
        self.assertIn("[OK] 0 keys in 3 masters.", cli("--cluster", "info", at(self.first)))
        with self.load():
            self.check_info_call_and_set_timeout()

    def check_info_call_and_set_timeout(self):
        out = cli("--cluster", "check", at(self.first))
        self.assertIn("[OK] All nodes agree about slots configuration.", out)
        self.assertIn("[OK] All 16384 slots covered.", out)
        self.assertEqual(out.count("M: "), 3)
        self.assertEqual(out.count("S: "), 3)
        self.assertIn("[OK] 3 keys in 3 masters.", cli("--cluster", "info", at(self.first)))
        self.assertEqual(cli("--cluster", "call", at(self.first), "ping").count("PONG"), 6)
        out = cli("--cluster", "set-timeout", at(self.first), 3000)
        # Started without a file there is nothing to rewrite, and redis-cli says so per node.
        for server in self.nodes.nodes:
            with server.client() as c:
                self.assertEqual(c.call("CONFIG", "GET", "cluster-node-timeout")[1], b"3000")
        cli("--cluster", "set-timeout", at(self.first), 2000)

    def test_import_rebalance_and_set_timeout_under_load(self):
        source = Server(BINARIES.cairn, "cairn", {})
        self.addCleanup(source.close)
        keys = {"imported:%d" % i: "value-%d" % i for i in range(150)}
        with source.start().client() as c:
            for key, value in keys.items():
                c.call("SET", key, value)
        with self.load():
            cli("--cluster", "import", at(self.first), "--cluster-from", at(source),
                "--cluster-copy")
            self.assert_read_everywhere(keys)
            with source.client() as c:
                self.assertEqual(c.call("DBSIZE"), len(keys))
            cli("--cluster", "import", at(self.first), "--cluster-from", at(source),
                "--cluster-replace")
            with source.client() as c:
                self.assertEqual(c.call("DBSIZE"), 0)
            # Some less for one of three, and back.
            some_id = cluster.my_id(self.nodes.primary("{b}"))
            had = self.slots_of(some_id)
            for more in (["--cluster-weight", some_id + "=0.96"], []):
                cli("--cluster", "set-timeout", at(self.first), 4000 if more else 2000)
                cli("--cluster", "rebalance", at(self.first), *more)
                wanted = had - 148 if more else had
                cluster.until(lambda n=wanted: abs(self.slots_of(some_id) - n) <= 2,
                              "%d slots are its own" % wanted)
                self.assert_read_everywhere(keys)
        self.nodes.settle()
        cli("--cluster", "check", at(self.first))

    def test_redis_cli_c_follows_redirections(self):
        keys = ["key:%d" % i for i in range(300)]
        cli("-c", "-p", self.first.port, text="".join("SET %s v-%s\n" % (k, k) for k in keys))
        out = cli("-c", "-p", self.nodes.nodes[4].port, text="".join("GET %s\n" % k for k in keys))
        self.assertEqual(values(out), ["v-" + k for k in keys])
        out = cli("--cluster", "info", at(self.first))
        self.assertIn("[OK] 300 keys in 3 masters.", out)
        cli("--cluster", "call", "--cluster-only-masters", at(self.first), "flushall")

    def test_redis_benchmark_knows_its_way(self):
        out = subprocess.run(["redis-benchmark", "--cluster", "-p", str(self.first.port), "-n",
                              "3000", "-r", "1000", "-t", "set,get", "-q", "-c", "6"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT,
                             check=True).stdout.decode()
        self.assertIn("GET: ", out)
        self.assertNotIn("rror", out)
        cli("--cluster", "call", "--cluster-only-masters", at(self.first), "flushall")

    def test_a_slot_that_was_left_open_is_closed_under_load(self):
        with self.load():
            self.open_and_fix()

    def open_and_fix(self):
        one, two = self.nodes.primary("{b}"), self.nodes.primary("k")
        with one.client() as a, two.client() as b:
            a.call("CLUSTER", "SETSLOT", 100, "MIGRATING", b.call("CLUSTER", "MYID"))
            b.call("CLUSTER", "SETSLOT", 100, "IMPORTING", a.call("CLUSTER", "MYID"))
            out = cli("--cluster", "check", at(one), code=1)
            self.assertIn("The following slots are open: 100.", out)
            cli("--cluster", "fix", at(one))
            self.nodes.settle()
            cli("--cluster", "check", at(one))
            # Two that both import, an owner that has the keys.
            key = next("k%d" % i for i in range(100000)
                       if one.port == self.nodes.primary("k%d" % i).port)
            a.call("SET", key, "v")
            slot = a.call("CLUSTER", "KEYSLOT", key)
            b.call("CLUSTER", "SETSLOT", slot, "IMPORTING", a.call("CLUSTER", "MYID"))
            cli("--cluster", "fix", at(one))
            self.nodes.settle()
            self.assertEqual(a.call("GET", key), b"v")
            a.call("DEL", key)

    def test_slots_that_nobody_serves_are_dealt_out_under_load(self):
        with self.load("CLUSTERDOWN"):
            self.lose_and_fix()

    def lose_and_fix(self):
        for server in self.nodes.nodes:
            with server.client() as c:
                c.call("CLUSTER", "DELSLOTS", 5)
        self.assertIn("Not all 16384 slots are covered by nodes",
                      cli("--cluster", "check", at(self.first), code=1))
        cli("--cluster", "fix", at(self.first), text="yes\nyes\nyes\n")
        self.nodes.settle()
        self.assertIn("[OK] All 16384 slots covered.", cli("--cluster", "check", at(self.first)))

    def test_nodes_come_and_go_under_load(self):
        with self.load():
            self.come_and_go()

    def come_and_go(self):
        primary, replica = self.new_node(), self.new_node()
        cli("--cluster", "add-node", at(primary), at(self.first))
        cluster.until(lambda: self.knows(primary, 7), "the new node is known")
        new_id = cluster.my_id(primary)
        cli("--cluster", "add-node", at(replica), at(self.first), "--cluster-slave",
            "--cluster-master-id", new_id)
        cluster.until(lambda: self.knows(replica, 8), "its replica is known")
        with self.first.client() as c:
            cluster.until(lambda: cluster.lines(c)[cluster.my_id(replica)].primary == new_id,
                          "it has become a replica")
        # Slots move with what is in them, there and back.
        keys = self.fill(self.first)
        cli("--cluster", "reshard", at(self.first), "--cluster-from",
            cluster.my_id(self.first), "--cluster-to", new_id, "--cluster-slots", 30,
            "--cluster-yes")
        cluster.until(lambda: self.slots_of(new_id) == 30, "30 slots are its own")
        cli("--cluster", "check", at(self.first))
        with primary.client() as c:
            moved = c.call("DBSIZE")
        self.assertGreater(moved, 0)
        self.assertLess(moved, len(keys))
        self.assert_read_everywhere(keys)
        cli("--cluster", "reshard", at(self.first), "--cluster-from", new_id, "--cluster-to",
            cluster.my_id(self.first), "--cluster-slots", 30, "--cluster-yes")
        cluster.until(lambda: self.slots_of(new_id) == 0, "it has none again")
        self.assert_read_everywhere(keys)
        cli("--cluster", "call", "--cluster-only-masters", at(self.first), "flushall")
        # Whoever gave its last slot away has become a replica of the one that got it.
        for server in (replica, primary):
            cli("--cluster", "del-node", at(self.first), cluster.my_id(server))
        cluster.until(lambda: all(self.count(s) == 6 for s in self.nodes.nodes),
                      "all have forgotten them")
        with primary.client() as c:
            self.assertEqual(len(cluster.lines(c)), 1)  # it was reset
        self.nodes.settle()

    def fill(self, server):
        """Keys in the lowest slots of a node, which are the first to be moved: three a slot."""
        keys = {}
        with server.client() as c:
            mine = [line for line in cluster.lines(c).values() if "myself" in line.flags][0]
            low = int(mine.slots[0].split("-")[0])
            for i in range(20000):
                slot = binascii.crc_hqx(b"%d" % i, 0) % 16384
                if low <= slot < low + 60:
                    for n in range(3):
                        keys["{%d}%d" % (i, n)] = "value-%d-%d" % (slot, n)
            for key, value in keys.items():
                c.call("SET", key, value)
        return keys

    def assert_read_everywhere(self, keys):
        out = cli("-c", "-p", self.nodes.nodes[2].port,
                  text="".join("GET %s\n" % key for key in keys))
        self.assertEqual(values(out), list(keys.values()))

    def count(self, server):
        with server.client() as c:
            return len(cluster.lines(c))

    def knows(self, server, count):
        """All old nodes know that many, and among them this one."""
        new_id = cluster.my_id(server)
        for old in self.nodes.nodes:
            with old.client() as c:
                seen = cluster.lines(c)
            if len(seen) != count or "handshake" in seen[new_id].flags:
                return False
        return True

    def slots_of(self, node_id):
        with self.first.client() as c:
            return cluster.lines(c)[node_id].slot_count()


if __name__ == "__main__":
    main()
