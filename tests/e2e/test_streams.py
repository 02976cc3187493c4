#!/usr/bin/env python3
"""Streams: who waits for entries, on cairn-server as on redis-server; values both ways by DUMP and
RESTORE; what the tools and a replica make of them; restarts."""
import random
import time

from generators import streams
from harness import cluster
from harness.blocked import BLOCKS, play, until_blocked
from harness.case import ToolCase, main
from harness.peer import Peer
from harness.resp import parse
from harness.servers import Server, info, redis_binary
from harness.steps import Step

STEPS = [
    (1, "XREAD BLOCK 0 STREAMS s $", BLOCKS), (9, "XADD s 1-1 f v", {9: 1, 1: 1}),
    (1, "XREAD BLOCK 0 STREAMS s 0"), (1, "XREAD BLOCK 10 STREAMS s $"),
    (1, "XREAD BLOCK 10 STREAMS s nosuch 5-0 0"),
    # Two who wait are both told; one who waits for later IDs waits on.
    (1, "XREAD BLOCK 0 STREAMS s $", BLOCKS),
    (2, "XREAD COUNT 1 BLOCK 0 STREAMS t s 0 1-1", BLOCKS),
    (3, "XREAD BLOCK 0 STREAMS s 9-9", BLOCKS), (9, "XADD s 2-1 f v", {9: 1, 1: 1, 2: 1}),
    (9, "XADD s 10-1 f v", {9: 1, 3: 1}),
    # Another type is no reason, a stream that comes by another way is one.
    (1, "XREAD BLOCK 0 STREAMS u 0", BLOCKS), (9, "SET u x"), (9, "DEL u"),
    (9, "RENAME s u", {9: 1, 1: 1}), (9, "XADD s 1-1 f v"),
    # $ is what it was when the request came.
    (1, "XREAD BLOCK 0 STREAMS s $", BLOCKS), (9, "XDEL s 1-1"), (9, "XTRIM s MAXLEN 0"),
    (9, "XADD s 2-1 f v", {9: 1, 1: 1}),
    # Groups: one of two gets it.
    (9, "XGROUP CREATE s g $"), (9, "XGROUP CREATECONSUMER s g a"),
    (9, "XGROUP CREATECONSUMER s g b"),
    (1, "XREADGROUP GROUP g a BLOCK 10 STREAMS s >"), (1, "XREADGROUP GROUP g a STREAMS s 0"),
    (1, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >", BLOCKS),
    (2, "XREADGROUP GROUP g b BLOCK 0 STREAMS s >", BLOCKS), (9, "XADD s 3-1 f v", {9: 1, 1: 1}),
    (9, "XADD s 3-2 f v", {9: 1, 2: 1}), (9, "XPENDING s g"), (9, "XACK s g 3-1 3-2 3-3"),
    (9, "XPENDING s g"),
    # Inside MULTI nobody waits.
    (1, "MULTI"), (1, "XREAD BLOCK 0 STREAMS s $"), (1, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >"),
    (1, "EXEC"),
    (5, "HELLO 3"), (5, "XREAD BLOCK 10 STREAMS s $"), (5, "XREAD BLOCK 0 STREAMS s $", BLOCKS),
    (9, "XADD s 4-1 f v", {9: 1, 5: 1}),
]
TIMES = (b"idle", b"inactive", b"seen-time", b"active-time")
NODES = (b"radix-tree-keys", b"radix-tree-nodes")


def fill(client, seed):
    """A few hundred commands of the streams generator, and one stream of some hundred entries."""
    steps = streams.steps(random.Random(seed))
    for _ in range(300):
        step = next(steps)
        args = step.args if isinstance(step, Step) else step
        if "BLOCK" not in args:
            client.raw(*args)
    for i in range(300):
        client.raw("XADD", "s1", "%d-0" % (100 + i), "f", "v%d" % i, "g" if i % 3 else "h",
                   "x" * (i % 200))


def kept(value, without):
    """A reply without the fields of those names."""
    if not isinstance(value, list):
        return value
    out, skip = [], False
    for item in value:
        if skip or item in without:
            skip = not skip
        else:
            out.append(kept(item, without))
    return out


def full(client, key, without=NODES):
    return kept(client.call("XINFO", "STREAM", key, "FULL", "COUNT", "0"), without)


class Differential(ToolCase):
    def redis(self):
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        return redis.start()

    def test_who_waits_is_served_as_by_redis(self):
        for ours, theirs in zip(play(self.server(), STEPS), play(self.redis(), STEPS)):
            self.assertEqual(ours, theirs)

    def test_who_reads_is_counted_as_by_redis(self):
        """Hits and misses after each command; keymiss in the events."""
        commands = [
            "XADD s 1-1 f v", "XADD s 2-1 f v", "XGROUP CREATE s g 0", "XGROUP CREATE none g 0",
            "XREADGROUP GROUP g c COUNT 1 STREAMS s >", "XREADGROUP GROUP g c STREAMS s none > >",
            "XREADGROUP GROUP g c STREAMS none >", "XREADGROUP GROUP nosuch c STREAMS s >",
            "XREADGROUP GROUP g c STREAMS s 0", "XREADGROUP GROUP g c BLOCK 10 STREAMS s >",
            "XREADGROUP GROUP g c STREAMS s $", "XREADGROUP GROUP g c STREAMS string >",
            "XACK s g 1-1", "XACK s g 1-1", "XACK none g 1-1", "XACK s nosuch 1-1",
            "XCLAIM s g d 0 2-1", "XCLAIM none g d 0 2-1", "XCLAIM s nosuch d 0 2-1",
            "XAUTOCLAIM s g e 0 0", "XAUTOCLAIM none g e 0 0", "XAUTOCLAIM s nosuch e 0 0",
            "XPENDING s g", "XPENDING none g", "XREAD STREAMS s none 0 0", "XRANGE none - +",
            "XREAD BLOCK 10 STREAMS s $", "XLEN s", "XDEL s 9-9", "XDEL none 1-1",
            "XTRIM none MAXLEN 1", "XSETID s 9-9", "XINFO STREAM s", "XINFO STREAM none",
            "XGROUP DELCONSUMER s g e", "XGROUP DESTROY none g", "XINFO GROUPS s"]
        servers = (self.server({"notify-keyspace-events": "AKEm"}), self.redis())
        told = []
        for server in servers:
            with server.client() as c, server.client() as ear:
                c.call("CONFIG", "SET", "notify-keyspace-events", "KEm")
                c.call("SET", "string", "x")
                c.call("CONFIG", "RESETSTAT")
                ear.call("PSUBSCRIBE", "__keyevent@0__:*")
                seen = []
                for line in commands:
                    c.raw(*line.split())
                    stats = info(c, "stats")
                    seen.append((line, stats["keyspace_hits"], stats["keyspace_misses"]))
                c.call("PUBLISH", "__keyevent@0__:end", "x")
                events = []
                while not events or b"end" not in events[-1]:
                    events.append(ear.read()[1])
                told.append((seen, events))
        self.assertEqual(told[0][0], told[1][0])
        self.assertEqual(told[0][1], told[1][1])

    def test_values_go_both_ways(self):
        with self.server().client() as ours, self.redis().client() as theirs:
            for seed in range(4):
                for client in (ours, theirs):
                    client.call("FLUSHALL")
                    fill(client, seed)
                for key in streams.KEYS:
                    if theirs.call("TYPE", key) != b"stream":
                        continue
                    for source, target in ((ours, theirs), (theirs, ours), (ours, ours)):
                        payload = source.call("DUMP", key)
                        target.call("RESTORE", "copy", "0", payload, "REPLACE")
                        without = NODES + (b"active-time",)
                        self.assertEqual(full(target, "copy", without),
                                         full(source, key, without))
                        self.assertEqual(target.call("TTL", "copy"), -1)


class Storage(ToolCase):
    def test_tools_restart_and_replica(self):
        primary = self.server({"appendfsync": "no"})
        replica = self.server({"replicaof": "127.0.0.1 %d" % primary.port})
        with primary.client() as c:
            fill(c, 7)
            c.call("XGROUP", "CREATE", "s1", "workers", "0")
            c.call("XREADGROUP", "GROUP", "workers", "w1", "COUNT", "20", "STREAMS", "s1", ">")
            c.call("XREADGROUP", "GROUP", "workers", "w 2", "COUNT", "5", "STREAMS", "s1", ">")
            c.call("XGROUP", "CREATE", "empty", "g", "5-5", "MKSTREAM", "ENTRIESREAD", "3")
            keys = sorted(c.call("KEYS", "*"))
            wanted = {key: full(c, key) for key in keys if c.call("TYPE", key) == b"stream"}
            self.assertGreater(len(wanted), 2)
            with replica.client() as r:
                cluster.until(lambda: {k: full(r, k) for k in wanted} == wanted, "the replica")
        primary.kill()
        primary.start()
        with primary.client() as c:
            self.assertEqual({key: full(c, key) for key in wanted}, wanted)
            c.call("SAVE")
        primary.stop()
        self.slot("check", primary.dir, "--deep")
        shown = self.slot("get", primary.dir, "s1").text
        self.assertIn('399-0 "f" "v299"', shown)
        self.assertIn('["399-0",["f","v299"', self.slot(
            "get", primary.dir, "s1", "--format", "json").text)
        self.assertIn("stream", self.slot("stat", primary.dir, "--by", "type").text)
        # As commands, given to another node: the same but for times.
        target = self.server()
        commands = self.slot("dump", primary.dir, "--format", "resp").out
        with target.client() as t:
            t.send(commands)
            at = 0
            while at < len(commands):
                _, at = parse(commands, at)
                self.assertNotIn(b"-", t.read()[1][:1])
            got = {key: full(t, key, NODES + TIMES) for key in wanted}
        self.assertEqual(got, {key: kept(value, TIMES) for key, value in wanted.items()})
        # Equal digests, until something is acknowledged, or a consumer or group changes.
        self.slot("diff", primary.dir, target.dir)
        seen = set()
        with target.client() as t:
            for change in ((), ("XACK", "s1", "workers", "100-0"),
                           ("XGROUP", "CREATECONSUMER", "s1", "workers", "w3"),
                           ("XGROUP", "SETID", "empty", "g", "5-4"), ("XSETID", "empty", "9-9")):
                if change:
                    t.call(*change)
                seen.add(self.slot("digest", "--content", target.dir, "--total").text)
        self.assertEqual(len(seen), 5)
        self.assertIn("s1", self.slot("diff", primary.dir, target.dir, code=1).text)

    def test_a_consumer_that_waits_is_made_and_lost_with_its_group(self):
        server = self.server()
        peer = Peer(server.port)
        self.addCleanup(peer.close)
        with server.client() as c:
            c.call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
            peer.send("XREADGROUP GROUP g me BLOCK 0 STREAMS s >")
            until_blocked(c, 1)
            about = c.call("XINFO", "CONSUMERS", "s", "g")[0]
            self.assertEqual(about[:4], [b"name", b"me", b"pending", 0])
            self.assertEqual(about[6:], [b"inactive", -1])
            c.call("XACK", "s", "g", "1-1")
            c.call("XGROUP", "CREATECONSUMER", "s", "g", "other")
            self.assertTrue(peer.silent())
            c.call("XGROUP", "DESTROY", "s", "g")
            self.assertEqual(peer.take(1), b"-NOGROUP No such key 's' or consumer group 'g' in "
                                           b"XREADGROUP with GROUP option\r\n")
            c.call("XGROUP", "CREATE", "s", "g", "$")
            peer.send("XREADGROUP GROUP g me BLOCK 0 STREAMS s >")
            until_blocked(c, 1)
            c.call("SET", "s", "x")
            self.assertTrue(peer.take(1).startswith(b"-WRONGTYPE "))

    def test_many_who_read_and_one_who_writes(self):
        server = self.server({"appendfsync": "everysec"})
        peers = [Peer(server.port) for _ in range(50)]
        with server.client() as c:
            for peer in peers:
                self.addCleanup(peer.close)
                peer.send("XREAD BLOCK 0 STREAMS s $")
            until_blocked(c, 50)
            begin = time.monotonic()
            c.call("XADD", "s", "1-1", "f", "v")
            for peer in peers:
                self.assertTrue(peer.take(1).startswith(b"*1\r\n*2\r\n$1\r\ns\r\n"))
            self.assertLess(time.monotonic() - begin, 20)
            until_blocked(c, 0)


if __name__ == "__main__":
    main()
