#!/usr/bin/env python3
"""cairn-wal replay and train-dict: point-in-time recovery into fresh data directories from retained
and archived segments, replay to running nodes and through redis-cli --pipe, dictionaries."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case, tools  # noqa: E402
from harness.case import BINARIES, ToolCase  # noqa: E402
from harness.played import GROUPS, play, state  # noqa: E402
from harness.servers import Server, free_port, info, redis_binary  # noqa: E402


class ToAFreshDirectory(ToolCase):
    def node_on(self, directory):
        """What a node that starts there answers; it is ended in order."""
        server = self.server(directory=directory)
        found = tools.contents(server.port)
        with server.client() as c:
            c.call("SET", "writes", "work")
            last = int(info(c, "wal")["wal_last_lsn"])
        self.assertEqual(server.stop(), 0)
        self.slot("check", "--deep", directory)
        return found, last

    def test_all_of_it_starts_and_is_equal(self):
        server, k = self.filled()
        target = os.path.join(server.dir, "new")
        result = self.wal("replay", server.dir, "--to-env", target)
        self.assertEqual(result.fields()["replayed_to"], "0:%d" % len(k.commands))
        self.assertEqual(self.slot("stat", target, "--format", "json").json[0]["digest"],
                         self.slot("stat", server.dir, "--format", "json").json[0]["digest"])
        self.slot("check", "--deep", target)
        found, last = self.node_on(target)
        self.assert_keys(found, k.keys)
        self.assertEqual(last, len(k.commands) + 1)
        old = self.slot("info", server.dir, "--format", "json").json[0]
        new = self.slot("info", target, "--format", "json").json[0]
        self.assertEqual(old["shard_id"], new["shard_id"])
        self.assertNotEqual(old["timeline"], new["timeline"])
        self.assertEqual(new["history"][0]["timeline"], old["timeline"])

    def test_what_is_there_is_not_touched(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "a", "1")
        target = os.path.join(server.dir, "taken")
        os.mkdir(target)
        with open(os.path.join(target, "file"), "w") as f:
            f.write("mine")
        self.wal("replay", server.dir, "--to-env", target, code=4)
        self.assertEqual(os.listdir(target), ["file"])
        # A folder that looks like one of ours, left by somebody else.
        os.rename(target, os.path.join(server.dir, "new.incomplete"))
        self.wal("replay", server.dir, "--to-env", os.path.join(server.dir, "new"), code=4)
        self.assertEqual(os.listdir(os.path.join(server.dir, "new.incomplete")), ["file"])
        self.wal("replay", server.dir, "--to-env", server.dir, code=4)
        os.mkdir(os.path.join(server.dir, "empty"))
        self.wal("replay", server.dir, "--to-env", os.path.join(server.dir, "empty") + "/")
        self.slot("get", os.path.join(server.dir, "empty"), "a")

    def test_every_lsn_is_the_state_after_that_command(self):
        server = self.server()
        states = [{}]
        with server.client() as c:
            k = tools.Keyspace(c)
            send = k.send

            def noting(*args):
                if len(k.commands) >= len(states) and k.queue is None:
                    states.append(k.copy())
                send(*args)

            k.send = noting
            k.hset(b"h", {b"f%d" % i: b"v" * 20 for i in range(300)})
            k.hset(b"h", {b"f3": b"changed", b"x": b"new"})
            k.rpush(b"l", *[b"e%d" % i * 9 for i in range(400)])
            k.lpush(b"l", b"head")
            k.ltrim(b"l", 10, 390)
            k.linsert(b"l", b"e20" * 9, b"in")
            k.set(b"s", tools.bulk(40000))
            k.setrange(b"s", 16315, b"across two")
            k.expire(b"h", tools.LATER)
            k.rename(b"h", b"h2")
            k.zadd(b"z", {b"m%d" % i: i * 0.5 for i in range(300)})
            k.zadd(b"z", {b"m3": 1000.25, b"long" * 50: -1.0})
            k.zrem(b"z", b"m4", b"long" * 50)
            k.copy_key(b"l", b"l2")
            k.lpush(b"l2", b"only here")
            k.delete(b"l")
            k.flush()
            k.set(b"s", b"after the flush")
            states.append(k.copy())
        self.assertEqual(len(states), len(k.commands) + 1)
        for lsn, state in enumerate(states):
            target = os.path.join(server.dir, "at-%d" % lsn)
            position = lsn if lsn % 2 else "0:%d" % lsn
            self.wal("replay", server.dir, "--to-env", target, "--to-lsn", position)
            self.assert_keys(tools.keys_of_json(
                self.slot("dump", "--format", "json", target).json), state)
            self.slot("check", "--deep", target)
        found, last = self.node_on(os.path.join(server.dir, "at-8"))
        self.assert_keys(found, states[8])
        self.assertEqual(last, 9)
        result = self.wal("replay", server.dir, "--to-env", os.path.join(server.dir, "late"),
                          "--to-lsn", "999", code=1)
        self.assertIn("ends at LSN %d" % len(k.commands), result.err)
        self.assertFalse([n for n in os.listdir(server.dir) if n.startswith("late")])

    def test_a_time_from_archived_segments_and_a_backup(self):
        archive = self.folder()
        server = self.server({"wal-segment-size": "1mb", "wal-keep-size": "0",
                              "wal-archive-dir": archive, "wal-compression-level": "0"})
        with server.client() as c:
            k = tools.Keyspace(c)
            k.rpush(b"l", *[b"e%d" % i * 9 for i in range(400)])
            for i in range(12):
                k.set(b"k%d" % i, os.urandom(300000))
            c.call("SAVE")
            backup = self.backup(server)
            k.lpush(b"l", b"after the backup")
            for i in range(6, 18):
                k.set(b"k%d" % i, os.urandom(300000))
            time.sleep(0.03)
            moment, wanted, lsn = time.time(), k.copy(), len(k.commands)
            time.sleep(0.03)
            k.delete(b"k1")
            k.lset(b"l", 0, b"a mistake")
            for i in range(18, 24):
                k.set(b"k%d" % i, os.urandom(300000))
            c.call("SAVE")
            c.call("SAVE")
            k.set(b"last", os.urandom(900000))
            k.set(b"last", os.urandom(900000))
            self.until(lambda: not os.path.exists(
                os.path.join(server.dir, "wal", "%016x.wal" % 1)))
        refused = self.wal("replay", server.dir, "--to-env", os.path.join(server.dir, "x"), code=4)
        self.assertIn("give the archived segments as well", refused.err)
        self.assertFalse([n for n in os.listdir(server.dir) if n.startswith("x")])
        day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
        for name, args in (("by-time", ["--to-time", day + ".%03dZ" % (moment % 1 * 1000)]),
                           ("by-lsn", ["--to-lsn", lsn])):
            target = os.path.join(server.dir, name)
            result = self.wal("replay", archive, server.dir, "--to-env", target, *args)
            self.assertEqual(result.fields()["replayed_to"], "0:%d" % lsn)
            self.assert_keys(self.node_on(target)[0], wanted)
        target = os.path.join(server.dir, "from-backup")
        newer = [os.path.join(archive, n) for n in sorted(os.listdir(archive))][3:]
        result = self.wal("replay", *newer, server.dir, "--base", backup, "--to-env", target,
                          "--to-lsn", lsn, "--format", "json").json[0]
        self.assertEqual((result["replayed_to"], result["env"]), (lsn, target))
        self.assertLess(result["records"], lsn)
        self.assert_keys(self.node_on(target)[0], wanted)
        target = os.path.join(server.dir, "too-early")
        for args in (["--to-lsn", "3"], ["--to-time", "2001-01-01"]):
            refused = self.wal("replay", archive, "--base", backup, "--to-env", target, *args,
                               code=4)
            self.assertIn("nothing before that", refused.err)
            self.assertFalse(os.path.exists(target))

    def backup(self, server):
        """A copy of the store, as a file system snapshot would make it."""
        path = self.folder()
        shutil.copy(os.path.join(server.dir, "keyspace.mdb"), path)
        return path

    def until(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_filters_dry_run_and_what_does_not_go_together(self):
        server, k = self.filled()
        target = os.path.join(server.dir, "some")
        self.wal("replay", server.dir, "--to-env", target, "--prefix", "h:")
        self.assert_keys(tools.keys_of_json(self.slot("dump", "--format", "json", target).json),
                         {key: v for key, v in k.keys.items() if key.startswith(b"h:")})
        self.slot("check", "--deep", target)
        result = self.wal("replay", server.dir, "--to-env", server.dir + "/no", "--dry-run")
        self.assertEqual(result.fields()["records"], str(len(k.commands)))
        self.assertFalse(os.path.exists(server.dir + "/no"))
        for args in ([], ["--to-env", "x", "--to-stdout-resp"], ["--to-env", "x", "-s", "3"],
                     ["--to-env", "x", "--rate", "1m"], ["--to", "h:1", "--base", "x"],
                     ["--to", "redis://host:0"], ["--to", "http://x"],
                     ["--to-env", "x", "--base", "y", "--key", "k"]):
            self.wal("replay", server.dir, *args, code=2)


class ToANode(ToolCase):
    def redis(self, options=None):
        redis = Server(redis_binary(), "redis", options)
        self.addCleanup(redis.close)
        return redis.start()

    def test_whatever_was_written_arrives(self):
        server = self.server({"appendfsync": "no", "enable-debug-command": "local"})
        play(server, 5, 4000, [g for g in GROUPS if g != "expiry"])
        options = {"enable-debug-command": "local"}
        for other in (self.server(options), self.redis(options)):
            result = self.wal("replay", server.dir, "--to", "127.0.0.1:%d" % other.port)
            self.assertEqual(result.fields()["left_out"], "0")
            ours, theirs = state(server), state(other)
            for key in sorted(set(ours) | set(theirs), key=repr):
                self.assertEqual(ours.get(key), theirs.get(key), "key %r" % (key,))

    def test_another_node_and_redis_become_equal(self):
        server, k = self.filled()
        for other in (self.server(), self.redis()):
            address = "redis://127.0.0.1:%d" % other.port
            result = self.wal("replay", server.dir, "--to", address)
            self.assertEqual((result.fields()["replayed_to"], result.fields()["left_out"]),
                             ("0:%d" % len(k.commands), "0"))
            self.assert_keys(tools.contents(other.port), k.keys)
            # Whole keys may be sent again, whatever is there.
            for _ in range(2):
                with other.client() as c:
                    c.call("RPUSH", "l:big", "added by somebody else")
                    c.call("HSET", "h:big", "added", "too")
                self.wal("replay", server.dir, "--to", address, "--idempotent")
                self.assert_keys(tools.contents(other.port), k.keys)

    def test_standard_output_through_redis_cli(self):
        server, k = self.filled()
        server.kill()
        redis = self.redis()
        for args in (["replay", server.dir, "--to-stdout-resp"],
                     ["dump", server.dir, "--format", "resp"]):
            result = self.wal(*args)
            path = os.path.join(server.dir, "resp")
            with open(path, "wb") as f:
                f.write(result.out)
            with open(path, "rb") as f:
                done = subprocess.run(["redis-cli", "-p", str(redis.port), "--pipe"], stdin=f,
                                      stdout=subprocess.PIPE, check=True)
            self.assertIn(b"errors: 0", done.stdout)
            self.assert_keys(tools.contents(redis.port), k.keys)
        self.assertIn("replayed_to=", self.wal("replay", server.dir, "--to-stdout-resp").err)

    def test_in_parts_with_a_start_and_an_end(self):
        server, k = self.filled()
        redis = self.redis({"requirepass": "p@ss word"})
        address = "redis://default:p%%40ss%%20word@127.0.0.1:%d/0" % redis.port
        last = len(k.commands)
        for first in range(1, last + 1, 7):
            end = min(first + 6, last)
            result = self.wal("replay", server.dir, "--to", address, "-s", first, "--to-lsn", end)
            self.assertEqual(result.fields()["replayed_to"], "0:%d" % end)
            self.assertEqual(result.fields()["records"], str(end - first + 1))
        with redis.client(password="p@ss word") as c:
            self.assert_keys(tools.read_node(c), k.keys)
        wrong = self.wal("replay", server.dir, "--to", "127.0.0.1:%d" % redis.port, code=4)
        self.assertIn("NOAUTH", wrong.err)
        self.wal("replay", server.dir, "--to", "127.0.0.1:%d" % free_port(), code=5)

    def test_an_error_of_the_node_stops_the_replay(self):
        server, _ = self.filled()
        redis = self.redis({"maxmemory": "1500000", "maxmemory-policy": "noeviction"})
        result = self.wal("replay", server.dir, "--to", "127.0.0.1:%d" % redis.port, code=4)
        self.assertIn("OOM", result.err)

    def test_filters_rate_and_dry_run(self):
        server, k = self.filled()
        redis = self.redis()
        address = "127.0.0.1:%d" % redis.port
        self.wal("replay", server.dir, "--to", address, "--dry-run")
        self.assertEqual(tools.contents(redis.port), {})
        with redis.client() as c:
            c.call("SET", "mine", "stays")
        begin = time.monotonic()
        # Not all keys are wanted, so the FLUSHALL in the log cannot be sent: told, exit 1.
        result = self.wal("replay", server.dir, "--to", address, "--match", "s:*", "--rate",
                          "700k", code=1)
        self.assertGreater(time.monotonic() - begin, 1)
        self.assertIn("FLUSHALL", result.err)
        wanted = {key: v for key, v in k.keys.items() if key.startswith(b"s:")}
        wanted[b"mine"] = ("string", b"stays", 0)
        self.assert_keys(tools.contents(redis.port), wanted)

    def test_expiries_of_the_past_leave_no_half_keys(self):
        server = self.server()
        now = int(time.time() * 1000)
        with server.client() as c:
            k = tools.Keyspace(c)
            # Both expire before the replay; one of them was saved from it in time.
            for key in (b"h", b"kept"):
                k.hset(key, {b"f%d" % i: b"v" * 30 for i in range(300)})
                k.expire(key, now + 1500)
                k.hset(key, {b"late": b"field"})
            k.persist(b"kept")
            k.hset(b"kept", {b"later": b"field"})
            time.sleep(1.6)
            del k.keys[b"h"]
            redis = self.redis()
            # Before the node has logged the removal, and after.
            self.wal("replay", server.dir, "--to", "127.0.0.1:%d" % redis.port)
            self.assert_keys(tools.contents(redis.port), k.keys)
            self.assertEqual(c.call("EXISTS", "h"), 0)
            self.wal("replay", server.dir, "--to", "127.0.0.1:%d" % redis.port)
            self.assert_keys(tools.contents(redis.port), k.keys)

    def test_a_log_without_its_beginning_says_what_is_missing(self):
        server = self.server({"wal-segment-size": "1mb", "wal-keep-size": "0",
                              "wal-compression-level": "0"})
        with server.client() as c:
            k = tools.Keyspace(c)
            k.rpush(b"l", *[b"e%d" % i * 9 for i in range(400)])
            k.hset(b"h", {b"f%d" % i: b"v" * 30 for i in range(300)})
            for i in range(8):
                k.set(b"k%d" % i, os.urandom(500000))
                c.call("SAVE")
            k.lpush(b"l", b"its elements are older than the log")
            k.hset(b"h", {b"new": b"field"})
        self.assertGreater(self.wal("info", server.dir, "--format", "json").json[-1]["first_lsn"],
                           2)
        redis = self.redis()
        result = self.wal("replay", server.dir, "--to", "127.0.0.1:%d" % redis.port, code=1)
        self.assertEqual(result.fields()["left_out"], "1")
        found = tools.contents(redis.port)
        self.assertEqual(found[b"h"][1], {b"new": b"field"})
        self.assertNotIn(b"l", found)


class Dictionary(ToolCase):
    def test_a_trained_dictionary_works_on_the_node_and_old_segments_stay_readable(self):
        server = self.server()
        n = 3000
        with server.client() as c:
            c.pipeline([("SET", "user:%d" % i,
                         '{"id":%d,"name":"name %d","city":"Prague","tags":["a","b"]}' % (i, i))
                        for i in range(n)])
        path = os.path.join(server.dir, "log.dict")
        made = self.wal("train-dict", server.dir, "-o", path, "--size", "16k", "--format",
                        "json").json[0]
        self.assertEqual(made["bytes"], os.path.getsize(path))
        self.assertLessEqual(made["bytes"], 16384)
        self.assertNotEqual(made["dictionary_id"], 0)
        self.wal("train-dict", server.dir, "-o", path, code=4)
        server.stop()
        server.options["wal-dictionary"] = path
        server.start()
        with server.client() as c:
            for i in range(n, n + 60):
                c.pipeline([("SET", "user:%d" % (i + j * 1000),
                             '{"id":%d,"name":"name %d","city":"Prague","tags":["a","b"]}'
                             % (i, i)) for j in range(10)])
            wanted = tools.read_node(c)
        lines = self.wal("info", server.dir, "--format", "json").json
        self.assertEqual([s["dictionary_id"] for s in lines[:-1]], [0, made["dictionary_id"]])
        self.assertEqual(lines[1]["dictionary_bytes"], made["bytes"])
        self.assertGreater(lines[-1]["zstd_frames"], 55)
        self.assertEqual(len({r["lsn"] for r in self.wal(
            "dump", server.dir, "--format", "json").json}), n + 600)
        server.kill()
        self.assert_keys(tools.keys_of_json(
            self.slot("dump", server.dir, "--format", "json").json), wanted)
        os.remove(path)
        del server.options["wal-dictionary"]
        server.start()
        self.assert_keys(tools.contents(server.port), wanted)

    def test_too_little_to_learn_from(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "a", "1")
        self.wal("train-dict", server.dir, "-o", os.path.join(server.dir, "d"), code=1)
        self.assertFalse(os.path.exists(os.path.join(server.dir, "d")))
        self.wal("train-dict", server.dir, code=2)
        self.wal("train-dict", server.dir, "-o", "x", "--size", "2m", code=2)


if __name__ == "__main__":
    case.main()
