#!/usr/bin/env python3
"""redis-server as a replica of cairn-server, and the tools that copy as one: redis-cli --rdb,
--replica and --cluster backup. What a replica holds in the end is compared key by key with its
primary."""
import glob
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness import cluster
from harness.case import BINARIES, Case, main
from harness.link import Link
from harness.played import GROUPS, commands, play, shown, state
from harness.servers import Server, info, redis_binary
from harness.shard import replication, until, wait_equal, wait_linked

LIBRARY = "#!lua name=lib\nredis.register_function('f', function() return 7 end)"


class RedisCase(Case):
    def primary(self, options=None, **more):
        return self.server({"enable-debug-command": "local", "appendfsync": "no",
                            **(options or {})}, **more)

    def redis(self, options=None, **more):
        server = Server(redis_binary(), "redis",
                        {"enable-debug-command": "local", **(options or {})}, **more)
        self.addCleanup(self._finish, server)
        return server.start()

    def replica(self, primary, port=None, **options):
        server = self.redis({"replicaof": ["127.0.0.1", port or primary.port], **options})
        wait_linked(server)
        return server

    def caught_up(self, primary, replica):
        """The replica has acknowledged everything, and nothing expires any more."""
        def same():
            with primary.client() as c:
                # Each write of this connection has the LSN of all before.
                c.call("SET", "the last one", str(time.monotonic()))
                return c.call("WAIT", 1, 1000) == 1
        until(same, 60, "acknowledged by the replica")
        until(lambda: replication(replica)["master_link_status"] == "up", 30)

    def assert_same(self, primary, replica, seconds=20):
        self.caught_up(primary, replica)
        end = time.monotonic() + seconds
        while True:
            ours, theirs = state(primary), state(replica)
            if ours == theirs:
                return ours
            if time.monotonic() > end:
                break
            time.sleep(0.2)  # a key may be expiring
        for key in sorted(set(ours) | set(theirs), key=repr):
            self.assertEqual(ours.get(key), theirs.get(key), "key %r\n%s" % (
                key, "\n".join(repr(shown(s, key)) for s in (primary, replica))))

    def assert_quiet(self, replica):
        """redis-server counts a command of its primary that failed."""
        with open(replica.log, errors="replace") as f:
            bad = [line for line in f if "CRITICAL" in line or "Protocol error" in line]
        self.assertEqual(bad, [])


class TheStream(RedisCase):
    def test_a_replica_is_like_its_primary_whatever_is_written(self):
        primary = self.primary()
        replica = self.replica(primary)
        for seed in range(5):
            play(primary, seed, 2000)
            self.assert_same(primary, replica)
        self.assert_quiet(replica)

    def test_each_type_alone(self):
        primary = self.primary()
        replica = self.replica(primary)
        for group in GROUPS:
            with self.subTest(group=group):
                play(primary, 7, 1500, [group])
                self.assert_same(primary, replica)
        self.assert_quiet(replica)


    def test_a_copy_is_made_while_others_write(self):
        primary = self.primary({"memtable-max": "16mb", "checkpoint-interval": "1"})
        play(primary, 100, 4000)
        with primary.client() as c:
            for i in range(100):
                c.pipeline([["SET", "bulk%d-%d" % (i, n), "x" * 500] for n in range(200)] +
                           [["HSET", "bulk-hash", "f%d-%d" % (i, n), "y" * 100]
                            for n in range(50)] +
                           [["RPUSH", "bulk-list", "e%d-%d" % (i, n)] for n in range(50)] +
                           [["ZADD", "bulk-zset", n, "m%d-%d" % (i, n)] for n in range(50)])
        stop, failures = threading.Event(), []

        def write(seed):
            try:
                stream = commands(seed)
                rng = random.Random(seed)
                with primary.client() as c:
                    while not stop.is_set():
                        c.pipeline([next(stream) for _ in range(50)])
                        c.pipeline([
                            ["HSET", "bulk-hash", "f%d-%d" % (rng.randrange(100), 1), "z"],
                            ["LPUSH", "bulk-list", "new"], ["RPOP", "bulk-list"],
                            ["ZINCRBY", "bulk-zset", 1, "m%d-3" % rng.randrange(100)],
                            ["DEL", "bulk%d-%d" % (rng.randrange(100), rng.randrange(200))],
                            ["SETRANGE", "bulk-string", rng.randrange(200000), "changed"]])
                    c.pipeline([["DISCARD"], ["UNWATCH"]])
            except Exception as e:  # seen by the test itself
                failures.append(e)

        writers = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2)]
        for w in writers:
            w.start()
        replicas = [self.replica(primary)]
        time.sleep(1)
        # One that loads from the socket.
        replicas.append(self.replica(primary, **{"repl-diskless-load": "swapdb"}))
        time.sleep(1)
        stop.set()
        for w in writers:
            w.join()
        self.assertEqual(failures, [])
        for replica in replicas:
            self.assert_same(primary, replica)
            self.assert_quiet(replica)

    def test_fields_that_expire_go_when_the_primary_removes_them(self):
        primary = self.primary()
        with primary.client() as c:
            def expire_some(key):
                c.call("HSET", key, *[w for i in range(200) for w in ("f%d" % i, "v%d" % i)])
                c.call("HPEXPIRE", key, 700, "FIELDS", 100, *["f%d" % i for i in range(100)])
                c.call("HPEXPIRE", key, 3600000, "FIELDS", 1, "f150")
                c.call("HSET", key, "f120", "new", "f150", "new")
            expire_some("before")
            replica = self.replica(primary)
            expire_some("after")
            c.call("HSET", "small", "f", "v", "g", "w")
            c.call("HPEXPIRE", "small", 700, "FIELDS", 1, "f")
            until(lambda: c.call("HLEN", "small") == 1 and c.call("HLEN", "after") == 100, 20)
        held = self.assert_same(primary, replica)
        self.assertEqual(len(held), 4)
        self.assert_quiet(replica)

    def test_a_cut_link_goes_on_where_it_was(self):
        primary = self.primary()
        link = Link(primary.port)
        self.addCleanup(link.close)
        replica = self.replica(primary, port=link.port)
        for seed in range(3):
            play(primary, seed, 500)
            link.refusing = True
            link.cut()
            play(primary, seed + 10, 500)
            link.refusing = False
            self.assert_same(primary, replica)
        self.assertEqual(self.counted(primary), (1, 3))
        self.assert_quiet(replica)
        # More than the backlog has of what was under way: nothing of it was lost on the way.
        link.held = True
        with primary.client() as c:
            c.pipeline([["SET", "large%d" % i, "x" * 100000] for i in range(100)])
            time.sleep(1)
        link.cut()
        link.held = False
        self.assert_same(primary, replica)

    def test_behind_a_replica_and_through_its_promotion(self):
        first = self.primary()
        play(first, 20, 1000)
        second = self.primary({"replicaof": ["127.0.0.1", first.port]})
        wait_linked(second)
        replica = self.replica(second)
        play(first, 21, 1000)
        wait_equal(first, second)
        until(lambda: state(first) == state(replica), 30, "it has what the first one has")
        with second.client() as c:
            self.assertEqual(c.call("REPLICAOF", "NO", "ONE"), b"OK")
            until(lambda: c.raw("SET", "promoted", "v") == b"+OK\r\n", 10)
        play(second, 22, 1000)
        self.assert_same(second, replica)
        self.assertEqual(self.counted(second), (1, 0))
        with second.client() as c:
            c.call("FLUSHALL")
            c.call("SET", "after", "the flush")
        self.assertEqual(len(self.assert_same(second, replica)), 2 + self.libraries(second))
        # Its data is another's from now on: the replica has to begin anew.
        with second.client() as c:
            c.call("REPLICAOF", "127.0.0.1", first.port)
        wait_linked(second)
        play(first, 23, 500)
        wait_equal(first, second)
        wait_linked(replica)
        until(lambda: state(first) == state(replica), 30, "it has what the first one has")
        self.assert_quiet(replica)

    @staticmethod
    def libraries(server):
        with server.client() as c:
            return len(c.call("FUNCTION", "LIST"))

    def test_restarts_of_either_side(self):
        primary = self.primary({"appendfsync": "always"})
        replica = self.replica(primary)
        play(primary, 1, 1000)
        self.assert_same(primary, replica)
        replica.kill()
        play(primary, 2, 1000)
        replica.start()
        wait_linked(replica)
        self.assert_same(primary, replica)
        primary.kill()
        primary.start()
        play(primary, 3, 1000)
        wait_linked(replica)
        self.assert_same(primary, replica)
        self.assertEqual(primary.stop(), 0)
        primary.start()
        wait_linked(replica)
        play(primary, 4, 500)
        self.assert_same(primary, replica)
        self.assert_quiet(replica)

    @staticmethod
    def counted(primary):
        with primary.client() as c:
            stats = info(c, "stats")
        return int(stats["sync_full"]), int(stats["sync_partial_ok"])


class WhatOthersSee(RedisCase):
    def test_a_replica_is_listed_and_counts(self):
        primary = self.primary({"min-replicas-to-write": "1", "min-replicas-max-lag": "10"})
        with primary.client() as c:
            self.assertIn("NOREPLICAS", self.error(c, "SET", "k", "v"))
            replica = self.replica(primary)
            until(lambda: c.raw("SET", "k", "v") == b"+OK\r\n", 10, "a good replica")
            began = time.monotonic()
            self.assertEqual(c.call("WAIT", 1, 5000), 1)
            # It is asked, not waited for until it says so by itself.
            self.assertLess(time.monotonic() - began, 0.9)
            self.assertEqual(c.call("WAITAOF", 1, 1, 100)[1], 0)
            facts = replication(primary)
            self.assertEqual(facts["connected_slaves"], "1")
            line = dict(f.split("=") for f in facts["slave0"].split(","))
            self.assertEqual((line["ip"], line["port"], line["state"]),
                             ("127.0.0.1", str(replica.port), "online"))
            self.assertEqual(line["offset"], facts["master_repl_offset"])
            role = c.call("ROLE")
            self.assertEqual(role[2], [[b"127.0.0.1", b"%d" % replica.port, role[1] and
                                        b"%d" % role[1]]])
            listed = c.call("CLIENT", "LIST", "TYPE", "replica").decode().splitlines()
            self.assertEqual(len(listed), 1)
            self.assertIn(" flags=S ", listed[0])
            self.assertIn(" cmd=psync ", listed[0])
            self.assertIn(facts["master_replid"][:32],
                          replication(replica)["master_replid"])
            # Its connection can be ended, and comes again.
            number = re.search(r"\bid=(\d+)", listed[0]).group(1)
            self.assertEqual(c.call("CLIENT", "KILL", "ID", number), 1)
            until(lambda: replication(primary)["connected_slaves"] == "1" and
                  c.call("WAIT", 1, 100) == 1, 20, "it is back")
            # One that hangs is given up.
            c.call("CONFIG", "SET", "repl-timeout", "2")
            c.call("CLIENT", "KILL", "TYPE", "replica")
            wait_linked(replica)
            replica.process.send_signal(signal.SIGSTOP)
            try:
                until(lambda: replication(primary)["connected_slaves"] == "0", 20, "it is gone")
            finally:
                replica.process.send_signal(signal.SIGCONT)

    def test_rights(self):
        primary = self.primary()
        with primary.client() as c:
            c.call("ACL", "SETUSER", "repl", "on", ">pw", "+psync", "+replconf", "+ping")
            c.call("ACL", "SETUSER", "none", "on", ">pw", "+ping", "+replconf")
            c.call("SET", "k", "v")
            c.call("ACL", "SETUSER", "default", "off")
            c.call("CONFIG", "SET", "requirepass", "secret")
        replica = self.redis({"replicaof": ["127.0.0.1", primary.port], "masteruser": "none",
                              "masterauth": "pw"})
        until(lambda: "NOPERM" in replica.tail(400), 20, "the refusal is told")
        with replica.client() as c:
            c.call("CONFIG", "SET", "masteruser", "repl")
        wait_linked(replica)
        with replica.client() as c:
            self.assertEqual(c.call("GET", "k"), b"v")

    def test_who_is_no_replica_is_closed(self):
        primary = self.primary()
        with socket.create_connection(("127.0.0.1", primary.port)) as s:
            s.sendall(b"PSYNC ? -1\r\n")
            s.settimeout(20)
            got = b""
            while b"$" not in got:
                got += s.recv(4096)
            self.assertRegex(got.lstrip(b"\n"), rb"^\+FULLRESYNC [0-9a-f]{40} \d+\r\n")
            s.sendall(b"*1\r\n+garbage\r\n")
            while s.recv(4096):
                pass
        with primary.client() as c:
            self.assertEqual(c.call("PING"), b"PONG")
        until(lambda: replication(primary)["connected_slaves"] == "0", 10, "it is gone")


class Files(RedisCase):
    """What copies by SYNC."""

    def filled(self, options=None):
        primary = self.primary(options)
        play(primary, 42, 3000)
        with primary.client() as c:
            c.call("SETRANGE", "a long string", 5000000, "end")
            c.call("SET", "soon", "v", "PXAT", int(time.time() * 1000) + 3600000)
            for i in range(100):
                c.pipeline([["ZADD", "z", i + n / 100, "m%d-%d" % (i, n)] for n in range(100)])
        return primary

    def cli(self, primary, *args, code=0):
        result = subprocess.run(["redis-cli", "-p", str(primary.port)] + list(args), check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout.decode(errors="replace"))
        return result.stdout.decode(errors="replace")

    def loaded(self, path):
        """A redis-server with that file."""
        server = Server(redis_binary(), "redis", {
            "enable-debug-command": "local", "dbfilename": "copy.rdb"})
        self.addCleanup(self._finish, server)
        shutil.copy(path, os.path.join(server.dir, "copy.rdb"))
        return server.start()

    def folder(self):
        path = tempfile.mkdtemp(prefix="cairn-copies-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def test_redis_cli_rdb(self):
        primary = self.filled()
        path = os.path.join(self.folder(), "dump.rdb")
        self.cli(primary, "--rdb", path)
        checked = subprocess.run(["redis-check-rdb", path], check=False, stdout=subprocess.PIPE,
                                 timeout=60)
        self.assertEqual(checked.returncode, 0, checked.stdout.decode(errors="replace"))
        redis = self.loaded(path)
        self.assertEqual(state(redis), state(primary))
        # What is written now is in the next file: there is a checkpoint for each.
        with primary.client() as c:
            c.call("SET", "written last", "v")
        self.cli(primary, "--rdb", path)
        with self.loaded(path).client() as c:
            self.assertEqual(c.call("GET", "written last"), b"v")
        until(lambda: replication(primary)["connected_slaves"] == "0", 10, "it is gone")

    def test_redis_cli_functions_rdb(self):
        primary = self.filled()
        with primary.client() as c:
            c.call("FUNCTION", "FLUSH")
            c.call("FUNCTION", "LOAD", LIBRARY)
        path = os.path.join(self.folder(), "functions.rdb")
        self.cli(primary, "--functions-rdb", path)
        with self.loaded(path).client() as c:
            self.assertEqual(c.call("DBSIZE"), 0)
            self.assertEqual(c.call("FCALL", "f", 0), 7)

    def test_redis_cli_replica(self):
        primary = self.filled()
        process = subprocess.Popen(["redis-cli", "-p", str(primary.port), "--replica"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        until(lambda: replication(primary).get("slave0", "").find("state=online") > 0, 30,
              "it is online")
        with primary.client() as c:
            c.call("SET", "told", "to it")
        seen = b""
        while b"told" not in seen:
            line = process.stdout.readline()
            self.assertTrue(line, seen)
            seen += line
        self.assertRegex(seen, rb"sync.*done|SYNC done")

    def test_a_length_is_told_to_who_asks_without_eof(self):
        primary = self.filled()
        for request in (b"SYNC\r\n", b"PSYNC ? -1\r\n"):
            with socket.create_connection(("127.0.0.1", primary.port)) as s, s.makefile("rb") as f:
                s.sendall(request)
                line = b"\n"
                while line == b"\n" or line.startswith(b"+FULLRESYNC"):
                    line = f.readline()
                self.assertRegex(line, rb"^\$\d+\r\n")
                data = f.read(int(line[1:]))
                self.assertTrue(data.startswith(b"REDIS0010"))
                path = os.path.join(self.folder(), "copy.rdb")
                with open(path, "wb") as out:
                    out.write(data)
                with primary.client() as c:
                    c.call("SET", "behind the file", "v")
                seen = b""
                while b"behind the file" not in seen:
                    seen += f.read(1)
                self.assertTrue(seen.startswith(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"))
                with primary.client() as c:
                    c.call("DEL", "behind the file")
            self.assertEqual(state(self.loaded(path)), state(primary))

    def test_redis_cli_cluster_backup(self):
        nodes = cluster.Cluster(lambda: cluster.node(BINARIES.cairn))
        self.addCleanup(nodes.close)
        nodes.form()
        keys = ["key%d" % i for i in range(300)]
        port = nodes.nodes[0].port
        for key in keys:
            subprocess.run(["redis-cli", "-c", "-p", str(port), "SET", key, "v-" + key],
                           check=True, stdout=subprocess.DEVNULL, timeout=60)
        path = self.folder()
        out = subprocess.run(["redis-cli", "--cluster", "backup", "127.0.0.1:%d" % port, path],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                             timeout=120)
        self.assertEqual(out.returncode, 0, out.stdout.decode())
        files = glob.glob(os.path.join(path, "*.rdb"))
        self.assertEqual(len(files), nodes.shards, out.stdout.decode())
        self.assertTrue(os.path.exists(os.path.join(path, "nodes.json")))
        found = {}
        for name in files:
            with self.loaded(name).client() as c:
                for key in c.call("KEYS", "*"):
                    found[key.decode()] = c.call("GET", key).decode()
        self.assertEqual(found, {key: "v-" + key for key in keys})


if __name__ == "__main__":
    main()
