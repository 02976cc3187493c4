#!/usr/bin/env python3
"""The verbs of cairn-wal and cairn-slot that only read: beside a running node, after SIGTERM and
after kill -9. What they print is compared with what the client wrote."""
import csv
import io
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case, tools  # noqa: E402
from harness.case import BINARIES, ToolCase  # noqa: E402
from harness.servers import Server, info, redis_binary  # noqa: E402


class Reading(ToolCase):
    def test_everything_beside_a_running_node_after_sigterm_and_after_kill(self):
        server, k = self.filled()
        with self.subTest("running"):
            self.everything(server, k, server.process.pid)
        with self.subTest("running, after a checkpoint"):
            k.client.call("SAVE")
            k.hset(b"h:big", {b"after": b"the checkpoint"})
            k.lpush(b"l:big", b"after the checkpoint")
            k.delete(b"text")
            self.everything(server, k, server.process.pid)
        self.assertEqual(server.stop(), 0)
        with self.subTest("after SIGTERM"):
            self.everything(server, k, 0)
            self.assertEqual(self.wal("verify", server.dir).fields()["clean_close"], "yes")
        server.start()
        k.client = server.client()
        k.setrange(b"s:100k", 5, b"after the restart")
        k.rpush(b"l:chunky", b"one more")
        server.kill()
        with self.subTest("after kill -9"):
            self.everything(server, k, 0)
            self.check_get(server.dir, k)
        k.client.close()

    def everything(self, server, k, pid):
        self.check_dump(server.dir, k)
        self.check_keys(server.dir, k)
        self.check_stat(server.dir, k)
        self.check_log(server.dir, k)
        self.slot("check", "--deep", server.dir)
        self.assertEqual(self.slot("check", "-q", server.dir).out, b"")
        got = self.slot("info", "--format", "json", server.dir).json[0]
        self.assertEqual(got["node_pid"], pid)
        self.assertEqual(got["applied_lsn"], len(k.commands))
        self.assertEqual(got["format_version"], 2)
        self.assertFalse(got["torn_tail"])
        self.assertIn("applied_lsn     %d\n" % len(k.commands),
                      self.slot("info", server.dir).text)

    def check_dump(self, directory, k):
        self.assert_keys(tools.keys_of_json(
            self.slot("dump", directory, "--format", "json").json), k.keys)
        some = {key: v for key, v in k.keys.items() if v[0] == "list"}
        self.assert_keys(tools.keys_of_json(
            self.slot("dump", directory, "--format", "json", "--type", "list").json), some)
        number = tools.keyslot(b"l:big")
        self.assert_keys(tools.keys_of_json(self.slot(
            "dump", directory, "--format", "json", "--slot", "%d-%d" % (number, number)).json),
            {key: v for key, v in k.keys.items() if tools.keyslot(key) == number})

    def check_keys(self, directory, k):
        rows = self.slot("keys", directory, "--format", "json").json
        self.assertEqual({tools.unjson(r["key"]): (r["slot"], r["type"], r["len"],
                                                   r.get("expires", 0)) for r in rows},
                         {key: (tools.keyslot(key), kind, len(value), expires)
                          for key, (kind, value, expires) in k.keys.items()})
        self.assertEqual([r["slot"] for r in rows], sorted(r["slot"] for r in rows))
        text = self.slot("keys", directory, "--format", "csv").out.decode("latin-1")
        table = list(csv.reader(io.StringIO(text, newline="")))
        self.assertEqual(table[0], ["slot", "type", "len", "bytes", "expires_ms", "key"])
        self.assertEqual({row[5].encode("latin-1"): row[1] for row in table[1:]},
                         {key: v[0] for key, v in k.keys.items()})
        lines = self.slot("keys", directory).text.splitlines()
        self.assertEqual(sorted(line.split(" key=", 1)[1] for line in lines),
                         sorted(tools.quoted(key) for key in k.keys))
        found = self.slot("keys", directory, "--match", "h:*", "--min-size", "1k", "--format",
                          "json").json
        self.assertEqual({tools.unjson(r["key"]) for r in found}, {b"h:big"})
        self.assertEqual(len(self.slot("keys", directory, "-n", "3").text.splitlines()), 3)
        soon = self.slot("keys", directory, "--ttl-before", tools.LATER + 2, "--format", "json")
        self.assertEqual({tools.unjson(r["key"]) for r in soon.json},
                         {key for key, v in k.keys.items() if 0 < v[2] < tools.LATER + 2})
        self.slot("keys", directory, "--match", "no such key", "--require", code=1)

    def check_get(self, directory, k):
        for i, (key, (kind, value, expires)) in enumerate(k.keys.items()):
            got = self.slot("get", "--quoted-input", directory, tools.quoted(key), "--format",
                            "json").json
            self.assert_keys(tools.keys_of_json(got), {key: (kind, value, expires)})
            self.assertEqual(got[0]["slot"], tools.keyslot(key))
            if b"\0" in key or i % 3:
                continue
            raw = self.slot("get", "--format", "raw", "--", directory, key).out
            text = self.slot("get", "--", directory, key).text
            if kind == "string":
                self.assertEqual(raw, value)
                self.assertEqual(text, tools.quoted(value) + "\n")
            elif kind == "list":
                self.assertEqual(raw, b"".join(v + b"\n" for v in value))
                self.assertEqual(text, "".join("%d %s\n" % (i, tools.quoted(v))
                                               for i, v in enumerate(value)))
            elif kind == "zset":
                self.assertEqual(sorted(text.splitlines()), sorted(
                    '%s "%.17g"' % (tools.quoted(m), score) for m, score in value.items()))
            elif kind == "set":
                self.assertEqual(sorted(raw.split(b"\n")[:-1]), sorted(value))
                self.assertEqual(sorted(text.splitlines()), sorted(map(tools.quoted, value)))
            else:
                self.assertEqual(sorted(text.splitlines()), sorted(
                    "%s %s" % (tools.quoted(f), tools.quoted(v)) for f, v in value.items()))
        meta = self.slot("get", "--meta", directory, "h:big").text
        self.assertIn("type=hash form=large len=%d " % len(k.keys[b"h:big"][1]), meta)
        self.slot("get", directory, "no such key", code=1)

    def check_stat(self, directory, k):
        total = self.slot("stat", directory, "--format", "json").json[0]
        self.assertEqual(total["keys"], len(k.keys))
        self.assertEqual(total["elements"], sum(
            len(v[1]) for v in k.keys.values() if v[0] != "string"))
        self.assertEqual(total["expires"], sum(v[2] != 0 for v in k.keys.values()))
        self.assertEqual(tools.unjson(total["biggest_key"]), b"s:1m")
        self.assertEqual(total["last_lsn"], len(k.commands))
        groups = self.slot("stat", directory, "--by", "type", "--format", "json").json[1:]
        kinds = [v[0] for v in k.keys.values()]
        self.assertEqual({g["type"]: g["keys"] for g in groups},
                         {kind: kinds.count(kind) for kind in kinds})
        groups = self.slot("stat", directory, "--by", "slot", "--top", "0", "--format",
                           "json").json[1:]
        slots = [tools.keyslot(key) for key in k.keys]
        self.assertEqual({int(g["slot"]): g["keys"] for g in groups},
                         {s: slots.count(s) for s in slots})
        groups = self.slot("stat", directory, "--by", "prefix", "--sort", "name").text
        self.assertIn('prefix="h:" keys=%d ' % sum(key.startswith(b"h:") for key in k.keys),
                      groups)
        half = self.slot("stat", directory, "--sample", "2", "--format", "json").json[0]
        self.assertEqual(half["keys"], (len(k.keys) + 1) // 2)

    def check_log(self, directory, k):
        total = self.wal("info", directory, "--format", "json").json[-1]
        self.assertEqual((total["first_lsn"], total["last_lsn"], total["records"]),
                         (1, len(k.commands), len(k.commands)))
        ok = self.wal("verify", "--deep", "--format", "json", directory).json[0]
        self.assertEqual((ok["verdict"], ok["ok_up_to"]), ("end", len(k.commands)))
        names = {}
        for line in self.wal("dump", directory, "--format", "json", "--no-value").json:
            names[line["lsn"]] = line["cmd"]
        self.assertEqual([names[lsn] for lsn in sorted(names)], k.commands)
        groups = self.wal("stats", directory, "--by", "cmd", "--format", "json", "--top", "0").json
        self.assertEqual({g["name"] for g in groups}, set(k.commands))


class CutShort(ToolCase):
    def test_half_a_checkpoint_is_not_called_damage(self):
        for _ in range(30):
            server = self.server({"memtable-max": "1mb"})
            with server.client() as c:
                for batch in range(8):
                    c.pipeline([("HSET", "h%d" % (i % 5), "f%d" % (batch * 3000 + i), "v" * 60)
                                for i in range(3000)])
            server.kill()
            info = self.slot("info", server.dir, "--format", "json").json[0]
            found = self.slot("check", "--deep", server.dir)
            if info["drain_lsn"] > info["checkpoint_lsn"]:
                self.assertIn("nor large values decoded", found.err)
                return
            server.close()
        self.fail("no kill came amid a checkpoint")


class Dump(ToolCase):
    """What single records look like, and which ones the filters choose."""

    def test_records_say_what_was_written(self):
        server = self.server()
        with server.client() as c:
            client_id = c.call("CLIENT", "ID")
            c.call("SET", b"k\xff", b"v\x00", "PXAT", tools.LATER)
            c.call("RPUSH", "l", "a", b"\xfe")
            c.call("HSET", "h", "f", "v")
            c.call("HSET", "big", *[x for i in range(300) for x in ("f%d" % i, "v" * 40)])
            c.call("HSET", "big", "f1", "new")
            c.call("DEL", "l")
            c.call("FLUSHALL")
        rows = [r for r in self.wal("dump", "--format", "json", server.dir).json if r["lsn"] != 4]
        for row in rows:
            self.assertEqual(row["client"], client_id)
            self.assertEqual(row["file"], tools.segments(server.dir)[0])
            self.assertLess(abs(row["ts"] - time.time() * 1000), 600000)
        self.assertEqual([(r["lsn"], r["cmd"], r["op"]) for r in rows], [
            (1, "set", "put-key"), (2, "rpush", "put-key"), (3, "hset", "put-key"),
            (5, "hset", "put-field"), (6, "del", "del-key"), (7, "flushall", "flush")])
        first, pushed, small, field = rows[:4]
        self.assertEqual(tools.unjson(first["key"]), b"k\xff")
        self.assertEqual(tools.unjson(first["value"]), b"v\x00")
        self.assertEqual(first["expires"], tools.LATER)
        self.assertEqual((pushed["len"], tools.unjson(pushed["value"])), (2, [b"a", b"\xfe"]))
        self.assertEqual(tools.unjson(small["value"]), [[b"f", b"v"]])
        self.assertEqual((field["key"], field["sub"], field["value"], field["type"]),
                         ("big", "f1", "new", "hash"))
        self.assertEqual(field["slot"], tools.keyslot(b"big"))
        text = self.wal("dump", "-n", "3", server.dir).text.splitlines()
        self.assertRegex(text[0], r'^0:000000000001 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z '
                         r'slot=%d set op=put-key key="k\\xff" type=string len=2 '
                         r'value="v\\x00" expires=%d client=%d frame=.*wal@\d+$'
                         % (tools.keyslot(b"k\xff"), tools.LATER, client_id))
        self.assertIn(' value=["a" "\\xfe"] ', text[1])
        self.assertIn(' value=["f":"v"] ', text[2])
        hexa = self.wal("dump", "--format", "hex", "-n", "1", server.dir).text.splitlines()
        data = bytes.fromhex("".join(line[11:60] for line in hexa[1:]))
        self.assertIn(b"\x03set", data)
        self.assertTrue(hexa[0].endswith("@%d" % first["off"]), hexa[0])
        self.assertIn("bytes=%d " % len(data), hexa[0])

    def test_values_are_cut_where_asked_and_say_so(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "k", "ü" * 300)
            c.call("RPUSH", "l", *["x" * 100] * 10)
        rows = self.wal("dump", "--format", "json", server.dir).json
        self.assertEqual((rows[0]["len"], rows[0]["value"], rows[0]["truncated"]),
                         (600, "ü" * 128, True))
        self.assertEqual((rows[1]["len"], len(rows[1]["value"]), rows[1]["truncated"]),
                         (10, 2, True))
        rows = self.wal("dump", "--format", "json", "--value-max", "0", server.dir).json
        self.assertEqual((rows[0]["value"], len(rows[1]["value"])), ("ü" * 300, 10))
        self.assertNotIn("truncated", rows[0])
        self.assertNotIn("value", self.wal("dump", "--format", "json", "--no-value",
                                           server.dir).json[0])

    def test_filters(self):
        server = self.server()
        with server.client() as a, server.client() as b:
            ids = a.call("CLIENT", "ID"), b.call("CLIENT", "ID")
            a.call("SET", "user:1", "x")
            a.call("RPUSH", "queue", "x")
            b.call("SET", "user:2", "x")
            time.sleep(0.02)
            middle = int(time.time() * 1000)
            time.sleep(0.02)
            b.call("HSET", "hash:1", "f", "v")
            b.call("DEL", "user:1")
            timeline = info(a, "wal")["wal_timeline"]

        def lsns(*args):
            return [r["lsn"] for r in self.wal("dump", "--format", "json", *args,
                                               server.dir).json]

        self.assertEqual(lsns(), [1, 2, 3, 4, 5])
        for args, wanted in (
                (["-s", "2", "-e", "0:4"], [2, 3, 4]), (["--start=0:3"], [3, 4, 5]),
                (["-e", "0"], []), (["-n", "2"], [1, 2]), (["-s", "1:0"], []),
                (["--since", middle], [4, 5]), (["--until", middle], [1, 2, 3]),
                (["--since", "%.3f" % (middle / 1000)], [4, 5]),
                (["--since", "2000-01-01", "--until", "2000-01-02T00:00:00Z"], []),
                (["--key", "user:1"], [1, 5]), (["--prefix", "user:"], [1, 3, 5]),
                (["--match", "[uq]*[2e]"], [2, 3]), (["--cmd", "SET,hset"], [1, 3, 4]),
                (["--type", "list,hash"], [2, 4]),
                (["--slot", "%d" % tools.keyslot(b"queue")], [2]),
                (["--epoch", "0"], [1, 2, 3, 4, 5]),
                (["--epoch", "1"], []), (["--history", timeline], [1, 2, 3, 4, 5]),
                (["--history", "1"], []), (["--client", ids[1]], [3, 4, 5])):
            self.assertEqual(lsns(*args), wanted, args)
        groups = self.wal("stats", "--by", "prefix", "--format", "json", server.dir).json
        self.assertEqual({g["name"]: g["operations"] for g in groups},
                         {"user:": 3, "queue": 1, "hash:": 1})
        groups = self.wal("stats", "--by", "type", "--prefix", "user:", server.dir).text
        self.assertIn('operations=2 ', groups)

    def test_follow_gives_each_record_soon_after_it_was_written(self):
        server = self.server({"wal-segment-size": "1mb"})
        with server.client() as c:
            c.call("SET", "before", "x")
            process = subprocess.Popen(
                [BINARIES.wal, "dump", "-f", "--format", "json", "--no-value", "-n", "3202",
                 server.dir], stdout=subprocess.PIPE)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.kill)
            self.assertEqual(json.loads(process.stdout.readline())["key"], "before")
            c.call("SET", "then", "x")
            begin = time.monotonic()
            self.assertEqual(json.loads(process.stdout.readline())["key"], "then")
            self.assertLess(time.monotonic() - begin, 10)
            # Across segments too.
            for i in range(32):
                c.pipeline([("SET", "k%d" % (i * 100 + j), os.urandom(1500)) for j in range(100)])
        keys = [json.loads(line)["key"] for line in process.stdout]
        self.assertEqual(keys, ["k%d" % i for i in range(3200)])
        self.assertEqual(process.wait(60), 0)
        self.assertGreater(len(tools.segments(server.dir)), 3)


class AtAMoment(ToolCase):
    def test_a_state_of_the_past_by_lsn_and_time(self):
        server = self.server()
        with server.client() as c:
            k = tools.Keyspace(c)
            k.hset(b"h", {b"f%d" % i: b"v" * 50 for i in range(200)})
            c.call("SAVE")
            k.set(b"a", b"1")
            k.hset(b"h", {b"f1": b"changed"})
            wanted, lsn = k.copy(), len(k.commands)
            time.sleep(0.03)
            now = time.time()
            time.sleep(0.03)
            k.delete(b"h")
            k.set(b"a", b"2")
            end = k.copy()

        def at(*args, **more):
            return tools.keys_of_json(self.slot("dump", "--format", "json", server.dir, *args,
                                                **more).json)

        self.assert_keys(at(), end)
        self.assert_keys(at("--at", "end"), end)
        for moment in (lsn, "0:%d" % lsn, "@%.3f" % now, "@%d" % (now * 1000),
                       time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) +
                       ".%03dZ" % (now % 1 * 1000)):
            self.assert_keys(at("--at", moment), wanted)
        self.assertEqual(list(at("--at", "checkpoint")), [b"h"])
        self.slot("dump", "--at", "0", server.dir, code=4)
        self.slot("dump", "--at", "@1000", server.dir, code=4)
        self.slot("dump", "--at", "999", server.dir, code=1)
        self.slot("dump", "--at", "sometime", server.dir, code=2)


class Compare(ToolCase):
    def twins(self):
        """Two nodes with equal keys: the second got them in another order and has them in its
        store."""
        one, k = self.filled()
        other = self.server()
        client = other.client()
        self.addCleanup(client.close)
        self.wal("replay", one.dir, "--to", "redis://127.0.0.1:%d" % other.port)
        client.call("SAVE")
        return one, other, k, client

    def test_equal_keys_are_equal_however_they_are_stored(self):
        one, other, k, _ = self.twins()
        self.slot("diff", one.dir, other.dir)
        self.assertEqual(self.slot("diff", "-q", one.dir, other.dir).text, "")
        digests = [[{f: o[f] for f in o if f != "last_lsn"} for o in self.slot(
            "digest", "--content", "--format", "json", node.dir).json] for node in (one, other)]
        self.assertEqual(digests[0], digests[1])
        total = digests[0].pop()
        self.assertEqual(total["keys"], len(k.keys))
        self.assertEqual({o["slot"] for o in digests[0]}, {tools.keyslot(key) for key in k.keys})
        self.assertEqual(sum(int(o["digest"], 16) for o in digests[0]) % 2 ** 64,
                         int(total["digest"], 16))
        text = self.slot("digest", "--content", "--total", other.dir).text
        self.assertEqual(text.count("\n"), 1)
        self.assertIn(" digest=%s " % total["digest"], text)

    def test_each_key_that_differs_is_listed_once(self):
        one, other, k, client = self.twins()
        future = int(time.time() * 1000) + 10 ** 8
        client.call("SET", "added", "1")
        client.call("DEL", "text")
        client.call("HSET", "h:big", "added", "1")
        client.call("LSET", "l:big", 7, "changed")
        client.call("PEXPIREAT", "s:100k", future)
        client.call("DEL", "l:chunky")
        client.call("SET", "l:chunky", "a string now")
        wanted = {b"added": "only-b", b"text": "only-a", b"h:big": "differs", b"l:big": "differs",
                  b"s:100k": "differs", b"l:chunky": "differs"}
        *rows, total = self.slot("diff", "--format", "json", "--values", one.dir, other.dir,
                                 code=1).json
        self.assertEqual({tools.unjson(r["key"]): r["what"] for r in rows}, wanted)
        self.assertEqual(len(rows), len(wanted))
        by_key = {tools.unjson(r["key"]): r for r in rows}
        self.assertEqual(by_key[b"l:chunky"]["b"], {"type": "string", "len": 12,
                                                    "value": "a string now"})
        self.assertEqual(by_key[b"l:chunky"]["a"]["type"], "list")
        self.assertEqual(by_key[b"s:100k"]["b"]["expires"], future)
        self.assertEqual(tools.unjson(by_key[b"l:big"]["b"]["value"])[7], b"changed")
        self.assertEqual([total[f] for f in ("slots_differ", "keys_differ", "only_a", "only_b")],
                         [len({tools.keyslot(key) for key in wanted}), 4, 1, 1])
        # The other way round, with a bound, a slot alone, and as text.
        lines = self.slot("diff", "-n", 2, other.dir, one.dir, code=1).text.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("keys_differ=4 only_a=1 only_b=1", lines[-1])
        slot = tools.keyslot(b"added")
        lines = self.slot("diff", "--slot", slot, other.dir, one.dir, code=1).text.splitlines()
        self.assertEqual(lines[0], 'slot=%05d what=only-a a=string:1 key="added"' % slot)
        self.slot("diff", "-q", one.dir, other.dir, code=1)
        self.slot("diff", "--values", one.dir, other.dir, code=2)
        self.slot("diff", one.dir, code=2)


class Formats(ToolCase):
    def test_resp_is_what_redis_takes(self):
        server, k = self.filled()
        path = os.path.join(server.dir, "dump.resp")
        self.slot("dump", server.dir, "-o", path)
        self.assertIn("exists already", self.slot("dump", server.dir, "-o", path, code=4).err)
        with Server(redis_binary(), "redis") as redis:
            redis.start()
            with open(path, "rb") as f:
                done = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], stdin=f,
                                      stdout=subprocess.PIPE, check=True)
            self.assertIn(b"errors: 0", done.stdout)
            self.assert_keys(tools.contents(redis.port), k.keys)

    def test_every_line_is_json_whatever_the_bytes(self):
        server = self.server()
        with server.client() as c:
            for i in range(256):
                c.call("SET", bytes([i]), bytes([i, 0xc3, i]))
            for tail in (b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe2\x82",
                         "€".encode()):
                c.call("HSET", tail, tail, tail)
        found = tools.keys_of_json(self.slot("dump", "--format", "json", server.dir).json)
        self.assertEqual(len(found), 261)
        for i in range(256):
            self.assertEqual(found[bytes([i])][1], bytes([i, 0xc3, i]))
        self.assertEqual(found["€".encode()][1], {"€".encode(): "€".encode()})
        self.wal("dump", "--format", "json", server.dir).json  # each line parses

    def test_nothing_on_stderr_and_no_control_bytes_in_text(self):
        server, _ = self.filled()
        for result in (self.wal("dump", server.dir), self.wal("stats", server.dir),
                       self.wal("info", server.dir), self.wal("verify", server.dir),
                       self.slot("keys", server.dir), self.slot("stat", server.dir),
                       self.slot("info", server.dir), self.slot("check", server.dir)):
            self.assertEqual(result.err, "")
            self.assertEqual([b for b in result.out if b < 32 and b != 10 or b > 126], [])


if __name__ == "__main__":
    case.main()
