#!/usr/bin/env python3
"""Client-side caching and MONITOR: the same steps by several clients on cairn-server and
redis-server, replies and messages byte by byte; expiry, replicas, the table's limit, and who does
not read."""
import re
import time

from harness.case import Case, main
from harness.peer import Peer
from harness.servers import Server, info, redis_binary
from harness.shard import wait_equal, wait_linked

ON = "CLIENT TRACKING ON"
# Client and request; after each, whatever messages came to anybody.
STEPS = [
    (1, "HELLO 3"), (2, "HELLO 3"), (9, "CLIENT GETNAME"),
    (1, "CLIENT TRACKINGINFO"), (1, "CLIENT GETREDIR"), (1, "CLIENT CACHING YES"),
    (1, ON), (1, "CLIENT TRACKINGINFO"), (1, "CLIENT GETREDIR"), (1, "GET a"), (9, "SET a 1"),
    (9, "SET a 2"), (1, "GET a"), (1, "SET a 3"), (1, "MGET a b c"), (2, ON), (2, "GET b"),
    (9, "MSET a 1 b 2 d 3"), (1, "HGETALL h"), (9, "HSET h f v"), (1, "TTL h"), (9, "HDEL h f"),
    (1, "EXISTS q"), (9, "SADD q x"), (1, "GET a"), (9, "DEL a"), (1, "GET b"), (9, "RENAME b a"),
    (1, "GET a"), (2, "GET a"), (9, "FLUSHALL"), (1, "GET a"), (1, "FLUSHALL"),
    (1, "GET a"), (1, "MULTI"), (1, "SET a 1"), (1, "GET a"), (1, "SET a 2"), (1, "EXEC"),
    (1, "EVAL return(redis.call('get',KEYS[1])) 1 s"), (9, "SET s 1"),
    (1, "SET r 1"), (1, "GET r"), (9, "EVAL redis.call('set',KEYS[1],2)return(1) 1 r"),
    (9, "EXPIRE r 100"), (1, "GET r"), (9, "EXPIRE r 100"), (9, "PERSIST r"),
    (1, "SCAN 0"), (1, "GET list"), (9, "RPUSH list a b"), (1, "LRANGE list 0 -1"),
    (9, "LPOP list"),
    (1, "CLIENT TRACKING OFF"), (1, "CLIENT TRACKING OFF"), (9, "LPOP list"), (1, "GET a"),
    (9, "SET a 5"),
    # Options that don't go together.
    (1, "CLIENT TRACKING MAYBE"), (1, ON + " PREFIX a"), (1, ON + " BCAST OPTIN"),
    (1, ON + " OPTIN OPTOUT"), (1, ON + " REDIRECT 123456789"), (1, ON + " REDIRECT x"),
    (1, ON + " NOSUCH"), (1, ON + " PREFIX"), (1, ON + " BCAST PREFIX ab PREFIX a"),
    (1, "CLIENT TRACKING OFF BCAST"), (1, "CLIENT TRACKING"),
    # Own writes, and choices.
    (1, ON + " NOLOOP"), (1, "GET a"), (1, "SET a 1"), (1, "GET a"), (9, "SET a 2"),
    (1, "CLIENT TRACKINGINFO"), (1, ON + " BCAST"), (1, "CLIENT TRACKING OFF"),
    (1, ON + " OPTIN"), (1, "GET a"), (9, "SET a 3"), (1, "CLIENT CACHING NO"),
    (1, "CLIENT CACHING MAYBE"), (1, "CLIENT CACHING YES"), (1, "CLIENT TRACKINGINFO"),
    (1, "GET a"), (1, "GET b"), (9, "MSET a 4 b 4"), (1, ON + " OPTOUT"),
    (1, "CLIENT CACHING YES"), (1, "MULTI"), (1, "GET a"), (1, "GET b"), (1, "EXEC"),
    (9, "MSET a 5 b 5"), (1, "CLIENT TRACKING OFF"),
    (1, ON + " OPTOUT"), (1, "CLIENT CACHING YES"), (1, "CLIENT CACHING NO"),
    (1, "CLIENT TRACKINGINFO"), (1, "GET a"), (1, "GET b"), (9, "MSET a 6 b 6"),
    (1, ON + " OPTIN"), (1, "CLIENT CACHING YES"), (1, ON + " OPTIN NOLOOP"),
    (1, "CLIENT TRACKINGINFO"), (1, "GET a"), (9, "SET a 7"), (1, "CLIENT TRACKING OFF"),
    # Prefixes.
    (1, ON + " BCAST PREFIX ab PREFIX c"), (1, "CLIENT TRACKINGINFO"), (9, "SET abc 1"),
    (9, "SET a 1"), (9, "MSET c2 1 abx 1 aby 1 c1 1 c1 2"), (1, "SET c3 1"),
    (1, ON + " BCAST PREFIX abcd"), (1, ON + " BCAST PREFIX d"), (9, "SET d 1"), (1, ON),
    (9, "FLUSHALL"), (1, "CLIENT TRACKING OFF"), (2, "CLIENT TRACKING OFF"),
    (2, ON + " BCAST NOLOOP"), (2, "SET own 1"), (9, "SET other 1"), (2, "MSET x 1 y 2"),
    (9, "SET ex 1"), (2, "MULTI"), (2, "SET m 1"), (2, "EXEC"), (2, "RESET"), (9, "SET z 1"),
    (2, "CLIENT TRACKINGINFO"),
    # To another client: its subscription, its protocol, its end.
    (3, "SUBSCRIBE __redis__:invalidate"), (4, ON + " REDIRECT @3"), (4, "CLIENT GETREDIR"),
    (4, "CLIENT TRACKINGINFO"), (4, ON + " REDIRECT @3 REDIRECT @3"), (4, "GET z"), (9, "SET z 2"),
    (4, "GET z"), (4, "SET z 3"), (4, "GET z"), (9, "FLUSHALL"), (3, "UNSUBSCRIBE"), (4, "GET z"),
    (9, "SET z 3"), (5, "HELLO 3"), (4, ON + " REDIRECT @5"), (4, "GET z"), (9, "SET z 4"),
    (1, ON + " REDIRECT @5"), (1, "GET z"), (5, "GET z"), (9, "SET z 5"), (4, "GET z"),
    (1, "GET z"), (9, "CLIENT KILL ID @5"), (9, "SET z 6"), (1, "CLIENT TRACKINGINFO"),
    (4, "CLIENT TRACKINGINFO"), (1, "GET z"), (9, "SET z 7"), (1, ON), (1, "CLIENT TRACKINGINFO"),
    (1, "GET z"), (9, "SET z 8"),
    (6, ON), (6, "GET z"), (9, "SET z 9"),  # RESP2 to itself: there is no way to tell it
]
WATCHED = [
    (2, "SET a 1"), (2, "GET nokey"), (2, "NOSUCH x"), (2, "GET"), (2, "HSET h a b"),
    (2, "LPUSH h a"), (2, "MULTI"), (2, "SET a 2"), (2, "GET a"), (2, "EXEC"), (2, "EXEC"),
    (2, "CONFIG GET maxclients"), (2, "AUTH secret"), (2, "AUTH user secret"), (2, "AUTH a b c"),
    (2, "HELLO 3 AUTH default secret"), (2, "HELLO 2 SETNAME x"),
    (2, "EVAL return(redis.call('set',KEYS[1],ARGV[1])) 1 k v"),
    (2, "EVAL redis.call('get','x')return(redis.pcall('nosuch')) 0"),
    (2, "EVALSHA 0123456789012345678901234567890123456789 0"), (2, "EVAL x 1"),
    (2, "SCRIPT LOAD return(1)"), (2, "BLPOP none 0.01"), (2, "RPUSH l a"), (2, "BLPOP l 1"),
    (2, "ECHO a\"b\\c\td\x01\xff"), (2, "ECHO ''"), (2, "CLIENT ID"), (2, "COMMAND COUNT"),
    (2, "SUBSCRIBE c"), (2, "UNSUBSCRIBE c"), (2, "PUBLISH c m"), (2, "INFO server"), (2, "DBSIZE"),
    (2, "MONITOR now"), (2, "MULTI"), (2, "MONITOR"), (2, "EXEC"), (2, "DISCARD"),
    (2, "EVAL return(redis.pcall('monitor')) 0"), (1, "GET own"), (1, "PING"),
    (2, "SELECT 0"), (2, "FLUSHALL"), (2, "DEBUG SLEEP 0"), (2, "SLOWLOG GET"), (2, "TIME"),
    (2, "QUIT"), (1, "RESET"), (3, "SET a 1"),
]
UNLIKE = ("HELLO", "CLIENT ID", "COMMAND COUNT", "INFO", "TIME", "SLOWLOG", "SCAN", "NOSUCH",
          "EVAL redis.call('get','x')", "DEBUG", "CLIENT GETREDIR", "CLIENT KILL")


def is_message(data):
    return data.startswith((b">", b"*3\r\n$7\r\nmessage\r\n", b"+1", b"+2"))


class Table:
    """Clients by number; what each got by step."""

    def __init__(self, port, watcher=None):
        self.port, self.watcher = port, watcher
        self.peers, self.ids = {}, {}

    def peer(self, who):
        if who not in self.peers:
            self.peers[who] = Peer(self.port)
            if who != self.watcher:
                self.ids[who] = self.peers[who].ask("CLIENT ID").strip()[1:].decode()
        return self.peers[who]

    def until_reply(self, who, seen):
        """Messages go into seen; returns the reply."""
        while True:
            data = self.peers[who].take(1)
            if not is_message(data):
                return data
            seen.append(data)

    def step(self, who, line):
        """The reply, and what everybody was told."""
        peer = self.peer(who)
        peer.send(re.sub("@(\\d)", lambda m: self.ids[int(m.group(1))], line))
        told = {who: []}
        reply = self.until_reply(who, told[who])
        for other in list(self.peers):
            seen = told.setdefault(other, [])
            try:
                self.peers[other].send("PING" if other == 3 else "CLIENT GETNAME")
                self.until_reply(other, seen)
            except ConnectionError:
                self.peers.pop(other).close()
        if line.startswith(UNLIKE):
            reply = b""
        told = {n: b"".join(seen) for n, seen in told.items() if seen}
        for number, client in self.ids.items():
            told = {n: seen.replace(b":" + client.encode() + b"\r\n", b":#%d\r\n" % number)
                    for n, seen in told.items()}
            if "TRACKINGINFO" in line:
                reply = reply.replace(b":" + client.encode() + b"\r\n", b":#%d\r\n" % number)
        return reply, told

    def close(self):
        for peer in self.peers.values():
            peer.close()


class Both(Case):
    def redis(self, options=None):
        redis = Server(redis_binary(), "redis", dict({"save": ""}, **(options or {})))
        self.addCleanup(self._finish, redis)
        return redis.start()

    def table(self, server, watcher=None):
        table = Table(server.port, watcher)
        self.addCleanup(table.close)
        return table


class Tracking(Both):
    def test_every_step_as_by_redis(self):
        ours, theirs = self.table(self.server()), self.table(self.redis())
        told = 0
        for step in STEPS:
            mine, redis = ours.step(*step), theirs.step(*step)
            self.assertEqual(mine, redis, step)
            told += len(mine[1])
        self.assertGreater(told, 30)

    def test_expiry_and_counts(self):
        server = self.server({"tracking-table-max-keys": "5"})
        table = self.table(server)
        table.step(1, "HELLO 3")
        table.step(1, ON)
        with server.client() as c:
            c.call("SET", "soon", "v", "PX", "1000")
            table.step(1, "GET soon")
            stats = info(c, "stats")
            self.assertEqual((stats["tracking_total_keys"], stats["tracking_total_items"]),
                             ("1", "1"))
            self.assertEqual(info(c, "clients")["tracking_clients"], "1")
            self.assertIn(b"$4\r\nsoon\r\n", table.peers[1].take(1))
            for i in range(20):
                table.step(1, "GET k%d" % i)
            stats = info(c, "stats")
            self.assertEqual(stats["tracking_total_keys"], "5")
            table.step(1, "CLIENT TRACKING OFF")
            table.step(1, ON + " BCAST PREFIX a PREFIX b")
            stats = info(c, "stats")
            self.assertEqual((stats["tracking_total_keys"], stats["tracking_total_items"],
                              stats["tracking_total_prefixes"]), ("0", "0", "2"))
            self.assertIn("redir=0 ", c.call("CLIENT", "LIST", "ID", table.ids[1]).decode())
            self.assertIn("flags=tB ", c.call("CLIENT", "LIST", "ID", table.ids[1]).decode())

    def test_a_replica_tells_what_its_primary_changes(self):
        primary = self.server()
        replica = self.server({"replicaof": "127.0.0.1 %d" % primary.port})
        wait_linked(replica)
        table = self.table(replica)
        table.step(1, "HELLO 3")
        table.step(1, ON)
        with primary.client() as c, replica.client() as r:
            for change in (("SET", "k", "1"), ("APPEND", "k", "2"), ("DEL", "k"),
                           ("HSET", "h", *[w for i in range(500) for w in ("f%d" % i, "v" * 9)]),
                           ("HSET", "h", "f7", "w"), ("FLUSHALL",)):
                key = change[1] if len(change) > 1 else "h"
                table.step(1, ("HGET h f7" if key == "h" else "GET k"))
                c.call(*change)
                message = table.peers[1].take(1)
                self.assertIn(message, (b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n%s\r\n"
                                        % key.encode(), b">2\r\n$10\r\ninvalidate\r\n_\r\n"))
                self.assertEqual(r.call("DBSIZE"), c.call("DBSIZE"))
                wait_equal(primary, replica)
                time.sleep(0.05)
                while not table.peers[1].silent():
                    table.peers[1].take(1)

    def test_the_new_value_is_read(self):
        """Who is told reads again at once, with every appendfsync, and gets no older value."""
        for fsync in ("always", "everysec"):
            server = self.server({"appendfsync": fsync})
            table = self.table(server)
            table.step(1, "HELLO 3")
            table.step(1, ON)
            with server.client() as c:
                for i in range(200):
                    c.call("SET", "k", i)
                    self.assertEqual(table.step(1, "GET k")[0].split(b"\r\n")[1], b"%d" % i)
                    writer = Peer(server.port)
                    writer.send("SET k next%d" % i)  # its reply is not awaited
                    self.assertTrue(table.peers[1].take(1).startswith(b">2"))
                    table.peers[1].send("GET k")
                    self.assertIn(b"next%d" % i, table.peers[1].take(1))
                    writer.take(1)
                    writer.close()


class Monitor(Both):
    def shown(self, server):
        table = self.table(server, watcher=1)
        self.assertEqual(table.peer(1).ask("MONITOR"), b"+OK\r\n")
        seen = []
        for who, line in WATCHED:
            if who not in table.peers:
                table.peer(who)
            if line == "QUIT" or (who, line) == (1, "RESET"):
                table.peers[who].send(line)
                time.sleep(0.05)
                continue
            reply, told = table.step(who, line)
            lines = re.sub(rb"\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\]", b"+TIME [0 ADDR]",
                           told.get(1, b""))
            lines = re.sub(rb"\+\d+\.\d{6} \[0 lua\]", b"+TIME [0 lua]", lines)
            seen.append((line, reply, [shown for shown in lines.split(b"\r\n")
                                       if b'"client" "getname"' not in shown.lower() and
                                       b'"client" "id"' not in shown.lower()]))
        return seen

    def test_every_step_as_by_redis(self):
        for ours, theirs in zip(self.shown(self.server({"enable-debug-command": "local"})),
                                self.shown(self.redis({"enable-debug-command": "local"}))):
            self.assertEqual(ours, theirs)

    def test_who_does_not_read_is_let_go(self):
        server = self.server({"client-output-buffer-limit": "pubsub 1mb 1mb 60"})
        watcher = Peer(server.port)
        self.addCleanup(watcher.close)
        watcher.ask("MONITOR")
        with server.client() as c:
            self.assertIn(b"flags=O ", c.call("CLIENT", "LIST"))
            for _ in range(300):
                c.call("ECHO", "x" * 100000)
            self.assertEqual(c.call("CLIENT", "LIST").count(b"\n"), 1)
            self.assertEqual(info(c, "stats")["client_output_buffer_limit_disconnections"], "1")


if __name__ == "__main__":
    main()
