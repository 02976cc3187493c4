#!/usr/bin/env python3
"""Functions: what is left of libraries after kills, restarts and checkpoints, what replicas,
promoted ones and deposed primaries have, what a cluster makes of FCALL, how a function that runs
long ends, payloads that go to redis-server and come from it, and what the tools say of them."""
import os
import subprocess
import time

from harness import cluster, shard
from harness.case import BINARIES, ToolCase, main
from harness.resp import encode
from harness.servers import Server, info, redis_binary

ENDLESS = "#!lua name=endless\n" \
    "redis.register_function('endless', function() while true do end end)\n" \
    "redis.register_function{function_name='stubborn', flags={'no-writes'}, callback=function()\n" \
    " while true do pcall(function() while true do redis.call('get','k') end end) end end}\n" \
    "redis.register_function('writing', function(k, a)\n" \
    " redis.call('set', k[1], 'written') while true do end end)"
MEANWHILE = [["PING"], ["GET", "k"], ["FUNCTION", "LIST"], ["FCALL", "endless", "0"],
             ["SCRIPT", "KILL"], ["FUNCTION", "FLUSH"], ["FUNCTION", "DUMP"], ["MULTI"],
             ["FUNCTION", "KILL", "x"], ["EXEC"], ["DISCARD"], ["SHUTDOWN"],
             ["EVAL", "return 1", "0"]]
CLUSTERED = {"f": "return redis.call('get', k[1] or 'a')",
             "s": "return redis.call('set', k[1] or 'a', 'v')",
             "two": "redis.call('get','a') return redis.pcall('get','b')",
             "plain": "return 1"}


def library(name, **functions):
    return "#!lua name=%s\n" % name + "\n".join(
        "redis.register_function('%s', function(k, a) %s end)" % pair
        for pair in sorted(functions.items()))


def flagged(name, flags, **functions):
    return "#!lua name=%s\n" % name + "\n".join(
        "redis.register_function{function_name='%s', flags={%s}, callback=function(k, a) %s end}"
        % (function, flags, code) for function, code in sorted(functions.items()))


class Functions(ToolCase):
    def oracle(self):
        redis = Server(redis_binary(), "redis").start()
        self.addCleanup(redis.close)
        return redis

    def replica(self, primary):
        return self.server({"replicaof": "127.0.0.1 %d" % primary.port})

    # --- one node ---

    def test_libraries_survive_whatever_ends_the_node(self):
        server = self.server({"appendfsync": "always"})
        wanted = {}
        for n, end in enumerate(["kill", "stop", "kill", "kill", "stop"]):
            with server.client() as c:
                for i in range(3):
                    name = b"lib%d" % ((n + i) % 4)
                    code = library(name.decode(), **{
                        "f%d" % ((n + i) % 4): "return '%d of %d'" % (i, n)}).encode()
                    c.call("FUNCTION", "LOAD", "REPLACE", code)
                    wanted[name] = code
                gone = b"lib%d" % (n % 4)
                c.call("FUNCTION", "DELETE", gone)
                del wanted[gone]
                if n % 2:
                    c.call("SAVE")
                    c.call("FLUSHALL")
                c.call("SET", "k", n)
            getattr(server, end)()
            server.start()
            with server.client() as c:
                self.assertEqual(shard.libraries(c), wanted)
                self.assertEqual(c.call("FCALL", "f%d" % ((n + 2) % 4), 0), b"2 of %d" % n)
                found = info(c, "memory")
                self.assertEqual(found["number_of_libraries"], str(len(wanted)))
                self.assertEqual(found["number_of_functions"], str(len(wanted)))

    def test_what_is_acknowledged_under_kill_is_there(self):
        server = self.server({"appendfsync": "everysec"})
        for n in range(6):
            with server.client() as c:
                for i in range(30):
                    c.call("FUNCTION", "LOAD", "REPLACE",
                           library("lib", f="return %d" % (100 * n + i)))
                c.send(encode(["FUNCTION", "LOAD", "REPLACE", library("lib", f="return -1")]))
                server.kill()
            server.start()
            with server.client() as c:
                self.assertIn(c.call("FCALL", "f", 0), (100 * n + 29, -1))

    def test_a_reload_of_the_store_keeps_them(self):
        server = self.server({"enable-debug-command": "local"})
        with server.client() as c:
            c.call("FUNCTION", "LOAD", library("lib", f="return 'kept'"))
            for how in (["RELOAD"], ["LOADAOF"]):
                c.call("DEBUG", *how)
                self.assertEqual(c.call("FCALL", "f", 0), b"kept")

    def begin(self, server, *args):
        """A client whose function runs, once it has run long enough for others to be answered."""
        runner = server.client()
        runner.send(encode(list(args)))
        with server.client() as c:
            end = time.monotonic() + 30
            while not c.raw("PING").startswith(b"-BUSY"):
                self.assertLess(time.monotonic(), end, "nobody is told that the node is busy")
                time.sleep(0.01)
        return runner

    def test_one_that_runs_long_may_be_ended(self):
        transcripts = []
        for server in (self.oracle(), self.server()):
            said = []
            with server.client() as c:
                c.call("CONFIG", "SET", "busy-reply-threshold", 100)
                said.append(c.raw("FUNCTION", "KILL"))
                c.call("FUNCTION", "LOAD", ENDLESS)
                for name in ("endless", "stubborn"):
                    runner = self.begin(server, "FCALL", name, "0")
                    said += [c.raw(*args) for args in MEANWHILE]
                    stats = c.call("FUNCTION", "STATS")
                    said.append((stats[1][:4], stats[2:]))
                    self.assertGreaterEqual(stats[1][5], 100)
                    said.append(c.raw("FUNCTION", "KILL"))
                    said.append(runner.read()[1])
                    runner.close()
                runner = self.begin(server, "EVAL", "while true do end", "0")
                said += [c.raw("FUNCTION", "KILL"), c.raw("FUNCTION", "STATS"),
                         c.raw("SCRIPT", "KILL"), runner.read()[1]]
                runner.close()
            transcripts.append(said)
        for number, (theirs, ours) in enumerate(zip(*transcripts)):
            self.assertEqual(theirs, ours, "reply %d" % number)

    def test_one_that_has_written_can_only_be_shut_down(self):
        server = self.server()
        with server.client() as c:
            c.call("CONFIG", "SET", "busy-reply-threshold", 100)
            c.call("FUNCTION", "LOAD", ENDLESS)
            c.call("SET", "k", "before")
            runner = self.begin(server, "FCALL", "writing", "1", "k")
            self.assertIn("UNKILLABLE", self.error(c, "FUNCTION", "KILL"))
            c.send(encode(["SHUTDOWN", "NOSAVE"]))
            self.assertEqual(self.wait_exit(server), 0)
            runner.close()
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("GET", "k"), b"before", "half of a function was kept")
            self.assertEqual(len(shard.libraries(c)), 1)

    # --- payloads ---

    def test_payloads_go_both_ways(self):
        redis, server = self.oracle(), self.server()
        codes = {b"lib%d" % i: library("lib%d" % i, **{"f%d" % i: "return %d" % i}).encode()
                 for i in range(5)}
        # What redis-server packs.
        codes[b"large"] = library("large", big="return '%s'" % ("long " * 5000)).encode()
        with redis.client() as theirs, server.client() as ours:
            for giver, taker in ((theirs, ours), (ours, theirs)):
                for code in codes.values():
                    giver.call("FUNCTION", "LOAD", "REPLACE", code)
                taker.call("FUNCTION", "FLUSH")
                taker.call("FUNCTION", "RESTORE", giver.call("FUNCTION", "DUMP"))
                self.assertEqual(shard.libraries(taker), codes)
                self.assertEqual(taker.call("FCALL", "f3", 0), 3)
                taker.call("FUNCTION", "LOAD", library("more", m="return 1"))
                taker.call("FUNCTION", "RESTORE", giver.call("FUNCTION", "DUMP"), "REPLACE")
                self.assertEqual(set(shard.libraries(taker)), set(codes) | {b"more"})
                taker.call("FUNCTION", "RESTORE", giver.call("FUNCTION", "DUMP"), "FLUSH")
                self.assertEqual(shard.libraries(taker), codes)

    # --- replicas ---

    def test_replicas_have_them_by_log_and_by_copy(self):
        primary = self.server({"memtable-max": "1mb", "wal-keep-size": "1mb"})
        early = self.replica(primary)
        shard.wait_linked(early)
        with primary.client() as p, early.client() as e:
            p.call("FUNCTION", "LOAD", library("lib", f="return redis.call('set',k[1],a[1])"))
            p.call("FUNCTION", "LOAD", flagged("ro", "'no-writes'",
                                               g="return redis.call('get',k[1])"))
            p.call("FCALL", "f", 1, "k", "v")
            shard.wait_equal(primary, early)
            self.assertEqual(e.call("FCALL", "g", 1, "k"), b"v")
            self.assertIn("READONLY", self.error(e, "FCALL", "f", 1, "k", "v"))
            self.assertIn("READONLY", self.error(e, "FUNCTION", "FLUSH"))
            self.assertIn("READONLY", self.error(e, "FUNCTION", "LOAD", library("x", x="return 1")))
            for i in range(300):
                p.call("SET", "k:%d" % i, os.urandom(20000))
            p.call("SAVE")
            p.call("FUNCTION", "LOAD", "REPLACE", library("lib", f="return 'new'"))
            late = self.replica(primary)
            shard.wait_linked(late)
            shard.wait_equal(primary, early, late)
            self.assertGreaterEqual(int(info(p, "stats")["sync_full"]), 1)
            self.assertEqual(shard.content(late), shard.content(primary))
            self.assertEqual(shard.content(early), shard.content(primary))
        # The copy is a dataset as any other.
        late.kill()
        late.start()
        shard.wait_linked(late)
        self.assertEqual(shard.content(late), shard.content(primary))
        with late.client() as c:
            c.call("REPLICAOF", "NO", "ONE")
            self.assertEqual(c.call("FCALL", "f", 0), b"new")
            c.call("FUNCTION", "LOAD", library("own", h="return 1"))
            self.assertEqual(c.call("FCALL", "h", 0), 1)

    def test_a_deposed_primary_gives_its_libraries_up(self):
        primary = self.server()
        replica = self.replica(primary)
        shard.wait_linked(replica)
        with primary.client() as p, replica.client() as r:
            p.call("FUNCTION", "LOAD", library("shared", f="return 'old'"))
            shard.wait_equal(primary, replica)
            r.call("REPLICAOF", "NO", "ONE")
            p.call("FUNCTION", "LOAD", "REPLACE", library("shared", f="return 'lost'"))
            p.call("FUNCTION", "LOAD", library("lost", g="return 1"))
            self.assertEqual(p.call("FCALL", "f", 0), b"lost")
            r.call("FUNCTION", "LOAD", library("kept", h="return 2"))
            p.call("REPLICAOF", "127.0.0.1", replica.port)
            shard.wait_linked(primary)
            shard.wait_equal(primary, replica)
            self.assertEqual(shard.libraries(p), shard.libraries(r))
            self.assertEqual(set(shard.libraries(p)), {b"shared", b"kept"})
            divergent = os.path.join(primary.dir, "divergent")
            lost = [row for name in os.listdir(divergent) for row in self.wal(
                "dump", os.path.join(divergent, name), "--format", "json").json]
            self.assertEqual({row.get("library") for row in lost}, {"shared", "lost"})

    # --- cluster ---

    def test_a_cluster_sends_calls_where_their_keys_are(self):
        """One node with a part of the slots: foo (12182) is not served, a (15495) and b (3300) are.
        """
        half = {"cluster_require_full_coverage": "no"}
        transcripts = []
        for server in (cluster.redis_node(**half), cluster.node(BINARIES.cairn, **half)):
            self.addCleanup(server.close)
            server.start()
            said = []
            with server.client() as c:
                c.call("CLUSTER", "ADDSLOTSRANGE", 0, 10000, 15000, 16383)
                cluster.until(lambda c=c: "cluster_state:ok" in c.call("CLUSTER", "INFO").decode(),
                              "the node serves")
                c.call("FUNCTION", "LOAD", library("lib", **CLUSTERED))
                c.call("FUNCTION", "LOAD", flagged("x", "'allow-cross-slot-keys'",
                                                   x="redis.call('get','a') "
                                                   "return redis.call('get','b')"))
                c.call("FUNCTION", "LOAD", flagged("n", "'no-cluster'", n="return 1"))
                for name in list(CLUSTERED) + ["x", "n", "nosuch"]:
                    for keys in ([], ["a"], ["a", "{a}2"], ["a", "b"], ["foo"], ["b"]):
                        said.append(c.raw("FCALL", name, len(keys), *keys))
                        c.raw("MULTI")
                        c.raw("GET", "a")
                        said.append(c.raw("FCALL", name, len(keys), *keys))
                        said.append(c.raw("EXEC"))
                        c.raw("DISCARD")
            transcripts.append(said)
        for number, (theirs, ours) in enumerate(zip(*transcripts)):
            self.assertEqual(theirs, ours, "reply %d" % number)

    def test_a_new_node_of_a_cluster_gets_them(self):
        nodes = [cluster.node(BINARIES.cairn, cluster_require_full_coverage="no") for _ in range(2)]
        for server in nodes:
            self.addCleanup(server.close)
            server.start()
        with nodes[0].client() as c:
            c.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            cluster.until(lambda: "cluster_state:ok" in c.call("CLUSTER", "INFO").decode(),
                          "the node serves")
            c.call("FUNCTION", "LOAD", library("lib", f="return 'here too'"))
        done = subprocess.run(
            ["redis-cli", "--cluster", "add-node", "127.0.0.1:%d" % nodes[1].port,
             "127.0.0.1:%d" % nodes[0].port], capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        with nodes[1].client() as c:
            self.assertEqual(c.call("FCALL", "f", 0), b"here too")

    # --- tools ---

    def test_tools_know_them(self):
        server, redis = self.server(), self.oracle()
        with server.client() as c:
            c.call("FUNCTION", "LOAD", library("a", f="return 1"))
            c.call("SAVE")
            c.call("FUNCTION", "LOAD", library("b", g="return 2"))
            c.call("FUNCTION", "LOAD", "REPLACE", library("a", f="return 3"))
            c.call("SET", "k", "v")
            c.call("FUNCTION", "DELETE", "b")
            c.call("FUNCTION", "LOAD", library("c", h="return 4"))
            wanted = shard.libraries(c)
        server.kill()
        self.assertEqual(set(wanted), {b"a", b"c"})
        rows = [r for r in self.wal("dump", server.dir, "--format", "json").json if "library" in r]
        self.assertEqual([(r["op"], r["library"]) for r in rows],
                         [("put-library", "a"), ("put-library", "b"), ("put-library", "a"),
                          ("del-library", "b"), ("put-library", "c")])
        self.assertIn(" op=del-library library=\"b\" ", self.wal("dump", server.dir).text)
        self.assertNotIn("library", self.wal("dump", server.dir, "--key", "k").text)
        by_type = {r["name"]: r for r in self.wal("stats", server.dir, "--by", "type", "--format",
                                                  "json").json}
        self.assertEqual(by_type["library"]["operations"], 5)
        found = self.slot("info", server.dir, "--format", "json").json[0]
        self.assertEqual(found["libraries"], 2)
        self.assertEqual(self.slot("info", server.dir, "--at", "checkpoint", "--format",
                                   "json").json[0]["libraries"], 1)
        self.assertEqual(self.slot("stat", server.dir, "--format", "json").json[0]["libraries"], 2)
        dumped = self.slot("dump", server.dir, "--format", "json").json
        self.assertEqual({r["library"].encode(): r["code"].encode()
                          for r in dumped if "library" in r}, wanted)
        self.slot("check", server.dir)
        # Commands, for redis-server and for another node.
        with redis.client() as r:
            for commands in (self.wal("dump", server.dir, "--format", "resp").out,
                             self.wal("replay", server.dir, "--to-stdout-resp").out,
                             self.wal("replay", server.dir, "--to-stdout-resp",
                                      "--idempotent").out,
                             self.slot("dump", server.dir).out):
                r.call("FLUSHALL")
                r.call("FUNCTION", "FLUSH")
                r.call("FUNCTION", "LOAD", library("b", b="return 1"))
                piped = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"],
                                       input=commands, capture_output=True, check=False)
                self.assertEqual(piped.returncode, 0, piped.stdout)
                left = shard.libraries(r)
                left.pop(b"b", None)  # what was there before a dump of keys stays
                self.assertEqual(left, wanted)
                self.assertEqual(r.call("GET", "k"), b"v")
        # A directory made from the log, and how it differs from what it was made from.
        path = os.path.join(self.folder(), "made")
        self.wal("replay", server.dir, "--to-env", path)
        self.slot("diff", server.dir, path)
        made = self.server(directory=path)
        with made.client() as c:
            self.assertEqual(shard.libraries(c), wanted)
            c.call("FUNCTION", "DELETE", "a")
            c.call("FUNCTION", "LOAD", library("d", i="return 5"))
        made.stop()
        differ = self.slot("diff", server.dir, path, "--format", "json", code=1).json
        self.assertEqual([(r["what"], r["library"]) for r in differ if "library" in r],
                         [("only-a", "a"), ("only-b", "d")])
        self.assertEqual(differ[-1]["libraries_differ"], 2)


if __name__ == "__main__":
    main()
