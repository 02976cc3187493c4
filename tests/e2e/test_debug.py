#!/usr/bin/env python3
"""DEBUG on the dataset: digests are those of redis-server, and closing and opening the store
changes nothing, in whatever state it is closed."""
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import Closed, encode  # noqa: E402
from harness.servers import Server, info, redis_binary  # noqa: E402
from harness.shard import until  # noqa: E402
from harness.steps import pick  # noqa: E402

ROUNDS = 60


class Debug(case.Case):
    def setUp(self):
        self.node = self.server({"enable-debug-command": "yes"})
        self.client = self.node.client()
        self.rng = random.Random(8)

    def change(self, *clients):
        rng = self.rng
        key = "k%d" % rng.randrange(40)
        commands = [rng.choice([
            ["SET", "s" + key, pick.value(rng)], ["APPEND", "a" + key, pick.value(rng)],
            ["SETRANGE", "r" + key, rng.randrange(40000), "x"],
            ["RPUSH", "l" + key, *[pick.value(rng) for _ in range(rng.randrange(1, 200))]],
            ["HSET", "h" + key, *[pick.value(rng) for _ in range(2 * rng.randrange(1, 200))]],
            ["SADD", "z" + key, *[pick.value(rng) for _ in range(rng.randrange(1, 200))]],
            ["SREM", "z" + key, *[pick.value(rng) for _ in range(10)]],
            ["LPOP", "l" + key, 30], ["DEL", "h" + key], ["PEXPIRE", "s" + key, 10000000]])]
        for c in clients:
            for command in commands:
                c.call(*command)

    def test_digests_are_those_of_redis(self):
        redis = Server(redis_binary(), "redis", {"enable-debug-command": "yes"})
        self.addCleanup(self._finish, redis)
        other = redis.start().client()
        self.assertEqual(self.client.call("DEBUG", "DIGEST"), b"0" * 40)
        for _ in range(ROUNDS):
            for _ in range(5):
                self.change(self.client, other)
            self.assertEqual(self.client.call("DEBUG", "DIGEST"), other.call("DEBUG", "DIGEST"))
        keys = sorted(other.call("KEYS", "*")) + ["nosuchkey"]
        self.assertEqual(self.client.call("DEBUG", "DIGEST-VALUE", *keys),
                         other.call("DEBUG", "DIGEST-VALUE", *keys))
        for populate in (["100"], ["50", "p"], ["50", "q", "20"], ["3", "r", "3"], ["0"],
                         ["120"]):
            for c in (self.client, other):
                self.assertEqual(c.call("DEBUG", "POPULATE", *populate), b"OK")
        self.assertEqual(self.client.call("DEBUG", "DIGEST"), other.call("DEBUG", "DIGEST"))

    def test_reopening_changes_nothing(self):
        for n in range(20):
            for _ in range(self.rng.randrange(40)):
                self.change(self.client)
            before = (self.client.call("DEBUG", "DIGEST"), self.client.call("DBSIZE"))
            if n % 5 == 4:
                self.client.call("SAVE")
            self.assertEqual(self.client.call("DEBUG", self.rng.choice(["RELOAD", "LOADAOF"])),
                             b"OK")
            self.assertEqual((self.client.call("DEBUG", "DIGEST"), self.client.call("DBSIZE")),
                             before)
        self.assertEqual(self.client.call("DEBUG", "RELOAD", "NOSAVE"), b"OK")
        self.assertIn("only supports", self.error(self.client, "DEBUG", "RELOAD", "x"))

    def test_writers_go_on(self):
        done, counts = threading.Event(), []

        def write(n):
            with self.node.client() as c:
                mine = 0
                while not done.is_set():
                    try:
                        mine = c.call("INCR", "n%d" % n)
                    except (Closed, OSError):
                        break
                counts.append((n, mine))

        threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        for verb in ("RELOAD", "LOADAOF", "RELOAD", "LOADAOF"):
            time.sleep(0.1)
            self.assertEqual(self.client.call("DEBUG", verb), b"OK")
        done.set()
        for t in threads:
            t.join()
        for n, mine in counts:
            self.assertGreaterEqual(int(self.client.call("GET", "n%d" % n)), mine)

    def test_a_new_timeline_is_followed(self):
        replica = self.server({"enable-debug-command": "yes",
                               "replicaof": "127.0.0.1 %d" % self.node.port})
        with replica.client() as r:
            for verb in ("CHANGE-REPL-ID", "RELOAD", "LOADAOF"):
                before = info(self.client, "replication")["master_replid"]
                self.assertEqual(self.client.call("DEBUG", verb), b"OK")
                if verb == "CHANGE-REPL-ID":
                    self.assertNotEqual(info(self.client, "replication")["master_replid"],
                                        before)
                self.client.call("INCR", "n")
                digest = self.client.call("DEBUG", "DIGEST")
                end = time.monotonic() + 60
                while r.call("DEBUG", "DIGEST") != digest and time.monotonic() < end:
                    time.sleep(0.05)
                self.assertEqual(r.call("DEBUG", "DIGEST"), digest, verb)
            self.assertIn("is for a primary", self.error(r, "DEBUG", "RELOAD"))

    def test_sleep_holds_up_everybody(self):
        with self.node.client() as other:
            for around in ([], ["MULTI"]):
                self.client.call("SLOWLOG", "RESET")
                for word in around:
                    self.client.call(word)
                begin = time.monotonic()
                self.client.send(encode(["DEBUG", "SLEEP", "0.5"]))
                if around:
                    self.client.read()
                    self.client.send(encode(["EXEC"]))
                time.sleep(0.1)
                self.assertEqual(other.call("PING"), b"PONG")
                self.assertGreaterEqual(time.monotonic() - begin, 0.5)
                self.assertIn(b"OK", self.client.read()[1])
                slow = other.call("SLOWLOG", "GET", "-1")
                self.assertEqual([e[3] for e in slow], [[b"DEBUG", b"SLEEP", b"0.5"]])
                self.assertGreaterEqual(slow[0][2], 500000)
            self.client.send(encode(["SET", "short", "1", "PX", "50"]) +
                             encode(["DEBUG", "SLEEP", "0.1"]) + encode(["GET", "short"]))
            self.assertEqual([self.client.read()[1] for _ in range(3)],
                             [b"+OK\r\n", b"+OK\r\n", b"$-1\r\n"])

    def test_replies_of_kinds_that_resp3_alone_has(self):
        for proto, attribute, push in (
                (2, b"$39\r\nSome real reply following the attribute\r\n",
                 b"-ERR RESP2 is not supported by this command\r\n"),
                (3, b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
                 b"$39\r\nSome real reply following the attribute\r\n",
                 b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"
                 b"$40\r\nSome real reply following the push reply\r\n")):
            with self.node.client(proto=proto) as c:
                c.send(encode(["DEBUG", "PROTOCOL", "attrib"]))
                c.send(encode(["DEBUG", "PROTOCOL", "push"]))
                self.assertEqual(c.drain(0.5)[0], attribute + push)

    def test_verbs_about_what_redis_has_inside(self):
        c = self.client
        c.call("SET", "word", "eight888")
        c.call("HSET", "hash", "f", "v")
        self.assertIn(b"key_sds_len:4, ", c.call("DEBUG", "SDSLEN", "word"))
        self.assertIn(b"val_sds_len:8, ", c.call("DEBUG", "SDSLEN", "word"))
        self.assertIn("Not an sds", self.error(c, "DEBUG", "SDSLEN", "hash"))
        self.assertIn(b"printed", c.call("DEBUG", "LISTPACK", "hash"))
        with open(self.node.log, encoding="utf-8") as log:
            self.assertIn("DEBUG LISTPACK: one record", log.read())
        self.assertIn("Not a listpack", self.error(c, "DEBUG", "LISTPACK", "word"))
        self.assertIn(b"number of elements: 2\n[Expires HT]\n number of elements: 0",
                      c.call("DEBUG", "HTSTATS", "0"))
        self.assertIn("Out of range", self.error(c, "DEBUG", "HTSTATS", "1"))
        self.assertIn("not represented using", self.error(c, "DEBUG", "HTSTATS-KEY", "hash"))
        for words in (["RESIZING", "0"], ["PEAK-RESET-TIME", "100"], ["PEAK-RESET-TIME", "RESET"]):
            self.assertEqual(c.call("DEBUG", "REPLYBUFFER", *words), b"OK")
        self.assertIn("syntax", self.error(c, "DEBUG", "REPLYBUFFER", "x", "0"))
        self.assertIn("not an integer",
                      self.error(c, "DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "x"))
        self.assertEqual(c.call("DEBUG", "DICT-RESIZING", "0"), b"OK")
        self.assertIn("not commands", self.error(c, "DEBUG", "REPLICATE", "SET", "a", "b"))
        self.assertIn("scripts may not run",
                      self.error(c, "DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"))

    def test_a_paused_timer_expires_nothing(self):
        c = self.client
        self.assertEqual(c.call("DEBUG", "PAUSE-CRON", "1"), b"OK")
        for n in range(10):
            c.call("SET", "k%d" % n, "v", "PX", "1")
        time.sleep(0.5)
        self.assertEqual(c.call("DBSIZE"), 10)
        self.assertIsNone(c.call("GET", "k1"))
        self.assertEqual(c.call("DEBUG", "PAUSE-CRON", "0"), b"OK")
        until(lambda: c.call("DBSIZE") == 0)

    def test_only_where_it_is_enabled(self):
        with self.server().client() as c:
            for verb in ("RELOAD", "DIGEST", "POPULATE"):
                self.assertIn("DEBUG command not allowed", self.error(c, "DEBUG", verb))


if __name__ == "__main__":
    case.main()
