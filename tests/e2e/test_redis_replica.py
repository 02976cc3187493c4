#!/usr/bin/env python3
"""redis-server as a replica of cairn-server, and the tools that copy as one: redis-cli --rdb,
--replica and --cluster backup. What a replica holds in the end is compared key by key with its
primary."""
import glob
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time

from differential import Side
from generators import mixed
from harness.case import Case, main
from harness.link import Link
from harness.resp import Client
from harness.servers import Server, free_port, redis_binary
from harness.shard import READS, replication, until, wait_linked
from harness.steps import Step

GROUPS = ["strings", "lists", "hashes", "sets", "zsets", "streams", "keys", "expiry", "functions",
          "bitmaps", "hyperloglogs", "geo", "transactions"]
# What blocks, ends the session or is about the node, not its data.
LEFT_OUT = {"CONFIG", "DEBUG", "CLIENT", "RESET", "QUIT", "HELLO", "SHUTDOWN", "WAIT", "SUBSCRIBE",
            "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "FLUSHALL", "FLUSHDB", "REPLICAOF", "MIGRATE"}
STREAM_FACTS = (b"length", b"last-generated-id", b"max-deleted-entry-id", b"entries-added",
                b"recorded-first-entry-id")


def commands(seed, groups=None):
    """Commands of all types, endlessly; blocking ones and such without an effect left out."""
    for step in mixed(random.Random(seed), groups or GROUPS):
        if isinstance(step, Step):
            if step.kind != "call":
                continue
            step = step.args
        name = str(step[0]).upper()
        if name in LEFT_OUT or name.startswith("B") and not name.startswith("BIT") or \
                "BLOCK" in step:
            continue
        yield step


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def stream_state(client, key):
    """All of a stream but times. A pending entry whose own entry is gone may be missing after a
    copy by commands, so these are compared where the entry is."""
    about = pairs(client.call("XINFO", "STREAM", key))
    there = {entry[0] for entry in client.call("XRANGE", key, "-", "+")}
    found = [about[name] for name in STREAM_FACTS]
    for group in client.call("XINFO", "GROUPS", key):
        group = pairs(group)
        name = group[b"name"]
        pending = [(p[0], p[1], p[3]) for p in client.call("XPENDING", key, name, "-", "+", 10000)]
        found.append((name, group[b"last-delivered-id"], group[b"entries-read"], group[b"lag"],
                      sorted(pairs(c)[b"name"]
                             for c in client.call("XINFO", "CONSUMERS", key, name)),
                      [p for p in pending if p[0] in there]))
    return found


def zset_state(client, key):
    """Members and scores. Redis forgets the sign of a zero where it keeps a set as a listpack, so
    it depends on the way that a set came to be."""
    flat = client.call("ZRANGE", key, 0, -1, "WITHSCORES")
    return {member: score.replace(b"-0", b"0") if score == b"-0" else score
            for member, score in zip(flat[::2], flat[1::2])}


def state(server):
    """What a server holds, by digests."""
    found = {}
    with server.client() as c:
        for listed in c.call("FUNCTION", "LIST", "WITHCODE"):
            found[("library", listed[1])] = listed[-1]
        for key in sorted(c.call("KEYS", "*")):
            kind = c.call("TYPE", key)
            if kind == b"zset":
                value = zset_state(c, key)
            elif kind == b"stream":
                value = c.call("DEBUG", "DIGEST-VALUE", key), stream_state(c, key)
            else:
                value = c.call("DEBUG", "DIGEST-VALUE", key)
            found[key] = kind, c.call("PEXPIRETIME", key), value
    return found


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

    def play(self, server, seed, count, groups=None):
        """Sends commands in batches; errors are part of it."""
        stream = commands(seed, groups)
        with server.client() as c:
            for _ in range(count // 100):
                c.pipeline([next(stream) for _ in range(100)])
            c.pipeline([["DISCARD"], ["UNWATCH"]])

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
                key, "\n".join(repr(self.shown(s, key)) for s in (primary, replica))))

    @staticmethod
    def shown(server, key):
        with server.client() as c:
            kind = None if isinstance(key, tuple) else c.call("TYPE", key)
            read = READS.get(kind)
            return kind, read and c.call(read[0], key, *read[1:])

    def assert_quiet(self, replica):
        """redis-server counts a command of its primary that failed."""
        with open(replica.log, errors="replace") as f:
            bad = [line for line in f if "CRITICAL" in line or "Protocol error" in line]
        self.assertEqual(bad, [])


class TheStream(RedisCase):
    def test_a_replica_is_like_its_primary_whatever_is_written(self):
        primary = self.primary()
        replica = self.replica(primary)
        for seed in range(8):
            self.play(primary, seed, 2000)
            self.assert_same(primary, replica)
        self.assert_quiet(replica)

    def test_each_type_alone(self):
        primary = self.primary()
        replica = self.replica(primary)
        for group in GROUPS:
            with self.subTest(group=group):
                self.play(primary, 7, 1500, [group])
                self.assert_same(primary, replica)
        self.assert_quiet(replica)


if __name__ == "__main__":
    main()
