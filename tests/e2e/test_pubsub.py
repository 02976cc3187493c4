#!/usr/bin/env python3
"""Publish and subscribe: the same steps by several clients on cairn-server and redis-server, byte
by byte; listeners that do not read; messages across a cluster."""
import socket
import time

from harness import cluster
from harness.case import BINARIES, Case, main
from harness.peer import Peer
from harness.resp import encode
from harness.servers import Server, info, redis_binary

# Client, request, and how many replies and messages come: {client: count}, the client's own one
# reply when not said.
STEPS = [
    (1, "SUBSCRIBE a b", {1: 2}), (1, "SUBSCRIBE a"), (2, "PUBLISH a hello", {1: 1, 2: 1}),
    (2, "PUBLISH zz hello"), (1, "PSUBSCRIBE a*"), (2, "PUBLISH a hello", {1: 2, 2: 1}),
    (2, "PUBLISH ab ''", {1: 1, 2: 1}), (1, "PING"), (1, "PING x"), (1, "GET a"), (1, "MULTI"),
    (1, "PUBLISH a b"), (2, "PUBSUB CHANNELS b*"), (2, "PUBSUB NUMSUB a b c"), (2, "PUBSUB NUMPAT"),
    (2, "PUBSUB NUMSUB"), (2, "PUBSUB FOO"), (2, "PUBSUB CHANNELS a b"), (2, "PUBSUB"),
    (1, "UNSUBSCRIBE a"), (1, "UNSUBSCRIBE"), (1, "UNSUBSCRIBE"), (1, "PUNSUBSCRIBE x"),
    (1, "PUNSUBSCRIBE"), (1, "PUNSUBSCRIBE"), (1, "PING"), (1, "GET a"),
    (3, "HELLO 3"), (3, "SUBSCRIBE q"), (3, "GET nokey"), (3, "PING"), (3, "PING x"),
    (2, "PUBLISH q m", {2: 1, 3: 1}), (3, "UNSUBSCRIBE"), (3, "UNSUBSCRIBE"), (3, "PSUBSCRIBE *"),
    (2, "PUBLISH anything m", {2: 1, 3: 1}), (3, "RESET"), (2, "PUBLISH anything m"),
    (1, "SSUBSCRIBE s"), (1, "SSUBSCRIBE s2"), (2, "SPUBLISH s m", {1: 1, 2: 1}),
    (2, "PUBLISH s m"), (1, "SUBSCRIBE s"), (2, "PUBSUB SHARDCHANNELS s2"),
    (2, "PUBSUB SHARDNUMSUB s s2 s3"), (1, "SUNSUBSCRIBE s2"), (1, "GET a"), (1, "SUNSUBSCRIBE"),
    (1, "SUNSUBSCRIBE"), (1, "UNSUBSCRIBE s"), (1, "GET a"),
    (4, "MULTI"), (4, "SUBSCRIBE m1"), (4, "GET x"), (4, "EXEC"), (4, "GET x"),
    (2, "PUBLISH m1 x", {2: 1, 4: 1}), (4, "RESET"), (4, "CLIENT REPLY OFF", {}),
    (4, "SUBSCRIBE r"), (2, "PUBLISH r x", {2: 1, 4: 1}), (4, "UNSUBSCRIBE r"),
    (4, "CLIENT REPLY ON"), (2, "SUBSCRIBE"), (2, "PUBLISH a"), (2, "PSUBSCRIBE"),
    (5, "SUBSCRIBE c1"), (5, "QUIT"), (2, "PUBLISH c1 x"),
]
VERSIONED = {"HELLO 3"}


def play(port):
    peers, seen = {}, []
    for step in STEPS:
        who, text = step[:2]
        counts = step[2] if len(step) == 3 else {who: 1}
        peers.setdefault(who, Peer(port)).send(text)
        got = {n: peers[n].take(count) for n, count in counts.items()}
        seen.append((text, None if text in VERSIONED else got))
    for peer in peers.values():
        peer.sock.close()
    return seen


class Differential(Case):
    def test_every_step_is_answered_as_by_redis(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        redis.start()
        for ours, theirs in zip(play(cairn.port), play(redis.port)):
            self.assertEqual(ours, theirs)


class Listeners(Case):
    def test_many_listen_and_all_hear_all_in_order(self):
        server = self.server()
        peers = [Peer(server.port) for _ in range(100)]
        for peer in peers:
            peer.send("SUBSCRIBE c")
            peer.take(1)
        with server.client() as c:
            for i in range(200):
                self.assertEqual(c.call("PUBLISH", "c", "%d" % i), 100)
            self.assertEqual(info(c)["pubsub_channels"], "1")
            listed = c.call("CLIENT", "LIST", "TYPE", "pubsub").decode().strip().split("\n")
            self.assertEqual(len(listed), 100)
            self.assertIn(" flags=P ", listed[0])
            self.assertIn(" sub=1 psub=0 ssub=0 ", listed[0])
        want = b"".join(encode(["message", "c", "%d" % i]) for i in range(200))
        for peer in peers:
            self.assertEqual(peer.take(200), want)
            peer.sock.close()
        with server.client() as c:
            cluster.until(lambda: c.call("PUBLISH", "c", "x") == 0, "all have left")
            self.assertEqual(c.call("PUBSUB", "CHANNELS"), [])

    def test_a_message_and_the_write_before_it(self):
        server = self.server({"appendfsync": "always"})
        peer = Peer(server.port)
        peer.send("SUBSCRIBE c")
        peer.take(1)
        with server.client() as writer, server.client() as reader:
            for i in range(50):
                writer.call("SET", "k", str(i))
                writer.call("PUBLISH", "c", str(i))
                self.assertEqual(peer.take(1), encode(["message", "c", str(i)]))
                self.assertEqual(reader.call("GET", "k"), str(i).encode())

    def test_who_does_not_read_is_let_go(self):
        server = self.server({"client-output-buffer-limit": "pubsub 2mb 0 0"})
        deaf, listening = Peer(server.port), Peer(server.port)
        for peer in (deaf, listening):
            peer.send("SUBSCRIBE c")
            peer.take(1)
        payload = b"x" * 100000
        with server.client() as c:
            for _ in range(400):
                c.call("PUBLISH", "c", payload)
                listening.take(1)
                if c.call("PUBSUB", "NUMSUB", "c")[1] == 1:
                    break
            self.assertEqual(c.call("PUBSUB", "NUMSUB", "c"), [b"c", 1])
            self.assertEqual(info(c)["client_output_buffer_limit_disconnections"], "1")
            # The same in one turn, by a pipeline.
            s = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            deaf2 = Peer(server.port)
            deaf2.send("SUBSCRIBE d")
            deaf2.take(1)
            s.sendall(encode(["PUBLISH", "d", payload]) * 300)
            got = b""
            while got.count(b"\r\n") < 300:
                got += s.recv(1 << 16)
            s.close()
            self.assertEqual(c.call("PUBSUB", "NUMSUB", "d"), [b"d", 0])
            self.assertLess(int(info(c)["used_memory"]), 300 << 20)

    def test_listeners_do_not_idle_away(self):
        server = self.server({"timeout": 1})
        peer, idle = Peer(server.port), Peer(server.port)
        peer.send("SUBSCRIBE c")
        peer.take(1)
        idle.send("PING")
        idle.take(1)
        self.assertEqual(idle.sock.recv(1), b"")  # closed
        time.sleep(1.5)
        with server.client() as c:
            self.assertEqual(c.call("PUBLISH", "c", "x"), 1)


class InACluster(Case):
    def node(self, make, *args):
        server = make(*args)
        self.addCleanup(self._finish, server)
        return server.start()

    def test_messages_reach_every_node_and_shard_messages_the_shard(self):
        nodes = [self.node(cluster.node, BINARIES.cairn) for _ in range(2)]
        nodes.append(self.node(cluster.redis_node))
        clients = [n.client() for n in nodes]
        for i, c in enumerate(clients):
            self.assertEqual(c.call("CLUSTER", "ADDSLOTSRANGE", *[(0, 5000), (5001, 10000),
                                                                  (10001, 16383)][i]), b"OK")
        for n in nodes[1:]:
            clients[0].call("CLUSTER", "MEET", "127.0.0.1", n.port, n.options["cluster-port"])

        def agreed():
            return all(b"cluster_state:ok" in c.call("CLUSTER", "INFO") and
                       len(cluster.lines(c)) == 3 for c in clients)

        cluster.until(agreed, "three nodes form a cluster")
        peers = [Peer(n.port) for n in nodes]
        for peer in peers:
            peer.send("SUBSCRIBE news")
            peer.take(1)
            peer.send("PSUBSCRIBE n*")
            peer.take(1)
        # A link that is not up yet passes a message over: until every listener has heard one.
        for i, c in enumerate(clients):
            heard = set()
            end = time.monotonic() + 10
            while len(heard) < 3 and time.monotonic() < end:
                self.assertEqual(c.call("PUBLISH", "news", "from%d" % i), 2)
                for n, peer in enumerate(peers):
                    while not peer.silent():
                        bytes_ = peer.take(1)
                        self.assertIn(b"from%d" % i, bytes_)
                        heard.add(n)
            self.assertEqual(heard, {0, 1, 2}, "of node %d" % i)
        # "b" is in slot 3300, the first node's.
        shard = Peer(nodes[0].port)
        shard.send("SSUBSCRIBE b")
        shard.take(1)
        self.assertEqual(clients[0].call("SPUBLISH", "b", "x"), 1)
        self.assertEqual(shard.take(1), encode(["smessage", "b", "x"]))
        for c in clients[1:]:
            self.assertIn("MOVED 3300 127.0.0.1:%d" % nodes[0].port,
                          self.error(c, "SPUBLISH", "b", "x"))
        # The slot moves: who listens is told.
        ids = [c.call("CLUSTER", "MYID").decode() for c in clients]
        for c in (clients[1], clients[0], clients[2]):
            c.call("CLUSTER", "SETSLOT", 3300, "NODE", ids[1])
        self.assertEqual(shard.take(1), b"*3\r\n$12\r\nsunsubscribe\r\n$1\r\nb\r\n:0\r\n")


if __name__ == "__main__":
    main()
