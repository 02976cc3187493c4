#!/usr/bin/env python3
"""Scripts that run long: what other clients are told meanwhile, and how such a script ends. The
same steps on cairn-server and redis-server, byte by byte; then what is left of a script after
kill -9, and what a replica and a cluster make of scripts."""
import time

from harness import cluster
from harness.case import BINARIES, Case, main
from harness.resp import encode
from harness.servers import Server, redis_binary

ENDLESS = ["while true do end",
           "while true do pcall(function() while true do end end) end",
           "coroutine.wrap(function() while true do end end)()",
           "while true do redis.call('get','k') end"]
WRITING = "redis.call('set','k','written') while true do end"
CLUSTERED = ["return redis.call('set',KEYS[1] or 'a','1')", "return redis.call('get','a')",
             "return redis.call('get','b')", "return redis.call('get','foo')",
             "redis.call('get','a') return redis.pcall('get','b')",
             "redis.call('get','a') return redis.call('get','{a}3')",
             "return redis.call('mget','a','b')", "return redis.call('ping')",
             "#!lua\nreturn redis.call('get','b')",
             "#!lua flags=allow-cross-slot-keys\n"
             "redis.call('get','a') return redis.call('get','b')",
             "#!lua flags=no-cluster\nreturn 1"]
MEANWHILE = [["PING"], ["GET", "k"], ["SET", "k", "2"], ["NOSUCH"], ["GET"], ["MULTI"],
             ["GET", "k"], ["EXEC"], ["DISCARD"], ["MULTI"], ["DISCARD"], ["WATCH", "k"],
             ["UNWATCH"], ["EVAL", "return 1", "0"], ["SCRIPT", "LOAD", "return 1"], ["SHUTDOWN"],
             ["SHUTDOWN", "SAVE"], ["SCRIPT", "FLUSH"], ["CLIENT", "ID"]]


class Scripts(Case):
    def pair(self):
        redis = Server(redis_binary(), "redis").start()
        self.addCleanup(redis.close)
        return redis, self.server()

    def begin(self, server, script):
        """A client whose script runs, once it has run long enough for others to be answered."""
        runner = server.client()
        runner.send(encode(["EVAL", script, "1", "k"]))
        with server.client() as c:
            end = time.monotonic() + 30
            while not c.raw("PING").startswith(b"-BUSY"):
                self.assertLess(time.monotonic(), end, "nobody is told that the node is busy")
                time.sleep(0.01)
        return runner

    def test_others_are_told_and_may_end_it(self):
        transcripts = []
        for server in self.pair():
            said = []
            with server.client() as c:
                c.call("CONFIG", "SET", "lua-time-limit", 100)
                said.append(c.raw("CONFIG", "GET", "busy-reply-threshold"))
                said.append(c.raw("SCRIPT", "KILL"))
                c.call("SET", "k", "1")
                for script in ENDLESS:
                    runner = self.begin(server, script)
                    said += [c.raw(*args) for args in MEANWHILE]
                    with server.client() as late:
                        said += [late.raw("GET", "k"), late.raw("SCRIPT", "KILL")]
                    said.append(runner.read()[1])
                    said.append(c.raw("GET", "k"))
                    runner.close()
            transcripts.append(said)
        for number, (theirs, ours) in enumerate(zip(*transcripts)):
            self.assertEqual(theirs, ours, "reply %d" % number)

    def test_one_that_has_written_can_only_be_shut_down(self):
        server = self.server()
        with server.client() as c:
            c.call("CONFIG", "SET", "busy-reply-threshold", 100)
            c.call("SET", "k", "before")
            runner = self.begin(server, WRITING)
            self.assertIn("UNKILLABLE", self.error(c, "SCRIPT", "KILL"))
            c.send(encode(["SHUTDOWN", "NOSAVE"]))
            self.assertEqual(self.wait_exit(server), 0)
            runner.close()
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("GET", "k"), b"before", "half of a script was kept")

    def test_a_slow_reader_and_a_guest_do_not_hold_it(self):
        server = self.server()
        with server.client() as c, server.client() as half:
            c.call("CONFIG", "SET", "busy-reply-threshold", 50)
            half.send(encode(["SET", "k", "whole"])[:-4])
            runner = self.begin(server, ENDLESS[0])
            for _ in range(50):
                with server.client() as guest:
                    self.assertIn("BUSY", self.error(guest, "GET", "k"))
            self.assertEqual(c.call("SCRIPT", "KILL"), b"OK")
            self.assertIn("killed", str(runner.read()[1]))
            half.send(encode(["SET", "k", "whole"])[-4:])
            self.assertEqual(half.read()[1], b"+OK\r\n")
            runner.close()

    def test_a_script_is_kept_whole_or_not_at_all(self):
        server = self.server({"appendfsync": "always"})
        with server.client() as c:
            for n in range(20):
                c.call("EVAL", "for i=1,500 do redis.call('set','n'..i,ARGV[1]) end", 0, n)
            c.send(encode(["EVAL", "for i=1,500 do redis.call('set','n'..i,ARGV[1]) end", "0",
                           "last"]))
            server.kill()
        server.start()
        with server.client() as c:
            values = set(c.call("MGET", *["n%d" % i for i in range(1, 501)]))
            self.assertEqual(len(values), 1, values)
            self.assertIn(values.pop(), (b"19", b"last"))

    def test_a_replica_gets_what_scripts_write_and_takes_no_writes_of_its_own(self):
        primary = self.server()
        replica = self.server({"replicaof": "127.0.0.1 %d" % primary.port})
        with primary.client() as p, replica.client() as r:
            p.call("EVAL", "redis.call('set',KEYS[1],'v') redis.call('rpush','l',1,2)", 1, "k")
            self.assertEqual(p.call("WAIT", 1, 20000), 1)
            self.assertEqual(r.call("EVAL", "return redis.call('get',KEYS[1])", 1, "k"), b"v")
            self.assertIn("READONLY", self.error(
                r, "EVAL", "return redis.call('set',KEYS[1],1)", 1, "k"))
            self.assertEqual(r.call("EVAL_RO", "return redis.call('llen','l')", 0), 2)

    def test_a_cluster_sends_scripts_where_their_keys_are(self):
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
                for script in CLUSTERED:
                    for keys in ([], ["a"], ["a", "{a}2"], ["a", "b"], ["foo"], ["b"]):
                        said.append(c.raw("EVAL", script, len(keys), *keys))
                        c.raw("MULTI")
                        c.raw("GET", "a")
                        said.append(c.raw("EVAL", script, len(keys), *keys))
                        said.append(c.raw("EXEC"))
                        c.raw("DISCARD")
            transcripts.append(said)
        for number, (theirs, ours) in enumerate(zip(*transcripts)):
            self.assertEqual(theirs, ours, "reply %d" % number)


if __name__ == "__main__":
    main()
