#!/usr/bin/env python3
"""Keyspace events: after every command, generated or told here, the same ones in the same order as
from redis-server; expiry; clients that wait; what the directive reads back as."""
import random
import time

from generators import (bitmaps, dumps, hashes, keys, lists, scripts, sets, streams, strings,
                        transactions, zsets)
from harness.blocked import until_blocked
from harness.case import Case, main
from harness.peer import Peer
from harness.servers import Server, redis_binary
from harness.steps import Step, text

GROUPS = {"bitmaps": bitmaps, "dumps": dumps, "hashes": hashes, "keys": keys, "lists": lists,
          "scripts": scripts, "sets": sets, "streams": streams, "strings": strings,
          "transactions": transactions, "zsets": zsets}
STEPS = 150
# What they take is random, what they change belongs to the node, or they wait.
SKIPPED = {"SPOP", "CONFIG", "DEBUG", "CLIENT", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "QUIT",
           "SHUTDOWN", "WAIT", "WAITAOF", "RESET", "HELLO", "RANDOMKEY", "SWAPDB", "SELECT",
           "MOVE", "MONITOR", "SLOWLOG", "LATENCY", "FUNCTION", "FLUSHALL", "BGSAVE", "SAVE"}
OPTIONS = {"enable-debug-command": "local", "notify-keyspace-events": "AKEmn",
           "set-max-listpack-entries": "0"}
REDIS_OPTIONS = {"save": "", "enable-debug-command": "local", "notify-keyspace-events": "AKEmn"}

TOLD = [
    "SET a 1", "SET a 2 EX 100", "SET a 2 KEEPTTL", "SET a 3 NX", "SET b 1 XX", "SETEX a 10 v",
    "GETSET a v", "GETDEL a", "SET a 1 EXAT 1 ; GET a", "MSET a 1 b 2 a 3", "MSETNX a 1 c 1",
    "MSETNX c 1 d 2", "GETEX a", "GETEX a EX 10", "GETEX a PERSIST", "GETEX a PERSIST",
    "GETEX a EXAT 1", "GETEX a", "INCR n", "DECRBY n 3", "INCRBYFLOAT n 1.5", "APPEND n x",
    "SETRANGE n 5 yy", "SETRANGE n 0 ''", "BITOP AND t n n", "BITOP AND t none", "BITOP AND t none",
    "SETBIT bits 3 1", "SETBIT bits 3 1", "BITFIELD bits SET u8 0 9 GET u8 0",
    "BITFIELD bits SET u8 0 9", "BITFIELD bits GET u8 0",
    "HSET h f v", "HSET h f v", "HSETNX h f v", "HINCRBY h n 2", "HINCRBYFLOAT h n 0.5",
    "HDEL h f x", "HDEL h x", "HDEL h n", "HGET h f",
    "RPUSH l a b c", "LPUSHX l z", "LPUSHX nolist z", "LINSERT l BEFORE b x", "LSET l 0 q",
    "LREM l 0 x", "LREM l 0 x", "LTRIM l 0 -1", "LMOVE l m LEFT RIGHT", "RPOPLPUSH l l",
    "LPOP l", "LPOP l 0", "LMPOP 1 l LEFT COUNT 9", "RPOP m", "RPOP m", "LTRIM m 0 1",
    "RPUSH l a b", "LTRIM l 5 6", "BLPOP none 0.01", "RPUSH l a", "BRPOP l 1",
    "SADD s a b c", "SADD s a", "SREM s a x", "SREM s x", "SMOVE s s2 b", "SMOVE s s2 nosuch",
    "SMOVE s s2 c", "SPOP s2 1", "SPOP s2", "SPOP s2", "SADD s a b", "SADD t b c",
    "SINTERSTORE u s t", "SINTERSTORE u s t", "SUNIONSTORE u s t", "SDIFFSTORE u s s",
    "SDIFFSTORE u s s", "SPOP s 9",
    "ZADD z 1 a 2 b 3 c", "ZADD z 1 a", "ZADD z XX 5 nosuch", "ZADD z INCR 1 a", "ZINCRBY z 0 a",
    "ZINCRBY z 2 a", "ZREM z a x", "ZREM z x", "ZPOPMIN z", "ZPOPMAX z 0", "ZPOPMAX z", "ZPOPMAX z",
    "ZADD z 1 a 2 b 3 c", "ZUNIONSTORE y 1 z", "ZINTERSTORE y 2 z z", "ZDIFFSTORE y 2 z z",
    "ZRANGESTORE y z 0 1", "ZRANGESTORE y z 5 6", "ZREMRANGEBYRANK z 0 0",
    "ZREMRANGEBYSCORE z 9 9", "ZREMRANGEBYSCORE z 2 2", "ZREMRANGEBYLEX z - +", "BZPOPMIN z 0.01",
    "ZADD z 1 a", "BZPOPMAX z 1", "ZADD z 1 a", "ZMPOP 1 z MIN",
    "XADD x 1-1 f v", "XADD x MAXLEN 1 2-1 f v", "XTRIM x MAXLEN 1", "XDEL x 9-9", "XDEL x 2-1",
    "XSETID x 5-5", "XGROUP CREATE x g $", "XGROUP CREATE y g $ MKSTREAM", "XGROUP SETID x g 0",
    "XGROUP CREATECONSUMER x g c", "XGROUP CREATECONSUMER x g c", "XADD x 6-1 f v",
    "XREADGROUP GROUP g d STREAMS x >", "XCLAIM x g h 0 6-1", "XAUTOCLAIM x g i 0 0",
    "XACK x g 6-1", "XGROUP DELCONSUMER x g c",
    "XGROUP DELCONSUMER x g c", "XGROUP DESTROY x g", "XGROUP DESTROY x g", "XREAD STREAMS none 0",
    "GEOADD g 1 2 a 3 4 b", "GEOADD g 1 2 a", "GEOSEARCHSTORE h g FROMMEMBER a BYRADIUS 9999 km",
    "GEORADIUSBYMEMBER g a 1 km STORE h", "GEOSEARCHSTORE h g FROMLONLAT 90 9 BYRADIUS 1 m",
    "PFADD p a b", "PFADD p a", "PFMERGE q p", "PFCOUNT q",
    "SET a 1", "RENAME a b", "RENAME b b", "SET c 1", "RENAME b c", "RENAMENX c d", "COPY d e",
    "COPY d e REPLACE", "COPY none e", "DEL d e none", "UNLINK x y", "EXPIRE a 10", "SET a 1",
    "EXPIRE a 10", "EXPIRE a 10 NX", "PEXPIREAT a 1", "SET a 1", "PERSIST a", "EXPIRE a 10",
    "PERSIST a", "TTL none", "TYPE none", "EXISTS none a none", "OBJECT ENCODING none",
    "TOUCH none", "STRLEN none", "DUMP none", "MGET a none",
    "MULTI", "SET a 1", "LPUSH a x", "RPUSH l x", "LPOP l", "DEL a", "EXEC",
    "EVAL redis.call('set',KEYS[1],1)redis.pcall('lpush',KEYS[1],1)"
    "return(redis.call('del',KEYS[1])) 1 a",
    "FLUSHALL", "RPUSH l 3 1 2", "SORT l STORE m", "SORT none STORE m", "SORT none STORE m",
    "SET a 1", "HSET a f v",
]
# Not A and n together: redis-server 7.0 forgets n there.
WAYS = ["KEA", "Kx", "AKEm", "xeKg$n", "E", "g", "", "KEg$lshzxetd", "Kmn", "Kt$A"]


class Ears:
    """What one subscriber to all events hears, up to a mark."""

    def __init__(self, port):
        self.peer = Peer(port)
        self.peer.send("PSUBSCRIBE __key*__:* mark")
        self.peer.take(2)

    def heard(self, client):
        client.call("PUBLISH", "mark", "")
        events = []
        while True:
            message = self.peer.take(1)
            if message.startswith(b"*4\r\n$8\r\npmessage\r\n$4\r\nmark\r\n"):
                return events
            events.append(message)


class Events(Case):
    def both(self):
        """Both servers, each with what it hears."""
        redis = Server(redis_binary(), "redis", REDIS_OPTIONS)
        self.addCleanup(self._finish, redis)
        servers = [self.server(OPTIONS), redis.start()]
        ears = [Ears(server.port) for server in servers]
        for ear in ears:
            self.addCleanup(ear.peer.close)
        return servers, ears

    def clients(self, servers, conns=1):
        found = [[s.client() for _ in range(conns)] for s in servers]
        for side in found:
            for client in side:
                self.addCleanup(client.close)
        return found

    def test_what_is_told(self):
        servers, ears = self.both()
        (ours, our_mark), (theirs, their_mark) = self.clients(servers, 2)
        for line in TOLD:
            for part in line.split(" ; "):
                words = [b"" if w == "''" else w for w in part.split()]
                ours.raw(*words)
                theirs.raw(*words)
            self.assertEqual(ears[0].heard(our_mark), ears[1].heard(their_mark), line)

    def test_generated(self):
        servers, ears = self.both()
        compared = 0
        for name, group in GROUPS.items():
            with self.subTest(group=name):
                compared += self.play(servers, ears, name, group)
        self.assertGreater(compared, 600)

    def play(self, servers, ears, name, group):
        """One generator's steps on empty servers; returns how many events there were."""
        ours, theirs = self.clients(servers, 4)
        steps = group.steps(random.Random("events " + name))
        count = 0
        for side in (ours, theirs):
            side[0].call("FLUSHALL")
        for _ in range(STEPS):
            step = next(steps)
            step = step if isinstance(step, Step) else Step(step)
            words = [text(w).upper() for w in step.args] if isinstance(step.args, list) else []
            if step.kind != "call" or not words or words[0] in SKIPPED or "BLOCK" in words or \
                    words[0].startswith("B") and words[-1] != "0.01" and words[0] not in (
                        "BITOP", "BITFIELD", "BITCOUNT", "BITPOS"):
                continue
            conn = min(step.conn, 3)
            ours[conn].raw(*step.args)
            error = b"\r\n-" in b"\r\n" + theirs[conn].raw(*step.args)
            mine, redis = ears[0].heard(ours[3]), ears[1].heard(theirs[3])
            if words[0] in ("XREADGROUP", "XCLAIM", "XAUTOCLAIM"):
                # 7.2 makes a consumer also when there is nothing for it.
                mine, redis = ([m for m in side if b"xgroup-createconsumer" not in m]
                               for side in (mine, redis))
            if words[0] in ("XREADGROUP", "XCLAIM", "XAUTOCLAIM", "XACK", "BITPOS", "BITCOUNT") or \
                    error:
                # Redis takes the lookups of these for reads; and what makes no sense may be noticed
                # before the key is looked at, or after.
                mine, redis = ([m for m in side if b"keymiss" not in m] for side in (mine, redis))
            self.assertEqual(mine, redis, "%s: %r" % (name, step))
            count += len(mine)
        return count

    def test_expiry(self):
        servers, ears = self.both()
        (ours,), (theirs,) = self.clients(servers)
        for client in (ours, theirs):
            client.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        for line in ("GET k", "SET k v", "LPUSH k v", "INCR k", "DEL k", "RENAME k q", "COPY k q",
                     "EXPIRE k 10", "RPUSHX k v", "SETNX k v", "TTL k", "MGET k k k"):
            for client in (ours, theirs):
                client.call("FLUSHALL")
                client.call("SET", "k", "old", "PX", "1")
            time.sleep(0.01)
            ears[0].heard(ours)
            ears[1].heard(theirs)
            ours.raw(*line.split())
            theirs.raw(*line.split())
            self.assertEqual(ears[0].heard(ours), ears[1].heard(theirs), line)
        for client, ear in ((ours, ears[0]), (theirs, ears[1])):
            client.call("FLUSHALL")
            client.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
            client.call("SET", "gone", "v", "PX", "20")
            ear.peer.take(6)  # new, set and expire, to key and event
            self.assertEqual(ear.peer.take(2).count(b"expired"), 2)
            self.assertEqual(ear.heard(client), [])

    def test_who_waits(self):
        servers, ears = self.both()
        got = []
        for server, ear in zip(servers, ears):
            with server.client() as client:
                waiting = [Peer(server.port) for _ in range(3)]
                for n, (peer, line) in enumerate(zip(waiting, (
                        "BLPOP l 0", "BLMOVE src dst LEFT RIGHT 0", "BZPOPMIN z 0"))):
                    peer.send(line)
                    until_blocked(client, n + 1)
                heard = [ear.heard(client)]
                for line in ("RPUSH l a", "RPUSH src a b", "ZADD z 1 a"):
                    client.raw(*line.split())
                    heard.append(sorted(ear.heard(client)))
                for peer in waiting:
                    peer.take(1)
                    peer.close()
                got.append(heard)
        self.assertEqual(got[0], got[1])

    def test_off_and_back(self):
        servers, ears = self.both()
        (ours,), (theirs,) = self.clients(servers)
        for way in WAYS:
            for client in (ours, theirs):
                client.call("CONFIG", "SET", "notify-keyspace-events", way)
            self.assertEqual(ours.call("CONFIG", "GET", "notify-keyspace-events"),
                             theirs.call("CONFIG", "GET", "notify-keyspace-events"), way)
            for line in ("SET k 1", "DEL k", "GET k", "LPUSH k 1"):
                ours.raw(*line.split())
                theirs.raw(*line.split())
            ours.call("DEL", "k")
            theirs.call("DEL", "k")
            self.assertEqual(ears[0].heard(ours), ears[1].heard(theirs), way)
        self.assertIn("Invalid event class character",
                      self.error(ours, "CONFIG", "SET", "notify-keyspace-events", "KE?"))


if __name__ == "__main__":
    main()
