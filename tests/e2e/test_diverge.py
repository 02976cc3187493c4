#!/usr/bin/env python3
"""Writes that a deposed primary had to give up: kept, told by the node and by cairn-wal diverge,
put back where nobody has changed the key since; what a client learns of its own write."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case, tools  # noqa: E402
from harness.link import Link  # noqa: E402
from harness.resp import Client  # noqa: E402
from harness.servers import redis_binary  # noqa: E402
from harness.shard import lsn, replication, until, wait_equal, wait_linked  # noqa: E402

FIELDS = {b"f%d" % i: b"v%d" % i for i in range(300)}
SHARED = {
    b"string": ("string", b"before", 0),
    b"number": ("string", b"10", 0),
    b"gone": ("string", b"there", 0),
    b"timed": ("string", b"x", 4102444800000),
    b"contested": ("string", b"both saw this", 0),
    b"hash": ("hash", dict(FIELDS), 0),
    b"list": ("list", [b"e%d" % i * 9 for i in range(400)], 0),
    b"set": ("set", frozenset(b"m%d" % i for i in range(5)), 0),
    b"zset": ("zset", {b"a": 1.0, b"b": 2.5}, 0),
}


def pairs(mapping):
    return [x for pair in mapping.items() for x in pair]


def put(client, keys):
    for key, (kind, value, expires) in keys.items():
        if kind == "string":
            client.call("SET", key, value, *(["PXAT", expires] if expires else []))
        elif kind == "hash":
            client.call("HSET", key, *pairs(value))
        elif kind == "list":
            client.call("RPUSH", key, *value)
        elif kind == "set":
            client.call("SADD", key, *value)
        else:
            client.call("ZADD", key, *[x for m, s in value.items() for x in (s, m)])


def diverge(client):
    """What the primary is told after its replica has gone; 10 keys, in 12 records."""
    client.call("SET", "string", "lost")
    client.call("INCRBY", "number", 5)
    client.call("DEL", "gone")
    client.call("SET", "timed", "y", "PXAT", 4102444900000)
    client.call("SET", "contested", "lost")
    client.call("HSET", "hash", "f7", "lost")  # an element alone: no key in the record
    client.call("RPUSH", "list", "tail")
    client.call("LPOP", "list")
    client.call("SADD", "set", "m9")
    client.call("ZADD", "zset", 9.75, "c")
    client.call("HSET", "fresh", *pairs(FIELDS))
    client.call("SET", "number2", "1")


LOST = {
    b"string": ("string", b"lost", 0),
    b"number": ("string", b"15", 0),
    b"timed": ("string", b"y", 4102444900000),
    b"contested": ("string", b"lost", 0),
    b"hash": ("hash", {**FIELDS, b"f7": b"lost"}, 0),
    b"list": ("list", SHARED[b"list"][1][1:] + [b"tail"], 0),
    b"set": ("set", SHARED[b"set"][1] | {b"m9"}, 0),
    b"zset": ("zset", {b"a": 1.0, b"b": 2.5, b"c": 9.75}, 0),
    b"fresh": ("hash", dict(FIELDS), 0),
    b"number2": ("string", b"1", 0),
}


class Diverge(case.ToolCase):
    def deposed(self, write=diverge, options=None, checkpoint=False):
        """A primary that wrote alone and follows its former replica again, which has taken the
        role; both, and the position that a client on each had."""
        old = self.server(options)
        link = Link(old.port)
        self.addCleanup(link.close)
        new = self.server({"replicaof": ["127.0.0.1", link.port], **(options or {})})
        wait_linked(new)
        with old.client() as c:
            put(c, SHARED)
            self.assertEqual(c.call("WAIT", 1, 5000), 1)
            link.refusing = True
            link.cut()
            write(c)
            self.lost_at = c.call("CLUSTER", "LSN")
            if checkpoint:
                c.call("SAVE")
        with new.client() as c:
            c.call("REPLICAOF", "NO", "ONE")
            c.call("SET", "contested", "won")
            c.call("SET", "after", "1")
            self.kept_at = c.call("CLUSTER", "LSN")
        with old.client() as c:
            c.call("REPLICAOF", "127.0.0.1", new.port)
        old.options["replicaof"] = ["127.0.0.1", new.port]
        wait_linked(old)
        wait_equal(old, new)
        return old, new

    def archives(self, server):
        folder = os.path.join(server.dir, "divergent")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
                if name.endswith(".wal")]

    # --- the tool ---

    def test_values_at_the_fork_lost_and_current(self):
        old, new = self.deposed()
        self.slot("diff", old.dir, new.dir)
        (listed,) = self.wal("diverge", "list", old.dir, "--format", "json", code=1).json
        self.assertEqual((listed["records"], listed["keys"], listed["flushes"]), (12, 11, 0))
        self.assertTrue(listed["fork_values"])
        self.assertEqual(self.archives(old), [listed["file"]])

        found = {tools.unjson(o["key"]): o for o in self.wal(
            "diverge", "diff", old.dir, "--format", "json", "--value-max", 0, code=1).json
            if o["what"] != "total"}
        self.assertEqual(set(found), set(LOST) | {b"gone"})
        for key, o in found.items():
            for name, wanted in (("fork", SHARED), ("lost", LOST)):
                if key not in wanted:
                    self.assertIsNone(o[name], (key, name))
                    continue
                got = tools.keys_of_json([{"key": o["key"], **o[name]}])
                self.assertEqual(got[key], wanted[key], name)
            self.assertEqual(o["what"], "changed" if key == b"contested" else "unchanged")
        self.assertEqual(found[b"contested"]["current"]["value"], "won")

        lines = self.wal("diverge", "show", old.dir, code=1).text.splitlines()
        self.assertEqual(len({line.split()[0] for line in lines}), 12)
        (one,) = [line for line in lines if 'key="string"' in line]
        for word in ('fork="before"', 'lost="lost"', 'current="before"', " set op=put-key "):
            self.assertIn(word, one)
        (one,) = [line for line in lines if 'key="hash"' in line]
        self.assertIn('sub="f7"', one)

    def test_replay_of_what_nobody_has_changed(self):
        old, new = self.deposed()
        address = "redis://127.0.0.1:%d" % new.port
        self.wal("diverge", "replay", old.dir, "--against", address, code=4)
        self.wal("diverge", "replay", old.dir, "--if-unchanged", code=2)
        dry = self.wal("diverge", "replay", old.dir, "--against", address, "--if-unchanged",
                       "--dry-run", code=1).fields()
        done = self.wal("diverge", "replay", old.dir, "--against", address, "--if-unchanged",
                        code=1).fields()
        self.assertEqual({k: dry[k] for k in done}, done)
        self.assertEqual((done["applied"], done["changed"], done["no_fork"], done["left_out"]),
                         ("10", "1", "0", "0"))
        wanted = {**SHARED, **LOST, b"contested": ("string", b"won", 0),
                  b"after": ("string", b"1", 0)}
        del wanted[b"gone"]
        with new.client() as c:
            self.assert_keys(tools.read_node(c), wanted)
        again = self.wal("diverge", "replay", old.dir, "--against", address, "--if-unchanged",
                         code=1).fields()
        self.assertEqual((again["applied"], again["already"], again["changed"]), ("0", "10", "1"))
        self.wal("diverge", "replay", old.dir, "--against", address, "--yes", "--key", "contested")
        with new.client() as c:
            self.assertEqual(c.call("GET", "contested"), b"lost")
        self.wal("diverge", "diff", old.dir, "--against", address)

    def test_without_the_values_at_the_fork(self):
        old, new = self.deposed()
        (archive,) = self.archives(old)
        os.unlink(archive[:-4] + ".fork")
        address = "redis://127.0.0.1:%d" % new.port
        got = self.wal("diverge", "replay", archive, "--against", address, "--if-unchanged",
                       code=1).fields()
        self.assertEqual((got["applied"], got["changed"]), ("0", "0"))
        line = self.wal("diverge", "diff", archive, "--against", address, "--key", "string",
                        code=1).text.splitlines()[0]
        self.assertIn('fork=unknown lost="lost" current="before"', line)
        with new.client() as c:
            self.assertEqual(c.call("GET", "string"), b"before")

    def test_against_redis_server(self):
        if redis_binary() is None:
            self.skipTest("no redis-server")
        from harness.servers import Server
        old, _ = self.deposed()
        redis = Server(redis_binary(), "redis").start()
        self.addCleanup(redis.close)
        with redis.client() as c:
            put(c, SHARED)
        done = self.wal("diverge", "replay", old.dir, "--against", "127.0.0.1:%d" % redis.port,
                        "--if-unchanged").fields()
        self.assertEqual(done["applied"], "11")
        with redis.client() as c:
            self.assert_keys(tools.read_node(c), LOST)

    def test_a_flush_is_counted_and_never_replayed(self):
        def write(c):
            c.call("SET", "string", "lost")
            c.call("FLUSHALL")
            c.call("SET", "number2", "1")

        old, new = self.deposed(write)
        (listed,) = self.wal("diverge", "list", old.dir, "--format", "json", code=1).json
        self.assertEqual((listed["records"], listed["flushes"]), (3, 1))
        done = self.wal("diverge", "replay", old.dir, "--against", "127.0.0.1:%d" % new.port,
                        "--if-unchanged", code=1).fields()
        self.assertEqual(done["left_out"], "1")
        with new.client() as c:
            self.assertEqual(c.call("GET", "number"), b"10")

    def test_nothing_there_and_nonsense(self):
        server = self.server()
        self.assertEqual(self.wal("diverge", "list", server.dir).text, "")
        self.wal("diverge", "destroy", server.dir, code=2)
        self.wal("diverge", "list", os.path.join(server.dir, "none"), code=5)
        self.wal("diverge", "diff", server.dir, "--against", "127.0.0.1:1", code=5)
        self.wal("diverge", "list", server.dir, "--yes", code=2)
        path = os.path.join(server.dir, "noise")
        with open(path, "wb") as f:
            f.write(os.urandom(5000))
        self.wal("diverge", "show", path, code=3)

    # --- the live node ---

    def test_cluster_divergent(self):
        old, new = self.deposed()
        (path,) = self.archives(old)
        name = os.path.basename(path)
        state = replication(old)
        self.assertEqual((state["divergent_records"], state["divergent_files"]), ("12", "1"))
        self.assertEqual(int(state["divergent_bytes"]), os.path.getsize(path))
        self.assertEqual(state["rejoined_by_log"], "1")
        with open(old.log, encoding="utf-8") as f:
            self.assertIn("12 records", f.read())
        with old.client() as c:
            (flat,) = c.call("CLUSTER", "DIVERGENT", "LIST")
            listed = dict(zip(flat[::2], flat[1::2]))
            self.assertEqual(listed[b"file"].decode(), name)
            self.assertEqual(listed[b"records"], 12)
            self.assertEqual(listed[b"fork-values"], 1)
            ops = [dict(zip(o[::2], o[1::2])) for o in
                   c.call("CLUSTER", "DIVERGENT", "GET", name)]
            self.assertEqual((ops[0][b"command"], ops[0][b"key"], ops[0][b"value"]),
                             (b"set", b"string", b"lost"))
            self.assertEqual(len({o[b"lsn"] for o in ops}), 12)
            some = c.call("CLUSTER", "DIVERGENT", "GET", name, "FROM",
                          listed[b"first-lsn"] + 2, "COUNT", 1)
            self.assertEqual(some[0][9], b"gone")
            self.assertIn("no such archive", self.error(c, "CLUSTER", "DIVERGENT", "GET", "x"))
            self.assertIn("syntax", self.error(c, "CLUSTER", "DIVERGENT", "GET", name, "FROM"))
        old.kill()
        old.start()
        wait_linked(old)
        self.assertEqual(replication(old)["divergent_records"], "12")
        with old.client() as c:
            self.assertEqual(c.call("CLUSTER", "DIVERGENT", "DROP", "x", name), 1)
            self.assertEqual(c.call("CLUSTER", "DIVERGENT", "LIST"), [])
        self.assertEqual(os.listdir(os.path.dirname(path)), [])
        self.assertEqual(replication(old)["divergent_files"], "0")

    def test_old_archives_go(self):
        old, _ = self.deposed()
        (path,) = self.archives(old)
        with old.client() as c:
            self.assertEqual(c.call("CONFIG", "GET", "divergent-keep-time")[1], b"2592000")
        old.stop()
        then = time.time() - 100
        os.utime(path, (then, then))
        old.options["divergent-keep-time"] = 200
        old.start()
        time.sleep(0.5)
        self.assertTrue(os.path.exists(path))
        old.stop()
        old.options["divergent-keep-time"] = 50
        old.start()
        until(lambda: not os.path.exists(path), text="the archive is removed")
        self.assertEqual(os.listdir(os.path.dirname(path)), [])

    # --- did my write survive? ---

    def test_the_fate_of_a_write(self):
        old, new = self.deposed()

        def fate(server, position):
            with server.client() as c:
                flat = c.call("CLUSTER", "LSN", position)
                return dict(zip(flat[::2], flat[1::2]))

        name = os.path.basename(self.archives(old)[0]).encode()
        lost = fate(old, self.lost_at)
        self.assertEqual((lost[b"fate"], lost[b"file"]), (b"divergent", name))
        lost = fate(new, self.lost_at)
        self.assertEqual((lost[b"fate"], lost[b"file"]), (b"divergent", None))
        self.assertEqual(lost[b"fork-lsn"] + 12, int(self.lost_at.split(b":")[1]))
        until(lambda: fate(new, self.kept_at)[b"replicas-durable"] == 1, text="an ack")
        kept = fate(new, self.kept_at)
        self.assertEqual((kept[b"fate"], kept[b"role"], kept[b"replicas"]),
                         (b"durable", b"master", 1))
        kept = fate(old, self.kept_at)
        self.assertEqual((kept[b"fate"], kept[b"role"], kept[b"replicas"]),
                         (b"durable", b"slave", 0))
        epoch, at, timeline = self.kept_at.split(b":")
        self.assertEqual(fate(new, b"%s:%d:%s" % (epoch, int(at) + 99, timeline))[b"fate"],
                         b"not-here")
        self.assertEqual(fate(new, b"0:1:%016x" % 77)[b"fate"], b"unknown")
        with new.client() as c:
            self.assertIsNone(c.call("CLUSTER", "LSN"))
            c.call("GET", "string")
            self.assertIsNone(c.call("CLUSTER", "LSN"))
            for text in ("7", "1:2", "a:b:c", "1:2:zz", "0:1:%016x:3" % 7):
                self.assertIn("a position is", self.error(c, "CLUSTER", "LSN", text))
            replies = c.pipeline([("MULTI",), ("SET", "p", 1), ("SET", "q", 2), ("EXEC",),
                                  ("CLUSTER", "LSN")])
            self.assertEqual(int(replies[-1].split(b":")[1]), lsn(new))


if __name__ == "__main__":
    case.main()
