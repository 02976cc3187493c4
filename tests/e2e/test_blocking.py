#!/usr/bin/env python3
"""Commands that wait for keys: the same steps by several clients on cairn-server and redis-server,
byte by byte; order among many clients; what ends a wait; what a blocked client costs."""
import threading
import time

from harness import cluster
from harness.blocked import BLOCKS, blocked_count, play, until_blocked
from harness.case import Case, main
from harness.peer import Peer
from harness.resp import encode
from harness.servers import Server, info, redis_binary

# Client, request, and how many replies come: {client: count}, the client's own one when not said;
# BLOCKS: the client waits.
STEPS = [
    # Nothing to wait for.
    (9, "RPUSH l a b c d e f g h"), (1, "BLPOP l 0"), (1, "BRPOP l 0"), (1, "BLPOP no l 0"),
    (1, "BLMPOP 0 1 l LEFT"), (1, "BLMPOP 0 2 no l RIGHT COUNT 2"), (1, "BLMOVE l m LEFT RIGHT 0"),
    (1, "BRPOPLPUSH l m 0"), (1, "LRANGE m 0 -1"), (1, "EXISTS l"), (9, "DEL m"),
    # Timeouts.
    (1, "BLPOP no 0.01"), (1, "BRPOP no no2 0.001"), (1, "BLMPOP 0.01 2 no no2 LEFT"),
    (1, "BLMOVE no m LEFT LEFT 0.01"), (1, "BRPOPLPUSH no m 0.01"),
    # Errors.
    (9, "SET s 1"), (1, "BLPOP s 0"), (1, "BLPOP no s 0"), (1, "BLMOVE s m LEFT LEFT 0"),
    (1, "BLPOP no x"), (1, "BLPOP no -1"), (1, "BLPOP no ''"), (1, "BLPOP no"), (1, "BLPOP no 1x"),
    (1, "BLMPOP x 0 no LEFT"), (1, "BLMPOP x 1 no LEF"), (1, "BLMPOP x 1 no LEFT"),
    (1, "BLMPOP 0.01 1 no LEFT COUNT 0"), (1, "BLMPOP 0.01 2 no LEFT"), (1, "BLMPOP 1 1 no"),
    (1, "BLMPOP 1 1 no LEFT COUNT"), (1, "BLMPOP 1 1 no LEFT COUNT 1 COUNT 1"),
    (1, "BLMOVE no m LEF RIGHT x"), (1, "BLMOVE no m LEFT RIGHT x"), (1, "BLMOVE no m LEFT RIGHT"),
    (1, "BRPOPLPUSH no m -1"), (1, "BRPOPLPUSH no m"), (1, "BLMPOP -1 1 no LEFT"),
    # Inside MULTI nobody waits.
    (1, "MULTI"), (1, "BLPOP no 0"), (1, "BLMOVE no m LEFT LEFT 0"), (1, "BRPOPLPUSH no m 0"),
    (1, "BLMPOP 0 1 no LEFT"), (1, "EXEC"),
    # Who came first is served first; the rest goes on waiting.
    (1, "BLPOP q 0", BLOCKS), (2, "BRPOP q 0", BLOCKS), (3, "BLMPOP 0 1 q LEFT COUNT 5", BLOCKS),
    (9, "RPUSH q 1", {9: 1, 1: 1}), (9, "RPUSH q 1 2 3 4", {9: 1, 2: 1, 3: 1}), (9, "EXISTS q"),
    # The same key twice, several keys.
    (1, "BLPOP q q r q 0", BLOCKS), (2, "BLPOP q 0", BLOCKS),
    (9, "RPUSH q 1 2", {9: 1, 1: 1, 2: 1}),
    (1, "BLPOP q r 0", BLOCKS), (9, "RPUSH r 1", {9: 1, 1: 1}), (9, "RPUSH q 1"), (9, "DEL q"),
    # A key of another type wakes nobody, until it is a list.
    (1, "BLPOP q 0", BLOCKS), (9, "SET q x"), (9, "APPEND q y"), (9, "DEL q"),
    (9, "HSET q f v"), (9, "DEL q"), (9, "LPUSH q v", {9: 1, 1: 1}),
    # A move's destination of another type.
    (1, "BLMOVE q s LEFT LEFT 0", BLOCKS), (9, "LPUSH q v", {9: 1, 1: 1}), (9, "LRANGE q 0 -1"),
    (9, "DEL q"),
    # Moves in a chain.
    (1, "BLMOVE a b LEFT RIGHT 0", BLOCKS), (2, "BLMOVE b c LEFT RIGHT 0", BLOCKS),
    (3, "BRPOPLPUSH c d 0", BLOCKS), (4, "BLPOP d 0", BLOCKS),
    (9, "LPUSH a v", {9: 1, 1: 1, 2: 1, 3: 1, 4: 1}), (9, "EXISTS a b c d"),
    (1, "BLMOVE a a LEFT RIGHT 0", BLOCKS), (2, "BLPOP a 0", BLOCKS),
    (9, "RPUSH a 1 2", {9: 1, 1: 1, 2: 1}), (9, "LRANGE a 0 -1"), (9, "DEL a"),
    # What else brings a list.
    (9, "RPUSH src 1 2"), (1, "BLPOP q 0", BLOCKS), (9, "RENAME src q", {9: 1, 1: 1}),
    (1, "BLPOP w 0", BLOCKS), (9, "COPY q w", {9: 1, 1: 1}), (1, "BLPOP w 0", BLOCKS),
    (9, "LMOVE q w LEFT LEFT", {9: 1, 1: 1}),
    # A transaction is seen when it is over.
    (1, "BLPOP q 0", BLOCKS), (9, "MULTI"), (9, "LPUSH q 1"), (9, "DEL q"), (9, "EXEC"),
    (9, "MULTI"), (9, "LPUSH q 1"), (9, "LPUSH q 2"), (9, "LPUSH q 3"), (9, "EXEC", {9: 1, 1: 1}),
    (9, "LRANGE q 0 -1"), (9, "DEL q"),
    (1, "BLPOP q 0", BLOCKS), (2, "BLPOP r 0", BLOCKS), (9, "MULTI"), (9, "LPUSH r 1"),
    (9, "LPUSH q 1"), (9, "SET q x"), (9, "EXEC", {9: 1, 2: 1}), (9, "DEL q"),
    (9, "LPUSH q 1", {9: 1, 1: 1}),
    # Watched keys that a served client changes.
    (1, "BLPOP q 0", BLOCKS), (2, "WATCH q"), (2, "MULTI"), (2, "PING"),
    (9, "LPUSH q 1", {9: 1, 1: 1}), (2, "EXEC"),
    # Sorted sets: the same, off either end.
    (9, "ZADD z 1 a 2 b 3 c 4 d"), (1, "BZPOPMIN z 0"), (1, "BZPOPMAX no z 0"),
    (1, "BZMPOP 0 2 no z MIN COUNT 5"), (1, "EXISTS z"), (1, "BZPOPMIN no 0.01"),
    (1, "BZMPOP 0.01 1 no MAX"), (1, "BZPOPMAX s 0"), (1, "BZMPOP x 1 no MIN"),
    (1, "BZPOPMIN no x"), (1, "BZMPOP 1 1 no MID"), (1, "BZMPOP 1 0 no MIN"),
    (1, "MULTI"), (1, "BZPOPMIN no 0"), (1, "BZMPOP 0 1 no MIN"), (1, "EXEC"),
    (1, "BZPOPMIN z 0", BLOCKS), (2, "BZPOPMAX y z 0", BLOCKS),
    (3, "BZMPOP 0 1 z MAX COUNT 5", BLOCKS), (9, "ZADD z 1 a", {9: 1, 1: 1}),
    (9, "ZADD z 1 a 2 b 3 c 4 d", {9: 1, 2: 1, 3: 1}), (9, "EXISTS z"),
    (1, "BZPOPMIN z 0", BLOCKS), (2, "BLPOP z 0", BLOCKS), (9, "RPUSH z x", {9: 1, 2: 1}),
    (9, "ZINCRBY z 1.5 m", {9: 1, 1: 1}),
    (9, "ZADD src 1 a"), (1, "BZPOPMIN z 0", BLOCKS), (9, "RENAME src z", {9: 1, 1: 1}),
    (9, "ZADD src 1 a 2 b"), (1, "BZPOPMAX z 0", BLOCKS),
    (9, "ZUNIONSTORE z 1 src", {9: 1, 1: 1}), (9, "ZRANGE z 0 -1"), (9, "DEL z src"),
    (5, "HELLO 3"), (5, "BZPOPMIN z 0.01"), (5, "BZPOPMIN z 0", BLOCKS),
    (9, "ZADD z 1.5 a", {9: 1, 5: 1}), (5, "BZMPOP 0 1 z MIN", BLOCKS),
    (9, "ZADD z 1.5 a", {9: 1, 5: 1}), (5, "HELLO 2"),
    # RESP3, and a client that wants no replies.
    (5, "HELLO 3"), (5, "BLPOP no 0.01"), (5, "BLMPOP 0.01 1 no LEFT"), (5, "BLPOP q 0", BLOCKS),
    (9, "LPUSH q 1", {9: 1, 5: 1}), (5, "BLMOVE no m LEFT LEFT 0.01"),
    (6, "CLIENT REPLY OFF", {}), (6, "BLPOP q 0", BLOCKS), (9, "LPUSH q 1", {9: 1}),
    (6, "CLIENT REPLY ON"), (9, "EXISTS q"),
    (1, "CLIENT UNBLOCK 99999"), (1, "CLIENT UNBLOCK x"), (1, "CLIENT UNBLOCK 1 FOO"),
]

class Differential(Case):
    def test_every_step_is_answered_as_by_redis(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        redis.start()
        for ours, theirs in zip(play(cairn, STEPS), play(redis, STEPS)):
            self.assertEqual(ours, theirs)


class Blocking(Case):
    def peers(self, server, count):
        peers = [Peer(server.port) for _ in range(count)]
        for peer in peers:
            self.addCleanup(peer.close)
        return peers

    def block(self, watcher, peer, text):
        before = blocked_count(watcher)
        peer.send(text)
        until_blocked(watcher, before + 1)

    def test_many_clients_are_served_in_the_order_they_came(self):
        server = self.server()
        peers = self.peers(server, 200)
        with server.client() as c:
            for i, peer in enumerate(peers):
                self.block(c, peer, "BLPOP k%d q 0" % i)
            self.assertEqual(info(c, "clients")["total_blocking_keys"], "201")
            for i in range(0, 200, 4):
                self.assertEqual(c.call("RPUSH", "q", *[str(n) for n in range(i, i + 4)]), 4)
            for i, peer in enumerate(peers):
                self.assertEqual(peer.take(1), encode(["q", str(i)]))
            self.assertEqual(c.call("EXISTS", "q"), 0)
            self.assertEqual(blocked_count(c), 0)
            self.assertEqual(info(c, "clients")["total_blocking_keys"], "0")

    def test_every_element_goes_to_one_client(self):
        server = self.server({"appendfsync": "everysec"})
        taken, lock = [], threading.Lock()

        def consume():
            with server.client() as c:
                while True:
                    key, value = c.call("BLPOP", "a", "b", "0")
                    if value == b"end":
                        return
                    with lock:
                        taken.append(value)

        threads = [threading.Thread(target=consume) for _ in range(20)]
        for t in threads:
            t.start()
        with server.client() as c:
            for i in range(2000):
                c.call("RPUSH", "a" if i % 2 else "b", str(i))
            for _ in threads:
                c.call("RPUSH", "a", "end")
            for t in threads:
                t.join(60)
            self.assertEqual(c.call("EXISTS", "a", "b"), 0)
        self.assertEqual(sorted(map(int, taken)), list(range(2000)))

    def test_a_pipeline_behind_a_wait(self):
        server = self.server()
        one, two = self.peers(server, 2)
        with server.client() as c:
            one.sock.sendall(encode(["BLPOP", "q", "0"]) + encode(["LLEN", "q"]) +
                             encode(["BLPOP", "q", "0"]) + encode(["PING"]))
            until_blocked(c, 1)
            self.assertTrue(one.silent())
            # Served between two requests of one pipeline.
            two.sock.sendall(encode(["RPUSH", "q", "a"]) + encode(["LLEN", "q"]))
            self.assertEqual(two.take(2), b":1\r\n:0\r\n")
            self.assertEqual(one.take(2), encode(["q", "a"]) + b":0\r\n")
            until_blocked(c, 1)
            c.call("RPUSH", "q", "b")
            self.assertEqual(one.take(2), encode(["q", "b"]) + b"+PONG\r\n")
            # What it sends while it waits, a lot, in pieces.
            self.block(c, one, "BLPOP q 0")
            for i in range(200):
                one.sock.sendall(encode(["ECHO", "%d" % i + "x" * 5000]))
            c.call("RPUSH", "q", "c")
            self.assertEqual(one.take(1), encode(["q", "c"]))
            got = one.take(200)
            self.assertTrue(got.endswith(b"199" + b"x" * 5000 + b"\r\n"))

    def test_the_query_buffer_of_a_blocked_client_is_bounded(self):
        server = self.server({"client-query-buffer-limit": "1mb"})
        one, = self.peers(server, 1)
        with server.client() as c:
            self.block(c, one, "BLPOP q 0")
            with self.assertRaises(OSError):
                for _ in range(400):
                    one.sock.sendall(encode(["ECHO", "x" * 100000]))
            until_blocked(c, 0)
            c.call("RPUSH", "q", "kept")
            self.assertEqual(c.call("LLEN", "q"), 1)

    def test_unblock(self):
        server = self.server()
        one, two = self.peers(server, 2)
        with server.client() as c:
            ids = [int(p.ask("CLIENT ID")[1:]) for p in (one, two)]
            self.assertEqual(c.call("CLIENT", "UNBLOCK", str(ids[0])), 0)
            error = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
            for words, reply in ((["TIMEOUT"], b"*-1\r\n"), ([], b"*-1\r\n"), (["ERROR"], error)):
                self.block(c, one, "BLPOP q 0")
                self.block(c, two, "BLPOP q 0")
                listed = c.call("CLIENT", "LIST", "ID", str(ids[0])).decode()
                self.assertIn(" flags=b ", listed)
                self.assertIn(" cmd=blpop ", listed)
                self.assertEqual(c.call("CLIENT", "UNBLOCK", str(ids[0]), *words), 1)
                self.assertEqual(c.call("CLIENT", "UNBLOCK", str(ids[0])), 0)
                c.call("RPUSH", "q", "v")
                self.assertEqual(one.take(1), reply)
                self.assertEqual(two.take(1), encode(["q", "v"]))
                self.assertEqual(one.ask("PING"), b"+PONG\r\n")
            # WAIT is a wait too.
            one.ask("SET k v")
            self.block(c, one, "WAIT 1 0")
            self.assertEqual(c.call("CLIENT", "UNBLOCK", str(ids[0])), 1)
            self.assertEqual(one.take(1), b":0\r\n")
            self.block(c, one, "WAIT 1 0")
            self.assertEqual(c.call("CLIENT", "UNBLOCK", str(ids[0]), "ERROR"), 1)
            self.assertTrue(one.take(1).startswith(b"-UNBLOCKED "))
            stats = info(c, "commandstats")
            self.assertIn("failed_calls=1", stats["cmdstat_blpop"])

    def test_who_leaves_takes_nothing(self):
        server = self.server()
        gone, killed, stays = self.peers(server, 3)
        with server.client() as c:
            for peer in (gone, killed, stays):
                self.block(c, peer, "BLPOP q 0")
            gone.close()
            until_blocked(c, 2)
            # The oldest of those that wait.
            clients = [line for line in c.call("CLIENT", "LIST").decode().split("\n")
                       if " flags=b " in line]
            c.call("CLIENT", "KILL", "ID", clients[0].split()[0][3:])
            until_blocked(c, 1)
            c.call("RPUSH", "q", "v")
            self.assertEqual(stays.take(1), encode(["q", "v"]))

    def test_timeouts_end_in_time(self):
        server = self.server()
        peers = self.peers(server, 50)
        begin = time.monotonic()
        for i, peer in enumerate(peers):
            peer.send("BLPOP q 0.%d" % (1 + i % 3))
        for peer in peers:
            self.assertEqual(peer.take(1), b"*-1\r\n")
        self.assertGreaterEqual(time.monotonic() - begin, 0.29)
        with server.client() as c:
            self.assertEqual(info(c, "clients")["clients_in_timeout_table"], "0")
            # A timer that did not fire does no harm to the next wait.
            one = peers[0]
            self.block(c, one, "BLPOP q 0.3")
            c.call("RPUSH", "q", "v")
            one.take(1)
            self.block(c, one, "BLPOP q 0")
            time.sleep(0.5)
            self.assertEqual(blocked_count(c), 1)
            c.call("RPUSH", "q", "w")
            self.assertEqual(one.take(1), encode(["q", "w"]))

    def test_keys_are_looked_at_in_the_order_of_the_request(self):
        """As in Redis 7.2, which runs the command again."""
        server = self.server()
        one, = self.peers(server, 1)
        with server.client() as c:
            self.block(c, one, "BLPOP a b 0")
            c.call("MULTI")
            c.call("LPUSH", "b", "2")
            c.call("LPUSH", "a", "1")
            c.call("EXEC")
            self.assertEqual(one.take(1), encode(["a", "1"]))

    def test_a_pause_holds_what_would_be_served(self):
        server = self.server()
        one, two = self.peers(server, 2)
        with server.client() as c:
            self.block(c, one, "BLPOP q 0")
            self.block(c, two, "BLPOP q 0.2")
            c.call("CLIENT", "PAUSE", "100000", "WRITE")
            self.assertEqual(two.take(1), b"*-1\r\n")
            c.call("CLIENT", "UNPAUSE")
            c.call("RPUSH", "q", "v")
            self.assertEqual(one.take(1), encode(["q", "v"]))

    def test_restore_brings_a_list(self):
        server = self.server()
        one, = self.peers(server, 1)
        with server.client() as c:
            c.call("RPUSH", "src", "a", "b")
            self.block(c, one, "BRPOP q 0")
            c.call("RESTORE", "q", "0", c.call("DUMP", "src"))
            self.assertEqual(one.take(1), encode(["q", "b"]))

    def test_a_restart_finds_the_pop_done(self):
        server = self.server({"appendfsync": "always"})
        one, = self.peers(server, 1)
        with server.client() as c:
            self.block(c, one, "BLMOVE q done LEFT RIGHT 0")
            c.call("RPUSH", "q", "a", "b")
            self.assertTrue(one.take(1).endswith(b"a\r\n"))
        server.kill()
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("LRANGE", "q", "0", "-1"), [b"b"])
            self.assertEqual(c.call("LRANGE", "done", "0", "-1"), [b"a"])

    def test_a_new_replica_lets_its_clients_go(self):
        primary, server = self.server(), self.server()
        one, = self.peers(server, 1)
        with server.client() as c:
            self.block(c, one, "BLPOP q 0")
            c.call("REPLICAOF", "127.0.0.1", str(primary.port))
            self.assertEqual(one.take(1), b"-UNBLOCKED force unblock from blocking operation, "
                                          b"instance state changed (master -> replica?)\r\n")
            with self.assertRaises(ConnectionError):
                one.take(1)
            until_blocked(c, 0)


class InACluster(Case):
    def test_who_waits_in_a_slot_that_leaves_is_sent_on(self):
        nodes = [self.server(cluster.options()) for _ in range(2)]
        clients = [n.client() for n in nodes]
        for i, c in enumerate(clients):
            self.addCleanup(c.close)
            c.call("CLUSTER", "ADDSLOTSRANGE", *[(0, 9000), (9001, 16383)][i])
        clients[0].call("CLUSTER", "MEET", "127.0.0.1", nodes[1].port,
                        nodes[1].options["cluster-port"])
        cluster.until(lambda: all(b"cluster_state:ok" in c.call("CLUSTER", "INFO")
                                  for c in clients), "two nodes form a cluster")
        # "b" is in slot 3300, "{b}" as well.
        one, two, three = (Peer(nodes[0].port) for _ in range(3))
        for peer in (one, two, three):
            self.addCleanup(peer.close)
        one.send("BLPOP b {b}2 0")
        two.send("BLPOP c 0")  # slot 7365
        three.send("BLMPOP 30 1 b LEFT")
        until_blocked(clients[0], 3)
        ids = [c.call("CLUSTER", "MYID").decode() for c in clients]
        clients[1].call("CLUSTER", "SETSLOT", 3300, "IMPORTING", ids[0])
        clients[0].call("CLUSTER", "SETSLOT", 3300, "MIGRATING", ids[1])
        self.assertTrue(one.silent())
        for c in (clients[1], clients[0]):
            c.call("CLUSTER", "SETSLOT", 3300, "NODE", ids[1])
        moved = b"-MOVED 3300 127.0.0.1:%d\r\n" % nodes[1].port
        self.assertEqual(one.take(1), moved)
        self.assertEqual(three.take(1), moved)
        self.assertTrue(two.silent())
        until_blocked(clients[0], 1)
        clients[0].call("RPUSH", "c", "v")
        self.assertEqual(two.take(1), encode(["c", "v"]))


if __name__ == "__main__":
    main()
