#!/usr/bin/env python3
"""The cluster bus of real processes: a Cairn node in a cluster with redis-server, its file, its
configuration, and what it refuses."""
import os
import socket

from harness import cluster
from harness.case import BINARIES, Case, main
from harness.servers import free_port


class ClusterCase(Case):
    def node(self, start=True, **more):
        server = cluster.node(BINARIES.cairn, **more)
        self.addCleanup(self._finish, server)
        return server.start() if start else server

    def redis(self, **more):
        server = cluster.redis_node(**more)
        self.addCleanup(self._finish, server)
        return server.start()

    def meet(self, client, server):
        self.assertEqual(client.call("CLUSTER", "MEET", "127.0.0.1", server.port,
                                     server.options["cluster-port"]), b"OK")


class WithRedis(ClusterCase):
    def pair(self):
        """A redis-server, as a client of it, and a node that have met; the node's id."""
        client, node = self.redis(timeout=1000).client(), self.node(timeout=1000)
        self.meet(client, node)
        node_id = cluster.my_id(node)
        cluster.until(lambda: cluster.lines(client)[node_id].connected and
                      len(cluster.saved(node)) == 2, "they have met")
        return client, node, node_id

    def test_redis_and_cairn_nodes_meet_and_are_remembered(self):
        redis = self.redis()
        nodes = [self.node(), self.node()]
        client = redis.client()
        for server in nodes:
            self.meet(client, server)
        ids = {cluster.my_id(server) for server in nodes}

        def joined():
            seen = cluster.lines(client)
            return ids < set(seen) and all(line.connected for line in seen.values())

        cluster.until(joined, "redis-server sees both nodes")
        redis_id = client.call("CLUSTER", "MYID").decode()
        for server in nodes:
            cluster.until(lambda s=server: set(cluster.saved(s)) == ids | {redis_id},
                          "the node has saved the other two")
        # Epochs that collided were sorted out.
        cluster.until(lambda: len({line.epoch for line in cluster.lines(client).values()}) == 3,
                      "config epochs differ")
        links = {}
        for line in client.call("CLUSTER", "LINKS"):
            facts = dict(zip(line[::2], line[1::2])) if isinstance(line, list) else line
            links.setdefault(facts[b"node"], set()).add(facts[b"direction"])
        self.assertEqual({k.decode() for k in links}, ids)
        for directions in links.values():
            self.assertEqual(directions, {b"to", b"from"})

    def test_a_node_that_stops_and_comes_back_is_noticed(self):
        client, node, node_id = self.pair()
        node.kill()
        cluster.until(lambda: "fail?" in cluster.lines(client)[node_id].flags, "it is missed")
        node.start()
        self.assertEqual(cluster.my_id(node), node_id)
        cluster.until(lambda: cluster.lines(client)[node_id].flags == ["master"],
                      "it is welcome again")

    def test_a_node_that_moved_is_found(self):
        client, node, node_id = self.pair()
        node.stop()
        node.port, node.options["cluster-port"] = free_port(), free_port()
        node.start()
        cluster.until(lambda: cluster.lines(client)[node_id].port == node.port and
                      cluster.lines(client)[node_id].connected, "its new address is known")


class Alone(ClusterCase):
    def test_what_a_node_says_of_itself(self):
        client = self.node().client()
        self.assertIn(b"cluster_enabled:1", client.call("INFO", "cluster"))
        self.assertIn(b"redis_mode:cluster", client.call("INFO", "server"))
        self.assertIn(b"cluster_connections:0", client.call("INFO", "clients"))
        hello = client.call("HELLO", "2")
        self.assertEqual(hello[hello.index(b"mode") + 1], b"cluster")
        self.assertEqual(client.call("SELECT", "0"), b"OK")
        self.assertEqual(self.error(client, "SELECT", "1"),
                         "ERR SELECT is not allowed in cluster mode")
        self.assertEqual(self.error(client, "REPLICAOF", "127.0.0.1", "1"),
                         "ERR REPLICAOF not allowed in cluster mode.")
        self.assertEqual(self.error(client, "FAILOVER"),
                         "ERR FAILOVER not allowed in cluster mode.")

    def test_a_name_for_people(self):
        """It is told on the bus, kept in nodes.conf, said in the log; a Redis 7.0 does not mind."""
        redis = self.redis(timeout=1000).client()
        nodes = [self.node(timeout=1000, cluster_announce_human_nodename=name)
                 for name in ("blue-1", "green_2")]
        for server in nodes:
            self.meet(redis, server)
        ids = [cluster.my_id(server) for server in nodes]

        def kept(server, of, name):
            with open(os.path.join(server.dir, "nodes.conf")) as f:
                return ("name-%s %s" % (ids[of], name)) in f.read()

        cluster.until(lambda: kept(nodes[0], 1, "green_2") and kept(nodes[1], 0, "blue-1"),
                      "each has saved the other's name")
        self.assertEqual(nodes[0].client().call("CONFIG", "SET", "cluster-announce-human-nodename",
                                                "azure"), b"OK")
        cluster.until(lambda: kept(nodes[1], 0, "azure"), "a new name is known")
        self.assertIn("invalid character", self.error(
            nodes[0].client(), "CONFIG", "SET", "cluster-announce-human-nodename", "a b"))
        nodes[1].stop()

        def said():
            with open(nodes[0].log) as f:
                return "%s (green_2)" % ids[1][:8] in f.read()

        cluster.until(said, "the log says it")
        nodes[1].start()
        self.assertTrue(kept(nodes[1], 0, "azure"))
        self.assertEqual(len(cluster.lines(redis)), 3)

    def test_settings(self):
        node = self.node()
        client = node.client()
        for name, value in (("cluster-node-timeout", "3000"), ("cluster-migration-barrier", "2"),
                            ("cluster-require-full-coverage", "no"),
                            ("cluster-announce-hostname", "a.example"),
                            ("cluster-announce-ip", "127.0.0.9"),
                            ("cluster-replica-no-failover", "yes"),
                            ("cluster-preferred-endpoint-type", "hostname")):
            self.assertEqual(client.call("CONFIG", "SET", name, value), b"OK")
            self.assertEqual(client.call("CONFIG", "GET", name), [name.encode(), value.encode()])
        self.assertIn("Hostnames may only contain alphanumeric characters, hyphens or dots",
                      self.error(client, "CONFIG", "SET", "cluster-announce-hostname", "a b"))
        self.assertEqual(client.call("CONFIG", "GET", "cluster-announce-hostname")[1],
                         b"a.example")
        for name in ("cluster-enabled", "cluster-port", "cluster-config-file"):
            self.assertIn("can't set immutable config",
                          self.error(client, "CONFIG", "SET", name, "1"))

    def refused(self, server, *texts):
        server.launch()
        self.assertNotEqual(self.wait_exit(server), 0)
        said = server.tail()
        for text in texts:
            self.assertIn(text, said)

    def test_starts_that_are_refused(self):
        self.refused(self.node(start=False, replicaof="127.0.0.1 1"),
                     "replicaof directive not allowed in cluster mode")
        high = self.node(start=False)
        del high.options["cluster-port"]
        high.port = 65001  # above those that the kernel gives away
        self.refused(high, "port number too high for cluster mode")
        taken = self.node(start=False)
        with socket.create_server(("127.0.0.1", 0)) as s:
            taken.options["cluster-port"] = s.getsockname()[1]
            self.refused(taken, "Failed listening on port")
        broken = self.node(start=False)
        with open(os.path.join(broken.dir, "nodes.conf"), "w") as f:
            f.write("not a line of this file\n")
        self.refused(broken, "nodes.conf, line 1")

    def test_two_nodes_can_not_share_a_file(self):
        first = self.node()
        second = self.node(start=False)
        second.options["cluster-config-file"] = os.path.join(first.dir, "nodes.conf")
        self.refused(second, "is already used by a different node")
        # Nor can redis-server, which locks it the same way.
        redis = cluster.redis_node()
        self.addCleanup(self._finish, redis)
        redis.options["cluster-config-file"] = os.path.join(first.dir, "nodes.conf")
        redis.launch()
        self.assertNotEqual(self.wait_exit(redis), 0)

    def test_bytes_of_strangers_do_no_harm(self):
        node = self.node()
        port = node.options["cluster-port"]
        before = cluster.saved(node)
        for data in (b"", b"RCmb", b"GET / HTTP/1.0\r\n\r\n", b"RCmb\xff\xff\xff\xff" + b"x" * 5000,
                     b"RCmb" + (2256).to_bytes(4, "big") + b"\0" * 2248,
                     b"RCmb" + (70000000).to_bytes(4, "big") + b"\0" * 100000):
            with socket.create_connection(("127.0.0.1", port)) as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:  # it has hung up already
                    pass
        self.assertEqual(node.client().call("PING"), b"PONG")
        self.assertEqual(set(cluster.saved(node)), set(before))

    def test_rewritten_configuration_starts_again(self):
        node = self.node(start=False)
        path = os.path.join(node.dir, "node.conf")
        with open(path, "w") as f:
            f.write("cluster-enabled yes\ncluster-port %d\nport %d\ndir %s\n" % (
                node.options["cluster-port"], node.port, node.dir))
        node.options = {}
        node.arguments = lambda: [node.binary, path]
        node.start()
        client = node.client()
        client.call("CONFIG", "SET", "cluster-node-timeout", "4321")
        self.assertEqual(client.call("CONFIG", "REWRITE"), b"OK")
        node.stop()
        node.start()
        self.assertEqual(node.client().call("CONFIG", "GET", "cluster-node-timeout")[1], b"4321")


if __name__ == "__main__":
    main()
