#!/usr/bin/env python3
"""DUMP and RESTORE between Cairn and redis-server, in both directions: what one serializes the
other restores to the same value, whatever the encoding, the size and the lifetime."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case, rdb  # noqa: E402
from harness.resp import encode  # noqa: E402
from harness.servers import LONG, Server, redis_binary  # noqa: E402
from harness.steps import pick  # noqa: E402

ROUNDS = 2000 if LONG else 150
ENTRIES = [0, 1, 4, 128, 512]
STRING_MB = 100 if LONG else 12
ELEMENTS = 1000000 if LONG else 40000


def read(client, key):
    kind = client.call("TYPE", key)
    if kind == b"string":
        return client.call("GET", key)
    if kind == b"list":
        return client.call("LRANGE", key, 0, -1)
    if kind == b"set":
        return set(client.call("SMEMBERS", key))
    if kind == b"hash":
        flat = client.call("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))
    if kind == b"zset":
        return client.call("ZRANGE", key, 0, -1, "WITHSCORES")
    return kind


class Dump(case.Case):
    def setUp(self):
        self.cairn = self.server({"appendfsync": "no", "enable-debug-command": "yes"})
        self.redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, self.redis)
        self.redis.start()
        self.sides = [s.client(timeout=600) for s in (self.cairn, self.redis)]
        self.rng = random.Random(5)

    def exchange(self, source, target, key="k"):
        """Moves the value of key over; both hold the same afterwards."""
        payload = source.call("DUMP", key)
        self.assertEqual(target.call("RESTORE", "copy", 0, payload, "REPLACE"), b"OK")
        self.assertEqual(read(source, key), read(target, "copy"))
        return payload

    def fill(self, client, key="k"):
        rng = self.rng
        count = rng.choice([1, 2, 5, 20, 130, 600])
        client.call("DEL", key)
        kind = rng.randrange(5)
        if kind == 0:
            client.call("SET", key, pick.value(rng))
            if rng.random() < 0.2:
                client.call("SETRANGE", key, rng.randrange(40000), "end")
        elif kind == 1:
            client.call("RPUSH", key, *[pick.value(rng) for _ in range(count)])
        elif kind == 2:
            client.call("ZADD", key, *[x for _ in range(count) for x in (
                rng.choice(["-inf", "inf", "0.1", "1e17", rng.randrange(50)]), pick.value(rng))])
        elif kind == 3:
            integers = rng.random() < 0.5
            client.call("SADD", key, *[rng.randrange(-1 << rng.choice([8, 20, 40]), 1 << 20)
                                       if integers else pick.value(rng) for _ in range(count)])
        else:
            client.call("HSET", key, *[pick.value(rng) for _ in range(2 * count)])

    def test_random_values_in_every_encoding(self):
        for _ in range(ROUNDS):
            source, target = self.rng.sample(self.sides, 2)
            if self.rng.random() < 0.3:
                for side in self.sides:
                    side.call("CONFIG", "SET", "hash-max-listpack-entries",
                              self.rng.choice(ENTRIES))
                    side.call("CONFIG", "SET", "zset-max-listpack-entries",
                              self.rng.choice(ENTRIES))
                    side.call("CONFIG", "SET", "set-max-intset-entries", self.rng.choice(ENTRIES))
                    side.call("CONFIG", "SET", "list-max-listpack-size",
                              self.rng.choice([-2, -1, 1, 4, 128]))
            self.fill(source)
            self.exchange(source, target)
            # And back from there.
            self.exchange(target, source, "copy")

    def test_handmade_payloads_mean_the_same_to_both(self):
        for _ in range(ROUNDS):
            items = [b"%s" % (x if isinstance(x, bytes) else x.encode("utf-8", "replace"))
                     for x in (pick.value(self.rng) for _ in range(self.rng.randrange(2, 40)))]
            pairs = [x for i in range(0, len(items) - 1, 2) for x in (b"%d:" % i + items[i],
                                                                      items[i + 1])]
            value = self.rng.choice([lambda: rdb.list_value(self.rng, items),
                                     lambda: rdb.set_value(self.rng, sorted(set(items))),
                                     lambda: rdb.hash_value(self.rng, pairs)])()
            for side in self.sides:
                self.assertEqual(side.call("RESTORE", "k", 0, rdb.sealed(value), "REPLACE"),
                                 b"OK", value)
            self.assertEqual(read(self.sides[0], "k"), read(self.sides[1], "k"), value)

    def test_types_that_are_not_there_are_named(self):
        cairn, redis = self.sides
        redis.call("ZADD", "zset", "1", "a")
        redis.call("XADD", "stream", "*", "f", "v")
        for key in ("zset", "stream"):
            payload = redis.call("DUMP", key)
            if cairn.call("COMMAND", "INFO", "zadd" if key == "zset" else "xadd")[0]:
                continue
            self.assertIn("the payload holds a %s, a type that this node does not have" % key,
                          self.error(cairn, "RESTORE", "x", 0, payload))
        self.assertEqual(cairn.call("DBSIZE"), 0)

    def test_every_damaged_byte_is_refused(self):
        cairn, redis = self.sides
        redis.call("RPUSH", "k", "a", "1", "x" * 100)
        payload = redis.call("DUMP", "k")
        for at in range(len(payload)):
            bad = payload[:at] + bytes([payload[at] ^ 0x40]) + payload[at + 1:]
            self.assertIn("version or checksum", self.error(cairn, "RESTORE", "k", 0, bad))
        # Behind a right checksum anything may come; the node says what it thinks of it and lives.
        for at in range(len(payload) - 10):
            for flip in (0x01, 0x10, 0x80, 0xff):
                value = payload[:-10]
                value = value[:at] + bytes([value[at] ^ flip]) + value[at + 1:]
                cairn.send(encode(["RESTORE", "k", 0, rdb.sealed(value), "REPLACE"]))
                cairn.read()
        self.assertEqual(cairn.call("PING"), b"PONG")

    def test_large_values(self):
        cairn, redis = self.sides
        chunk = bytes(self.rng.randrange(256) for _ in range(1 << 16))
        for at in range(0, STRING_MB << 20, 1 << 20):
            cairn.call("APPEND", "string", chunk * 16)
        for at in range(0, ELEMENTS, 1000):
            names = ["element%07d" % i for i in range(at, at + 1000)]
            cairn.call("HSET", "hash", *[x for n in names for x in (n, n)])
            cairn.call("RPUSH", "list", *names)
            cairn.call("SADD", "set", *names)
        for key in ("string", "hash", "list", "set"):
            self.assertEqual(redis.call("RESTORE", key, 0, cairn.call("DUMP", key)), b"OK")
            self.assertEqual(cairn.call("RESTORE", key + "2", 0, redis.call("DUMP", key)), b"OK")
        self.assertEqual(redis.call("STRLEN", "string"), STRING_MB << 20)
        self.assertEqual(cairn.call("GET", "string") == cairn.call("GET", "string2"), True)
        self.assertEqual(read(cairn, "hash") == read(cairn, "hash2"), True)
        self.assertEqual(read(cairn, "set") == read(cairn, "set2"), True)
        self.assertEqual(cairn.call("LRANGE", "list", 0, -1) ==
                         cairn.call("LRANGE", "list2", 0, -1), True)

    def test_what_was_restored_survives_a_kill(self):
        client = self.sides[1]
        node = self.server({"appendfsync": "always"})
        client.call("HSET", "h", *["x%d" % i for i in range(4000)])
        with node.client() as c:
            c.call("RESTORE", "h", 100000000, client.call("DUMP", "h"))
        node.kill()
        node.start()
        with node.client() as c:
            self.assertEqual(read(c, "h"), read(client, "h"))
            self.assertGreater(c.call("PTTL", "h"), 90000000)


if __name__ == "__main__":
    case.main()
