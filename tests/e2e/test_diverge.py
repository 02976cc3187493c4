#!/usr/bin/env python3
"""Writes that a deposed primary had to give up: kept, told by the node and by cairn-wal diverge,
put back where nobody has changed the key since; what a client learns of its own write."""
import os
import random
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case, resp, tools  # noqa: E402
from harness.link import Link  # noqa: E402
from harness.servers import LONG, info, redis_binary  # noqa: E402
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
    def deposed(self, write=diverge, options=None, checkpoint=False, before=None):
        """A primary that wrote alone and follows its former replica again, which has taken the
        role; both, and the position that a client on each had."""
        old = self.server(options)
        link = Link(old.port)
        self.addCleanup(link.close)
        new = self.server({"replicaof": ["127.0.0.1", link.port], **(options or {})})
        wait_linked(new)
        with old.client() as c:
            put(c, SHARED)
            if before is not None:
                before(c)
            self.assertEqual(c.call("WAIT", 1, 5000), 1)
            link.refusing = True
            link.cut()
            self.first = old
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

    def test_when_fields_expire_is_told_and_replayed(self):
        late = 4102444800000

        def before(c):
            c.call("HPEXPIREAT", "hash", late, "FIELDS", 2, "f1", "f2")
            c.call("HSETEX", "touched", "PXAT", late, "FIELDS", 1, "f", "v")
            c.call("HSET", "touched", *pairs(FIELDS))

        def write(c):
            c.call("HPEXPIREAT", "hash", late + 1, "FIELDS", 2, "f2", "f3")
            c.call("HPERSIST", "touched", "FIELDS", 1, "f")
        old, new = self.deposed(write, before=before)
        (found,) = self.wal("diverge", "diff", old.dir, "--format", "json", "--value-max", 0,
                            "--key", "hash", code=1).json[:1]
        self.assertEqual(found["what"], "unchanged")
        kept = {"f1": late, "f2": late}
        for name, times in (("fork", kept), ("current", kept),
                            ("lost", {"f1": late, "f2": late + 1, "f3": late + 1})):
            self.assertEqual({e[0]: e[2] for e in found[name]["value"] if len(e) > 2}, times)
            self.assertEqual(len(found[name]["value"]), len(FIELDS))
        text = self.wal("diverge", "diff", old.dir, "--value-max", 0, "--key", "hash", code=1).text
        self.assertIn('"f3":"v3"@%d' % (late + 1), text)
        address = "redis://127.0.0.1:%d" % new.port
        done = self.wal("diverge", "replay", old.dir, "--against", address,
                        "--if-unchanged").fields()
        self.assertEqual((done["applied"], done["no_fork"]), ("2", "0"))
        with new.client() as c:
            self.assertEqual(c.call("HPEXPIRETIME", "hash", "FIELDS", 4, "f0", "f1", "f2", "f3"),
                             [-1, late, late + 1, late + 1])
            self.assertEqual(c.call("HPEXPIRETIME", "touched", "FIELDS", 1, "f"), [-1])
        self.wal("diverge", "diff", old.dir, "--against", address)

    def test_streams_are_compared_and_put_back(self):
        def before(c):
            for i in range(1, 13):
                c.call("XADD", "stream", "5-%d" % i, "field", "with blank \0\xff" if i == 1 else i)
            c.call("XADD", "won", "1-1", "f", "v")
            for name in ("group", "other group"):
                c.call("XGROUP", "CREATE", "stream", name, "0")
            c.call("XREADGROUP", "GROUP", "group", "reader", "COUNT", 3, "STREAMS", "stream", ">")
            c.call("XDEL", "stream", "5-9")

        def write(c):
            c.call("XADD", "stream", "7-0", "field", "lost", "field", "twice")
            c.call("XACK", "stream", "group", "5-2")
            c.call("XREADGROUP", "GROUP", "other group", "second \"", "COUNT", 1, "STREAMS",
                   "stream", ">")
            c.call("XADD", "new", "1-1", "f", "v")
            c.call("XGROUP", "CREATE", "new", "g", "$", "ENTRIESREAD", 1)
            c.call("XADD", "won", "1-2", "f", "lost")
        old, new = self.deposed(write, before=before)
        with new.client() as c:
            c.call("XADD", "won", "1-2", "f", "kept")
            told = {key: self.diff_of(old, key, "--against", "127.0.0.1:%d" % new.port)
                    for key in ("stream", "new", "won")}
            self.assertEqual({key: o["what"] for key, o in told.items()},
                             {"stream": "unchanged", "new": "unchanged", "won": "changed"})
            fork, lost = (dict(told["stream"][word]["value"]) for word in ("fork", "lost"))
            self.assertEqual([k for k in fork if k[0].isdigit()],
                             ["5-%d" % i for i in range(1, 13) if i != 9])
            self.assertEqual(fork["5-1"], 'field "with blank \\x00\\xc3\\xbf"')
            self.assertEqual(sorted(set(lost.items()) ^ set(fork.items())), sorted([
                ("7-0", "field lost field twice"), ("entries-added", "12"), ("entries-added", "13"),
                ("last-id", "5-12"), ("last-id", "7-0"), ("pending group 5-2", "reader 1"),
                ('group "other group"', "last-delivered 0-0 read %s" % fork[
                    'group "other group"'].split()[-1]),
                ('group "other group"', "last-delivered 5-1 read %s" % lost[
                    'group "other group"'].split()[-1]),
                ('consumer "other group" "second \\""', ""),
                ('pending "other group" 5-1', '"second \\"" 1')]))
            address = "redis://127.0.0.1:%d" % new.port
            for words in (("2", "0", "1"), ("0", "2", "1")):
                done = self.wal("diverge", "replay", old.dir, "--against", address,
                                "--if-unchanged", code=1).fields()
                self.assertEqual((done["applied"], done["already"], done["changed"]), words)
                self.assertEqual((done["no_fork"], done["left_out"]), ("0", "0"))
            self.assertEqual(c.call("XPENDING", "stream", "other group")[0], 1)
            self.assertEqual(c.call("XINFO", "STREAM", "stream")[7], b"7-0")
            self.assertEqual(c.call("XRANGE", "won", "-", "+")[1][1], [b"f", b"kept"])
        # By the log's tail alone nobody can say what else there was.
        (archive,) = self.archives(old)
        os.unlink(archive[:-4] + ".fork")
        self.assertNotIn("lost", self.diff_of(old, "stream"))

    def diff_of(self, server, key, *args):
        """What diverge diff says of one key."""
        found = self.wal("diverge", "diff", server.dir, "--format", "json", "--value-max", 0,
                         "--key", key, *args, code=1).json
        self.assertEqual([o["what"] for o in found[1:]], ["total"])
        return found[0]

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

    def test_reading_an_archive_keeps_nobody_waiting(self):
        """A GET of 16 MB takes a while, in which others are served; whoever goes away amid one
        takes nothing along."""
        size = 16 << 20

        def write(c):
            for i in range(3):
                c.call("SET", "large%d" % i, os.urandom(size if i == 0 else 1 << 20))

        old, _ = self.deposed(write)
        (path,) = self.archives(old)
        get = ("CLUSTER", "DIVERGENT", "GET", os.path.basename(path))
        with old.client() as c, old.client() as ping:
            (flat,) = c.call("CLUSTER", "DIVERGENT", "LIST")
            first = dict(zip(flat[::2], flat[1::2]))[b"first-lsn"]
            for i in range(3):
                with old.client() as leaver:
                    leaver.send(resp.encode((*get, "FROM", first + i)) + resp.encode(get))
                    ping.call("PING")
            c.send(resp.encode((*get, "FROM", first, "COUNT", 1)) + resp.encode(("PING",)))
            served = 0
            while not select.select([c.sock], [], [], 0)[0]:
                ping.call("PING")
                served += 1
            self.assertGreater(served, 3)
            ops = resp.plain(c.read()[0])  # the key, and the pieces of its value
            self.assertIn(b"large0", {op[9] for op in ops})
            self.assertGreaterEqual(sum(len(op[15]) for op in ops), size)
            self.assertEqual(resp.plain(c.read()[0]), b"PONG")  # in its turn
            self.assertEqual(c.call("MULTI"), b"OK")
            c.call(*get)
            self.assertIn("not possible inside MULTI", str(c.call("EXEC")[0]))
            self.assertIn(b"large2", {op[9] for op in c.call(*get, "FROM", first + 2)})

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
        until(lambda: os.listdir(os.path.dirname(path)) == [], text="the archive is removed")
        self.assertFalse(os.path.exists(path))

    # --- back by the keys that were touched ---

    def test_a_store_beyond_the_fork_fetches_what_was_touched(self):
        old, new = self.deposed(checkpoint=True)
        state = replication(old)
        self.assertEqual((state["rejoined_by_log"], state["rejoined_by_keys"],
                          state["rejoined_by_copy"]), ("0", "1", "0"))
        self.assertEqual(state["divergent_records"], "12")
        with new.client() as c:
            self.assertEqual(info(c, "stats")["sync_full"], "0")
            found = tools.read_node(c)
        self.assert_keys(found, {**SHARED, b"contested": ("string", b"won", 0),
                                 b"after": ("string", b"1", 0)})
        self.slot("diff", old.dir, new.dir)
        for end in ("kill", "stop"):
            getattr(old, end)()
            old.start()
            wait_linked(old)
            with new.client() as c:
                c.call("HSET", "hash", "again", end)
                c.call("RPUSH", "list", end)
                c.call("SET", "string", end)
            wait_equal(old, new)
            self.slot("diff", old.dir, new.dir)
        with old.client() as c:
            c.call("SAVE")
        old.stop()
        self.slot("check", "--deep", old.dir)

    def test_a_flush_before_a_checkpoint_takes_a_full_copy(self):
        def write(c):
            c.call("SET", "string", "lost")
            c.call("FLUSHALL")
            c.call("SET", "number2", "1")

        old, new = self.deposed(write, checkpoint=True)
        state = replication(old)
        self.assertEqual((state["rejoined_by_keys"], state["rejoined_by_copy"]), ("0", "1"))
        self.slot("diff", old.dir, new.dir)

    def test_random_histories_part_and_meet(self):
        """Both sides write at random, both checkpoint at random; the old one comes back equal."""
        rng = random.Random(5)
        nodes = list(self.pair_of({"memtable-max": "1mb"}))
        ways = {"rejoined_by_log": 0, "rejoined_by_keys": 0, "rejoined_by_copy": 0}
        for round_ in range(40 if LONG else 8):
            old, new = nodes
            with old.client() as c, new.client() as n:
                wait_equal(old, new)
                n.call("REPLICAOF", "NO", "ONE")
                self.mess(c, rng, 60)
                if rng.randrange(3) > 0:
                    c.call("SAVE")
                    self.mess(c, rng, rng.randrange(20))
                self.mess(n, rng, rng.randrange(1, 60))
                if rng.randrange(2) == 0:
                    n.call("SAVE")
                    self.mess(n, rng, rng.randrange(20))
                before = replication(old)
                c.call("REPLICAOF", "127.0.0.1", new.port)
            new.options.pop("replicaof", None)
            old.options["replicaof"] = ["127.0.0.1", new.port]
            if rng.randrange(3) == 0:
                time.sleep(rng.random() / 20)
                old.kill()
                old.start()
                before = dict.fromkeys(ways, 0)
            wait_linked(old)
            time.sleep(0.3)  # fields expire meanwhile
            wait_equal(old, new)
            after = replication(old)
            for way in ways:
                ways[way] += int(after[way]) - int(before[way])
            self.slot("diff", "--limit", 20, old.dir, new.dir)
            nodes.reverse()
        for server in nodes:
            server.stop()
            self.slot("check", "--deep", server.dir)
        self.assertGreater(ways["rejoined_by_keys"], 0, ways)

    def pair_of(self, options):
        old = self.server(options)
        new = self.server({"replicaof": ["127.0.0.1", old.port], **options})
        wait_linked(new)
        return old, new

    @staticmethod
    def mess(client, rng, count):
        """Writes of every kind to few keys, so that both sides meet."""
        for _ in range(count):
            n = rng.randrange(12)
            dice = rng.randrange(16)
            some = ["f%d" % rng.randrange(400) for _ in range(rng.randrange(1, 80))]
            if dice == 0:
                client.call("DEL", *rng.sample(["s%d" % n, "h%d" % n, "l%d" % n, "z%d" % n], 2))
            elif dice == 1 and client.call("EXISTS", "h%d" % n):
                client.call("RENAME", "h%d" % n, "h%d" % rng.randrange(12))
            elif dice == 2:
                client.call("SET", "h%d" % n, "a string now")
                client.call("DEL", "h%d" % n)
            elif dice == 3:
                client.call("SET", "s%d" % n, rng.randrange(1000), "PX", 3600000)
            elif dice == 4:
                client.call("SETRANGE", "r%d" % n, rng.randrange(9000), "x" * rng.randrange(3000))
            elif dice == 5:
                client.call("LTRIM", "l%d" % n, rng.randrange(5), -1 - rng.randrange(5))
            elif dice < 8:
                client.call("RPUSH", "l%d" % n, *["e" * rng.randrange(40) for _ in some])
            elif dice < 11:
                client.call("HSET", "h%d" % n, *sum(([f, "v%d" % rng.randrange(99)]
                                                     for f in some), []))
            elif dice == 11:
                client.call("ZADD", "z%d" % n, *sum(([rng.random(), f] for f in some), []))
            elif dice == 12:
                client.call("SADD", "t%d" % n, *some)
            elif dice > 13:
                client.call("HPEXPIRE", "h%d" % n, rng.choice([3600000, 7200000, 20]), "FIELDS",
                            len(some), *some)
            else:
                client.call("INCR", "c%d" % n)

    def test_a_kill_at_any_moment_of_the_way_back(self):
        """SIGKILL after a random time, again and again, until the node gets through."""
        rng = random.Random(6)
        archived = 0
        for _ in range(20 if LONG else 4):
            old, new = self.pair_of({})
            with old.client() as c, new.client() as n:
                put(c, SHARED)
                wait_equal(old, new)
                n.call("REPLICAOF", "NO", "ONE")
                diverge(c)
                c.call("SAVE")
                self.mess(n, rng, 30)
            old.kill()
            old.options["replicaof"] = ["127.0.0.1", new.port]
            for _ in range(6):
                old.start()
                time.sleep(rng.random() / 15)
                old.kill()
            old.start()
            wait_linked(old)
            wait_equal(old, new)
            self.slot("diff", old.dir, new.dir)
            (archive,) = self.archives(old)
            archived += len({line.split()[0] for line in self.wal(
                "diverge", "show", archive, code=1).text.splitlines()})
            old.close()
            new.close()
        self.assertEqual(archived % 12, 0)

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

    def test_a_deposed_primary_does_not_vouch_for_its_own_writes(self):
        """Between its deposition and the way back nobody knows what becomes of them."""
        old = self.server()
        with old.client() as c:
            c.call("SET", "k", 1)
            position = c.call("CLUSTER", "LSN")
            ahead = b"%s:%d:%s" % (position.split(b":")[0], 99, position.split(b":")[2])

            def fate(where=position, client=c):
                flat = client.call("CLUSTER", "LSN", where)
                return dict(zip(flat[::2], flat[1::2]))[b"fate"]

            self.assertEqual(fate(), b"durable")
            c.call("REPLICAOF", "127.0.0.1", 1)
            self.assertEqual((fate(), fate(ahead)), (b"unknown", b"not-here"))
            c.call("REPLICAOF", "NO", "ONE")
            self.assertEqual(fate(), b"durable")
            replica = self.server({"replicaof": ["127.0.0.1", old.port]})
            wait_linked(replica)
        old.kill()
        with replica.client() as c:
            until(lambda: replication(replica)["master_link_status"] == "down")
            self.assertEqual(fate(client=c), b"durable")  # it met its primary

    def test_two_client_libraries_ask(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients",
                              "fate_redis_py.py")
        programs = {"redis-py": ["/usr/bin/python3", script]}
        if case.BINARIES.hiredis is not None:
            programs["hiredis"] = [case.BINARIES.hiredis]
        positions = {}

        def call(program, server, *args):
            done = subprocess.run(program + [str(server.port)] + [str(a) for a in args],
                                  stdout=subprocess.PIPE, timeout=60, check=True)
            return done.stdout.decode().strip()

        def write(client):
            for name, program in programs.items():
                positions[name] = call(program, self.first, "write", "by " + name, 1)

        self.first = None
        old, new = self.deposed(write)
        for name, program in programs.items():
            told = dict(word.split("=", 1) for word in
                        call(program, old, "fate", positions[name]).split())
            self.assertEqual((told["fate"], told["file"]),
                             ("divergent", os.path.basename(self.archives(old)[0])))
            kept = call(program, new, "write", "kept by " + name, 1)
            self.assertIn("fate=durable", call(program, new, "fate", kept))
            wait_equal(old, new)
            self.assertIn("fate=durable role=slave", call(program, old, "fate", kept))


if __name__ == "__main__":
    case.main()
