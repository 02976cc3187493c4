#!/usr/bin/env python3
"""Fields of hashes that expire, against a plain model: random commands, with checkpoints, restarts,
kill -9 and replicas; the tools; MIGRATE; tracking; a large hash whose fields all expire at once."""
import random
import time

from harness.case import ToolCase, main
from harness.servers import LONG, Server, info, redis_binary
from harness.shard import until, wait_equal, wait_linked
from harness.tools import unjson

LATER = 4102444800000  # 2100
KEYS = [b"h1", b"h2", b"{t}a", b"{t}b", b"big"]


def now_ms():
    return int(time.time() * 1000)


def read_hash(client, key):
    """{field: (value, when it expires or 0)} as the node answers."""
    flat = client.call("HGETALL", key)
    fields = flat[::2]
    times = client.call("HPEXPIRETIME", key, "FIELDS", len(fields), *fields) if fields else []
    return {f: (v, max(0, at)) for f, v, at in zip(fields, flat[1::2], times) if at != -2}


class Model:
    """Hashes as the node must have them. What might have expired while a command ran is asked of
    the node, and counted."""

    def __init__(self, rng):
        self.rng = rng
        self.keys = {}
        self.asked = 0

    def name(self, key):
        many = 300 if key == b"big" else 12
        n = self.rng.randrange(many)
        return b"f%d" % n if n % 40 else b"long" * 150 + b"%d" % n

    def settle(self, at):
        """Takes away what has expired by then."""
        for key in list(self.keys):
            left = {f: (v, t) for f, (v, t) in self.keys[key].items() if t == 0 or t > at}
            self._keep(key, left)

    def _keep(self, key, fields):
        if fields:
            self.keys[key] = fields
        else:
            self.keys.pop(key, None)

    def put(self, key, fields):
        self._keep(key, {**self.keys.get(key, {}), **fields})

    def step(self, client):
        """One command to the node and the same here."""
        began = now_ms()
        self.settle(began)
        change, changed = self.choose()
        before = {key: dict(self.keys.get(key, {})) for key in changed}
        change(client)
        ended = now_ms()
        for key in changed:
            near = [t for f in (before[key], self.keys.get(key, {})) for _, t in f.values()
                    if t and began - 2 <= t <= ended + 2]
            if near:
                self.asked += 1
                time.sleep(max(0, (max(near) - now_ms() + 5) / 1000))
                self._keep(key, read_hash(client, key))

    def when(self):
        dice = self.rng.random()
        return LATER + self.rng.randrange(1000) if dice < 0.5 else now_ms() + self.rng.randrange(
            150, 1500)

    def choose(self):
        rng = self.rng
        key = rng.choice(KEYS)
        have = self.keys.get(key, {})
        names = list({self.name(key) for _ in range(rng.choice([1, 1, 2, 6]))})
        value = b"%d" % rng.randrange(1000)
        at = self.when()
        there = [f for f in names if f in have]
        of = ["FIELDS", len(names)] + names

        def each(times):
            for f in there:
                have[f] = (have[f][0], times)

        def without(fields):
            self._keep(key, {f: x for f, x in have.items() if f not in fields})

        def hset(c):
            c.call("HSET", key, *sum(([f, value] for f in names), []))
            self.put(key, {f: (value, 0) for f in names})

        def hsetex(c):
            self.same(c.call("HSETEX", key, "PXAT", at, "FIELDS", len(names),
                             *sum(([f, value] for f in names), [])), 1)
            self.put(key, {f: (value, at) for f in names})

        def keepttl(c):
            c.call("HSETEX", key, "KEEPTTL", "FIELDS", len(names),
                   *sum(([f, value] for f in names), []))
            self.put(key, {f: (value, have[f][1] if f in have else 0) for f in names})

        def hexpire(c):
            self.same(c.call("HPEXPIREAT", key, at, *of), [1 if f in have else -2 for f in names])
            each(at)

        def past(c):
            self.same(c.call("HPEXPIREAT", key, 1, *of), [2 if f in have else -2 for f in names])
            without(names)

        def hpersist(c):
            self.same(c.call("HPERSIST", key, *of),
                      [-2 if f not in have else 1 if have[f][1] else -1 for f in names])
            each(0)

        def hgetex(c):
            self.same(c.call("HGETEX", key, "PXAT", at, *of),
                      [have[f][0] if f in have else None for f in names])
            each(at)

        def hgetdel(c):
            self.same(c.call("HGETDEL", key, *of),
                      [have[f][0] if f in have else None for f in names])
            without(names)

        def hdel(c):
            self.same(c.call("HDEL", key, *names), len(there))
            without(names)

        def hincrby(c):
            f = names[0]
            number = int(have[f][0]) + 7 if f in have else 7
            self.same(c.call("HINCRBY", key, f, 7), number)
            self.put(key, {f: (b"%d" % number, have[f][1] if f in have else 0)})

        def transaction(c):
            c.pipeline([("MULTI",), ("HPEXPIREAT", key, at, *of), ("HDEL", key, names[0]),
                        ("EVAL", "return redis.call('hsetex',KEYS[1],'pxat',ARGV[1],'fields',1,"
                                 "ARGV[2],'5')", 1, key, at, names[0]), ("EXEC",)])
            each(at)
            self.put(key, {names[0]: (b"5", at)})

        def rename(c):
            other = rng.choice(KEYS)
            if have and other != key:
                c.call("RENAME", key, other)
                self.keys[other] = self.keys.pop(key)

        def copy(c):
            self.same(c.call("COPY", key, b"h2", "REPLACE"), int(bool(have) and key != b"h2"))
            self.keys[b"h2"] = dict(have)

        def restore(c):
            payload = c.call("DUMP", key)
            if payload is not None:
                c.call("RESTORE", b"h1", 0, payload, "REPLACE")
                self.keys[b"h1"] = dict(have)

        def delete(c):
            c.call("DEL", key)
            self.keys.pop(key, None)

        common = [hset] * 3 + [hsetex] * 4 + [hexpire] * 4 + [hpersist, hgetex, hincrby] * 2
        others = [keepttl, past, hgetdel, hdel, transaction, rename, restore,
                  delete if rng.random() < 0.2 else hsetex,
                  copy if key != b"h2" and have else hset]
        return rng.choice(common + others), KEYS

    @staticmethod
    def same(got, wanted):
        if got != wanted:
            raise Different(got, wanted)

    def check(self, client):
        """The same fields, values, times and counts."""
        while True:
            self.settle(now_ms())
            for key in KEYS:
                wanted = self.keys.get(key, {})
                got = read_hash(client, key)
                count = client.call("HLEN", key)
                if any(t and t <= now_ms() + 2 for _, t in wanted.values()):
                    break  # some went meanwhile
                if got != wanted or count != len(wanted):
                    raise AssertionError("%r: HLEN %d, %s" % (key, count, {
                        f: (got.get(f), wanted.get(f)) for f in set(got) | set(wanted)
                        if got.get(f) != wanted.get(f)}))
            else:
                return


class Different(Exception):
    """A reply that the model did not expect, or a field that expired as the command ran."""


class Fields(ToolCase):
    def play(self, server, model, steps):
        """Steps, and from time to time a comparison."""
        with server.client() as c:
            for i in range(steps):
                snapshot = {key: dict(fields) for key, fields in model.keys.items()}
                began = now_ms()
                try:
                    model.step(c)
                except Different:
                    near = [t for fields in snapshot.values() for _, t in fields.values()
                            if t and began - 2 <= t <= now_ms() + 2]
                    if not near:
                        raise
                    model.asked += 1
                    time.sleep(max(0, (max(near) - now_ms() + 5) / 1000))
                    model.keys = {key: read for key in KEYS if (read := read_hash(c, key))}
                if i % 20 == 0:
                    model.check(c)
            model.check(c)

    def test_a_model_with_checkpoints_restarts_and_kills(self):
        rng = random.Random(11)
        options = {"memtable-max": "1mb", "appendfsync": "no"}
        server = self.server(options)
        replica = self.server({"replicaof": "127.0.0.1 %d" % server.port, **options})
        model = Model(rng)
        ends = {"kill": 0, "stop": 0, "SAVE": 0}
        rounds = 60 if LONG else 12
        for n in range(rounds):
            self.play(server, model, 100)
            end = rng.choice(list(ends)) if n > 2 else list(ends)[n]
            ends[end] += 1
            if end == "SAVE":
                with server.client() as c:
                    c.call("SAVE")
            else:
                getattr(server, end)()
                if rng.random() < 0.3:
                    self.slot("check", "--deep", server.dir)
                    time.sleep(0.3)
                server.start()
            with server.client() as c:
                model.check(c)
            if rng.random() < 0.3:
                replica.kill()
                replica.start()
        self.assertLess(model.asked, rounds * 50)
        wait_linked(replica)
        wait_equal(server, replica)
        fresh = self.server({"replicaof": "127.0.0.1 %d" % server.port, **options})
        wait_linked(fresh)
        wait_equal(server, fresh)
        for node in (replica, fresh):
            with node.client() as c:
                model.check(c)
        self.tools(server, model)

    def tools(self, server, model):
        """What the files say, as text, JSON and commands."""
        with server.client() as c:
            c.call("HSETEX", "h1", "PXAT", LATER, "FIELDS", 1, "told", "v")
            model.put(b"h1", {b"told": (b"v", LATER)})
        # What expires soon has gone, then nothing changes any more.
        soon = [t for fields in model.keys.values() for _, t in fields.values() if 0 < t < LATER]
        time.sleep(max(0, (max(soon, default=0) - now_ms()) / 1000) + 0.5)
        model.settle(now_ms())
        server.stop()
        self.slot("check", "--deep", server.dir)
        dumped = {unjson(o["key"]): {unjson(e[0]): (unjson(e[1]), e[2] if len(e) > 2 else 0)
                                     for e in o["value"]}
                  for o in self.slot("dump", server.dir, "--format", "json").json}
        self.assertEqual(dumped, model.keys)
        self.assertIn('"told" "v" expires=2100-01-01T00:00:00.000Z\n',
                      self.slot("get", server.dir, "h1").text)
        timed = [t for _, t in model.keys[b"h1"].values() if t]
        meta = self.slot("get", server.dir, "h1", "--meta", "--format", "json").json[0]
        self.assertEqual((meta["timed"], meta["first"]), (len(timed), min(timed)))
        target = self.server()
        with target.client() as c:
            c.send(self.slot("dump", server.dir, "--format", "resp").out + b"*1\r\n$4\r\nPING\r\n")
            while c.read()[1] != b"+PONG\r\n":
                pass
            model.check(c)
        self.slot("diff", server.dir, target.dir)
        with target.client() as c:
            c.call("HPERSIST", "h1", "FIELDS", 1, "told")
        self.slot("diff", server.dir, target.dir, code=1)

    def test_the_log_as_commands_for_another_node(self):
        """Every LSN's effect on when fields expire, told by commands that Redis 7.4 has as well."""
        source, target = self.server({"appendfsync": "no"}), self.server({"appendfsync": "no"})
        with source.client() as c:
            c.call("HSET", "big", *sum((["f%d" % i, i] for i in range(400)), []))
            c.call("HPEXPIREAT", "big", LATER, "FIELDS", 3, "f1", "f2", "f3")
            c.call("HPEXPIREAT", "big", LATER + 1, "FIELDS", 2, "f2", "f4")
            c.call("HINCRBY", "big", "f2", 1000)
            c.call("HPERSIST", "big", "FIELDS", 1, "f3")
            c.call("HSET", "big", "f4", "again")
            c.call("HDEL", "big", "f5")
            c.call("HSETEX", "small", "PXAT", LATER, "FIELDS", 1, "f", "v")
            c.call("HSETEX", "small", "KEEPTTL", "FIELDS", 2, "f", "w", "g", "x")
            c.call("HGETEX", "small", "PXAT", LATER + 5, "FIELDS", 1, "g")
            c.call("RENAME", "small", "other")
            c.call("HGETEX", "other", "PERSIST", "FIELDS", 1, "f")
            c.call("HPEXPIREAT", "big", 1, "FIELDS", 1, "f6")
            c.call("HSETEX", "big", "PX", 1, "FIELDS", 1, "f7", "gone")
            until(lambda: info(c, "stats")["expired_subkeys"] == "1", 10, "an expired field")
            wanted = {key: read_hash(c, key) for key in ("big", "other")}
        lines = self.wal("dump", source.dir).text
        self.assertIn(' times=["f":%d]' % LATER, lines)
        self.assertIn(" timed=3 first=%d" % LATER, lines)
        (told,) = [o for o in self.wal("dump", source.dir, "--format", "json").json
                   if o.get("times") == [["g", LATER + 5]]][:1]
        self.assertEqual((told["key"], told["type"]), ("small", "hash"))
        self.wal("replay", source.dir, "--to", "127.0.0.1:%d" % target.port)
        with target.client() as c:
            self.assertEqual({key: read_hash(c, key) for key in ("big", "other")}, wanted)
        self.slot("diff", source.dir, target.dir)
        commands = self.wal("dump", source.dir, "--format", "resp").out
        self.assertNotIn(b"HSETEX", commands)
        self.assertIn(b"HPEXPIREAT", commands)

    def test_a_replica_waits_for_its_primary(self):
        primary = self.server()
        replica = self.server({"replicaof": "127.0.0.1 %d" % primary.port,
                               "notify-keyspace-events": "KA"})
        wait_linked(replica)
        with primary.client() as p, replica.client() as r:
            p.call("HSETEX", "h", "PX", 200, "FIELDS", 2, "a", "1", "b", "2")
            p.call("HSET", "h", "c", "3")
            wait_equal(primary, replica)
            at = r.call("HPEXPIRETIME", "h", "FIELDS", 1, "a")
            self.assertEqual(at, p.call("HPEXPIRETIME", "h", "FIELDS", 1, "a"))
            # A primary that is stopped removes nothing; the replica hides, and keeps, them.
            primary.process.send_signal(19)
            try:
                time.sleep(max(0, (at[0] - now_ms()) / 1000) + 0.05)
                self.assertEqual(r.call("HGETALL", "h"), [b"c", b"3"])
                self.assertEqual(r.call("HLEN", "h"), 1)
                self.assertEqual(info(r, "stats")["expired_subkeys"], "0")
                lsn = info(r, "replication")["master_repl_offset"]
                time.sleep(0.3)
                self.assertEqual(info(r, "replication")["master_repl_offset"], lsn)
            finally:
                primary.process.send_signal(18)
            until(lambda: info(p, "stats")["expired_subkeys"] == "2", 10, "the primary's cycle")
            wait_equal(primary, replica)
            self.assertGreater(int(info(r, "replication")["master_repl_offset"]), int(lsn))
            self.assertEqual(info(r, "stats")["expired_subkeys"], "0")
        self.slot("diff", primary.dir, replica.dir)

    def test_a_redis_server_that_follows_has_plain_fields(self):
        """It may know nothing of fields that expire: they go when the primary removes them."""
        primary = self.server({"repl-diskless-sync-delay": "0"})
        redis = Server(redis_binary(), "redis", {"replicaof": "127.0.0.1 %d" % primary.port})
        self.addCleanup(self._finish, redis)
        with primary.client() as p:
            p.call("HSETEX", "before", "PXAT", LATER, "FIELDS", 1, "f", "v")
            redis.start()
            wait_linked(redis)
            with redis.client() as r:
                p.call("HSETEX", "h", "PX", 400, "FIELDS", 1, "f", "v")
                p.call("HSET", "h", "g", "w")
                p.call("HPERSIST", "before", "FIELDS", 1, "f")
                p.call("HSET", "before", "g", "w")
                both = [b"f", b"g"]
                until(lambda: r.call("HKEYS", "before") == both, 10, "the replica")
                until(lambda: r.call("HGETALL", "h") == [b"g", b"w"], 10, "an expired field")
                self.assertEqual(sorted(p.call("HKEYS", "before")), both)
        with open(redis.log) as log:
            self.assertNotIn("CRITICAL", log.read())

    def test_who_tracks_a_hash_is_told(self):
        server = self.server()
        with server.client() as c, server.client(proto=3) as tracking:
            c.call("HSETEX", "h", "PX", 100, "FIELDS", 1, "f", "v")
            c.call("HSET", "h", "g", "w")
            tracking.call("CLIENT", "TRACKING", "ON")
            tracking.call("HGET", "h", "f")
            _, push = tracking.read()
            self.assertTrue(push.startswith(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nh"), push)

    def test_migrate_and_older_targets(self):
        source, target = self.server(), self.server()
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        redis.start()
        with source.client() as s, target.client() as t:
            s.call("HSET", "h", *sum((["f%d" % i, i] for i in range(300)), []))
            s.call("HPEXPIREAT", "h", LATER, "FIELDS", 2, "f1", "f2")
            wanted = read_hash(s, "h")
            text = self.error(s, "MIGRATE", "127.0.0.1", redis.port, "h", 0, 5000)
            self.assertIn("DUMP payload version or checksum are wrong", text)
            self.assertEqual(s.call("MIGRATE", "127.0.0.1", target.port, "h", 0, 5000), b"OK")
            self.assertEqual(s.call("EXISTS", "h"), 0)
            self.assertEqual(read_hash(t, "h"), wanted)

    def test_a_large_hash_expires_beside_others(self):
        """Nobody waits long while 100,000 fields go at once."""
        count = 20000 if self.sanitized() else 100000
        server = self.server({"appendfsync": "no"})
        with server.client() as c, server.client() as other:
            at = now_ms() + (30000 if self.sanitized() else 12000)
            for first in range(0, count, 500):
                c.call("HSETEX", "large", "PXAT", at, "FIELDS", 500,
                       *sum((["field:%d" % (first + i), "v"] for i in range(500)), []))
            c.call("HSET", "large", "stays", "1")
            self.assertLess(now_ms(), at, "the machine is too slow for this test")
            self.assertEqual(c.call("HLEN", "large"), count + 1)
            time.sleep((at - now_ms()) / 1000)
            slowest = 0
            while info(other, "stats")["expired_subkeys"] != str(count):
                began = time.monotonic()
                self.assertEqual(c.call("HLEN", "large"), 1)
                other.call("SET", "k", "v")
                slowest = max(slowest, time.monotonic() - began)
                self.assertLess(now_ms(), at + 120000)
            self.assertEqual(c.call("HGETALL", "large"), [b"stays", b"1"])
            self.assertEqual(c.call("OBJECT", "ENCODING", "large"), b"hashtable")
            if not self.sanitized():
                self.assertLess(slowest, 1)
            c.call("SAVE")
        server.stop()
        self.slot("check", "--deep", server.dir)
        self.assertIn('"stays" "1"', self.slot("get", server.dir, "large").text)


if __name__ == "__main__":
    main()
