#!/usr/bin/env python3
"""MIGRATE between real nodes, Cairn and redis-server in both directions: what arrives, what is
deleted, the error texts, and targets that refuse, fall silent, break off or die on the way. A key
exists on one side at least at every time."""
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import Client, Closed, encode  # noqa: E402
from harness.servers import LONG, Server, info, redis_binary  # noqa: E402

HERE = "127.0.0.1"
STRING_MB = 100 if LONG else 24
ELEMENTS = 1000000 if LONG else 60000
CROWD = 400


class Listener:
    """A target of our own: accepts, and does with each connection what it is told."""

    def __init__(self, each):
        self.sock = socket.create_server((HERE, 0))
        self.port = self.sock.getsockname()[1]
        self.connections = 0
        self.thread = threading.Thread(target=self._serve, args=(each,), daemon=True)
        self.thread.start()

    def _serve(self, each):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            self.connections += 1
            each(conn)

    def close(self):
        # Closing alone does not interrupt accept.
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


class Migrate(case.Case):
    def setUp(self):
        self.nodes = [self.server({"appendfsync": "no", "enable-debug-command": "yes"})
                      for _ in range(2)]
        self.redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, self.redis)
        self.redis.start()
        self.cairn, self.second, self.other = [
            s.client(timeout=300) for s in self.nodes + [self.redis]]

    def listener(self, each):
        target = Listener(each)
        self.addCleanup(target.close)
        return target

    def migrate(self, client, port, keys, *options, timeout=60000):
        return client.call("MIGRATE", HERE, port, "", 0, timeout, *options, "KEYS", *keys)

    def fill(self, client):
        client.call("SET", "s", "text")
        client.call("SET", "n", "-17")
        client.call("SETRANGE", "long", 70000, "end")
        client.call("RPUSH", "l", *["e%d" % i for i in range(500)])
        client.call("HSET", "h", *["x%d" % i for i in range(1000)])
        client.call("SET", "t", "v", "PX", 500000)
        return ["s", "n", "long", "l", "h", "t"]

    def content(self, client):
        flat = client.call("HGETALL", "h")
        return (client.call("MGET", "s", "n", "long", "t"), client.call("LRANGE", "l", 0, -1),
                dict(zip(flat[::2], flat[1::2])), client.call("DBSIZE"))

    def test_all_types_in_every_direction(self):
        names = self.fill(self.cairn)
        want = self.content(self.cairn)
        way = [(self.cairn, self.redis.port, self.other),
               (self.other, self.nodes[1].port, self.second),
               (self.second, self.nodes[0].port, self.cairn)]
        for source, port, target in way:
            self.assertEqual(self.migrate(source, port, names + ["nosuch"]), b"OK")
            self.assertEqual(source.call("DBSIZE"), 0)
            self.assertEqual(self.content(target), want)
            self.assertGreater(target.call("PTTL", "t"), 400000)
            self.assertEqual(target.call("TTL", "s"), -1)

    def test_texts_are_those_of_redis(self):
        """The same requests to a Cairn and to a Redis source."""
        target = self.nodes[1].port
        silent = self.listener(lambda conn: time.sleep(2) or conn.close())
        breaking = self.listener(lambda conn: conn.recv(1 << 16) and conn.close())
        requests = [
            [target, "nosuch", 0, 1000], [target, "k", 0, 1000], [target, "k", 7, 1000],
            [target, "k", 0, 1000, "BAD"], [target, "k", 0, 1000, "KEYS", "k"],
            [target, "", 0, 1000, "KEYS"], [target, "k", 0, 1000, "AUTH"],
            [target, "k", 0, 1000, "AUTH", "x"], [target, "k", 0, 1000, "AUTH2", "x"],
            [target, "k", 0, 1000, "AUTH2", "nosuch", "x"], [target, "k", 0, "x"],
            [target, "k", "x", 1000], [1, "k", 0, 1000], [silent.port, "k", 0, 300],
            [breaking.port, "k", 0, 1000], [target, "k", 0, 1000, "COPY", "REPLACE"],
            [target, "k", 0, -5, "replace"]]
        answers = []
        for source in (self.cairn, self.other):
            source.call("SET", "k", "v")
            self.second.call("SET", "k", "busy")
            answers.append([])
            for request in requests:
                source.send(encode(["MIGRATE", HERE] + request))
                answers[-1].append((request, source.read()[1], source.call("EXISTS", "k")))
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(breaking.connections, 4)  # each tried twice
        source = self.cairn
        source.call("SET", "k", "v")
        with self.assertRaisesRegex(Exception, "IOERR error or timeout connecting to the client"):
            source.call("MIGRATE", "nosuch.invalid", 1, "k", 0, 1000)

    def test_a_target_that_refuses(self):
        self.other.call("SET", "b", "busy")
        self.cairn.call("MSET", "a", 1, "b", 2, "c", 3)
        with self.assertRaisesRegex(Exception, "replied with error: BUSYKEY Target key"):
            self.migrate(self.cairn, self.redis.port, "abc")
        self.assertEqual(self.cairn.call("KEYS", "*"), [b"b"])
        self.other.call("CONFIG", "SET", "maxmemory", 1)
        with self.assertRaisesRegex(Exception, "replied with error: OOM command not allowed"):
            self.migrate(self.cairn, self.redis.port, "b", "REPLACE")
        self.other.call("CONFIG", "SET", "maxmemory", 0)
        self.other.call("CONFIG", "SET", "requirepass", "secret")
        self.cairn.call("CONFIG", "RESETSTAT")
        fresh = self.server({"appendfsync": "no"}).client()
        fresh.call("SET", "b", "2")
        with self.assertRaisesRegex(Exception, "replied with error: NOAUTH"):
            self.migrate(fresh, self.redis.port, "b", "REPLACE")
        self.assertEqual(self.migrate(fresh, self.redis.port, "b", "REPLACE", "AUTH", "secret"),
                         b"OK")
        self.assertEqual(self.migrate(self.cairn, self.redis.port, "b", "REPLACE", "AUTH2",
                                      "default", "secret"), b"OK")

    def test_a_silent_target_holds_nobody_else(self):
        silent = self.listener(lambda conn: time.sleep(5) or conn.close())
        self.cairn.call("MSET", "k", "v", "other", 1)
        self.cairn.send(encode(["MIGRATE", HERE, silent.port, "k", 0, 1500]))
        begin = time.monotonic()
        with self.nodes[0].client() as c:
            self.assertEqual(c.call("INCR", "other"), 2)
            self.assertEqual(c.call("GET", "k"), b"v")
            self.assertLess(time.monotonic() - begin, 1)
            # A write to the key on its way waits until that is decided.
            self.assertEqual(c.call("APPEND", "k", "w"), 2)
            self.assertGreater(time.monotonic() - begin, 1)
        self.assertIn(b"-IOERR error or timeout reading", self.cairn.read()[1])
        self.assertEqual(self.cairn.call("GET", "k"), b"vw")

    def test_a_target_that_dies_on_the_way(self):
        self.cairn.call("SETRANGE", "k", STRING_MB << 20, "end")
        for how in ("kill", "stop"):
            node = self.server({"appendfsync": "no"})
            got = []
            with self.nodes[0].client(timeout=120) as c:
                c.send(encode(["MIGRATE", HERE, node.port, "k", 0, 2000]))
                while info(node.client(), "stats")["total_net_input_bytes"] < "1" * 6:
                    time.sleep(0.001)
                if how == "kill":
                    node.kill()
                else:
                    node.process.send_signal(19)  # SIGSTOP
                got.append(c.read()[1])
            if how == "stop":
                node.process.send_signal(18)
            self.assertTrue(got[0].startswith((b"-IOERR", b"+OK")), got)
            if got[0] != b"+OK\r\n":
                self.assertEqual(self.cairn.call("STRLEN", "k"), (STRING_MB << 20) + 3)
        self.assertEqual(self.cairn.call("PING"), b"PONG")

    def test_a_client_that_leaves(self):
        silent = self.listener(lambda conn: time.sleep(5) or conn.close())
        self.cairn.call("SET", "k", "v")
        leaving = self.nodes[0].client()
        leaving.send(encode(["MIGRATE", HERE, silent.port, "k", 0, 60000]))
        number = None
        while number is None:
            for line in self.cairn.call("CLIENT", "LIST").decode().splitlines():
                if "cmd=migrate" in line:
                    number = line.split()[0][3:]
        self.assertEqual(self.cairn.call("CLIENT", "KILL", "ID", number), 1)
        self.assertEqual(self.cairn.call("APPEND", "k", "w"), 2)

    def test_large_values_cost_little_memory(self):
        chunk = os.urandom(1 << 20)
        for _ in range(STRING_MB):
            self.cairn.call("APPEND", "string", chunk)
        for at in range(0, ELEMENTS, 1000):
            names = ["element%07d" % i for i in range(at, at + 1000)]
            self.cairn.call("HSET", "hash", *[x for n in names for x in (n, n)])
            self.cairn.call("RPUSH", "list", *names)
            self.cairn.call("ZADD", "zset", *[x for i, n in enumerate(names)
                                              for x in ((at + i) * 7919 % 10007, n)])
        want = self.cairn.call("GETRANGE", "string", -100, -1)
        some = ["ZRANGE", "zset", ELEMENTS // 2, ELEMENTS // 2 + 50, "WITHSCORES"]
        want_range = self.cairn.call(*some)
        used = int(info(self.cairn, "memory")["used_memory_peak"])
        for key in ("string", "hash", "list", "zset"):
            self.assertEqual(self.migrate(self.cairn, self.redis.port, [key]), b"OK")
        if not self.sanitized():
            self.assertLess(int(info(self.cairn, "memory")["used_memory_peak"]) - used, 16 << 20)
        self.assertEqual(self.other.call("STRLEN", "string"), STRING_MB << 20)
        self.assertEqual(self.other.call("GETRANGE", "string", -100, -1), want)
        self.assertEqual((self.other.call("HLEN", "hash"), self.other.call("LLEN", "list")),
                         (ELEMENTS, ELEMENTS))
        self.assertEqual(self.other.call(*some), want_range)
        for key in ("string", "hash", "list", "zset"):
            self.assertEqual(self.migrate(self.other, self.nodes[0].port, [key]), b"OK")
        self.assertEqual(self.cairn.call("HLEN", "hash"), ELEMENTS)
        self.assertEqual(self.cairn.call(*some), want_range)
        self.assertEqual(self.cairn.call("GETRANGE", "string", -100, -1), want)

    def test_counters_that_travel_lose_nothing(self):
        """Writers follow a key from node to node; every increment counts once."""
        ports = [n.port for n in self.nodes]
        done, total = threading.Event(), []

        def write():
            clients = [Client(p, timeout=60) for p in ports]
            mine = 0
            while not done.is_set():
                for c in clients:
                    # Only where the key is: HINCRBY would make another one.
                    c.send(encode(["MULTI"]) + encode(["EXISTS", "h"]) + encode(["EXEC"]))
                    replies = [c.read()[0] for _ in range(3)]
                    if replies[2][1][0][1] != b"1":
                        continue
                    c.send(encode(["WATCH", "h"]) + encode(["EXISTS", "h"]))
                    c.read()
                    if c.read()[0][1] != b"1":
                        c.call("UNWATCH")
                        continue
                    c.send(encode(["MULTI"]) + encode(["HINCRBY", "h", "n", 1]) + encode(["EXEC"]))
                    c.read()
                    c.read()
                    mine += c.read()[0][1] is not None
            total.append(mine)

        self.cairn.call("HSET", "h", "n", 0, *["f%d" % i for i in range(3000)])
        threads = [threading.Thread(target=write) for _ in range(3)]
        for t in threads:
            t.start()
        sources = [self.cairn, self.second]
        end = time.monotonic() + 4
        moves = 0
        while time.monotonic() < end:
            self.assertEqual(sources[moves % 2].call(
                "MIGRATE", HERE, ports[(moves + 1) % 2], "h", 0, 20000), b"OK")
            moves += 1
        done.set()
        for t in threads:
            t.join()
        self.assertEqual(int(sources[moves % 2].call("HGET", "h", "n")), sum(total))
        self.assertGreater(sum(total), 0)

    def test_connections_are_kept_for_a_while(self):
        for i in range(5):
            self.cairn.call("SET", "k", i)
            self.assertEqual(self.migrate(self.cairn, self.redis.port, "k", "REPLACE"), b"OK")
        self.assertEqual(info(self.cairn, "stats")["migrate_cached_sockets"], "1")
        before = int(info(self.other, "stats")["total_connections_received"])
        self.cairn.call("SET", "k", "v")
        self.migrate(self.cairn, self.redis.port, "k", "REPLACE")
        self.assertEqual(int(info(self.other, "stats")["total_connections_received"]), before)
        # The target closed it meanwhile: that is found out, and another one made.
        self.other.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.cairn.call("SET", "k", "v")
        self.assertEqual(self.migrate(self.cairn, self.redis.port, "k", "REPLACE"), b"OK")

    def test_many_at_once(self):
        clients = [self.nodes[0].client() for _ in range(10)]
        for i in range(CROWD):
            self.cairn.call("SET", "k%d" % i, i)
        for n, c in enumerate(clients):
            for i in range(n, CROWD, len(clients)):
                c.send(encode(["MIGRATE", HERE, self.nodes[1].port, "k%d" % i, 0, 20000]))
        for n, c in enumerate(clients):
            for i in range(n, CROWD, len(clients)):
                self.assertEqual(c.read()[1], b"+OK\r\n")
        self.assertEqual((self.cairn.call("DBSIZE"), self.second.call("DBSIZE")), (0, CROWD))

    def test_durable_there_before_it_is_deleted_here(self):
        """Both nodes are killed at any time: the key is on one of them at least."""
        source = self.server({"appendfsync": "always"})
        target = self.server({"appendfsync": "always"})
        with source.client() as c:
            c.call("MSET", *[x for i in range(2000) for x in ("k%d" % i, i)])
            try:
                for i in range(2000):
                    if i == 300:
                        threading.Timer(0.2, source.kill).start()
                    c.call("MIGRATE", HERE, target.port, "k%d" % i, 0, 5000)
            except (Closed, OSError):
                pass
        target.kill()
        source.kill()
        source.start()
        target.start()
        with source.client() as a, target.client() as b:
            there = set(a.call("KEYS", "*")) | set(b.call("KEYS", "*"))
        self.assertEqual(len(there), 2000)


if __name__ == "__main__":
    case.main()
