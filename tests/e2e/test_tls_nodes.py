#!/usr/bin/env python3
"""TLS between nodes: a full copy, a link that breaks and goes on, redis-server as a replica; a
cluster that redis-cli makes and reshards, with a failover and a redis-server in it."""
import os
import time

from harness import cluster
from harness.case import main
from harness.link import Link
from harness.servers import free_port, info
from harness.shard import linked, until, wait_linked
from harness.tls import TlsCase

SETTINGS = {"cluster_enabled": "yes", "tls_cluster": "yes", "tls_replication": "yes",
            "cluster_node_timeout": 2000, "appendfsync": "everysec"}


def stats(server):
    with server.client() as c:
        return info(c, "stats")


class Replication(TlsCase):
    def test_copy_and_stream_and_a_link_that_breaks(self):
        primary = self.node(appendfsync="everysec")
        link = Link(primary.port)
        self.addCleanup(link.close)
        big = os.urandom(3 << 20)
        with primary.client() as c:
            c.call("SET", "big", big)
            replica = self.node(tls_replication="yes", replicaof=["127.0.0.1", link.port])
            wait_linked(replica)
            for i in range(20):
                c.call("SET", "k%d" % i, "v%d" % i)
            c.call("SET", "big2", big)
            self.assertEqual(c.call("WAIT", 1, 20000), 1)
            with replica.client() as r:
                self.assertEqual((r.call("GET", "big"), r.call("GET", "big2")), (big, big))
            for i in range(3):
                c.call("SET", "during", big)
                link.cut()
                c.call("SET", "after", "%d" % i)
                until(lambda: linked(replica), 60, "the link is up again")
                self.assertEqual(c.call("WAIT", 1, 20000), 1)
                with replica.client() as r:
                    self.assertEqual(r.call("MGET", "during", "after"), [big, b"%d" % i])
            facts = stats(primary)
            self.assertEqual(facts["sync_full"], "1")
            self.assertGreaterEqual(int(facts["sync_partial_ok"]), 3)

    def test_a_primary_that_is_not_trusted_is_not_followed(self):
        primary = self.node()
        replica = self.node(tls_replication="yes", tls_auth_clients="no",
                            tls_ca_cert_file=self.papers.path("two.ca", "crt"),
                            replicaof=["127.0.0.1", primary.port])
        until(lambda: "certificate verify failed" in replica.says(), 60, "the log says why")
        self.assertFalse(linked(replica))

    def test_another_certificate_towards_others(self):
        primary = self.node()
        replica = self.node(tls_replication="yes", replicaof=["127.0.0.1", primary.port],
                            tls_client_cert_file=self.papers.path("two", "crt"),
                            tls_client_key_file=self.papers.path("two", "key"))
        until(lambda: "certificate verify failed" in primary.says(), 60, "the log says why")
        self.assertFalse(linked(replica))
        with replica.client() as c:
            c.call("CONFIG", "SET", "tls-client-cert-file", self.papers.path("other", "crt"),
                   "tls-client-key-file", self.papers.path("other", "key"))
        wait_linked(replica)

    def test_one_that_has_no_tls_is_not_followed(self):
        primary = self.node(plain_port=free_port())
        replica = self.node(tls_replication="yes", replicaof=["127.0.0.1", primary.plain_port])
        until(lambda: "wrong version number" in replica.says(), 60, "the log says why")
        self.assertFalse(linked(replica))
        # Without tls-replication the plain port is right, and it is taken up at once.
        with replica.client() as c:
            c.call("CONFIG", "SET", "tls-replication", "no")
        wait_linked(replica)

    def test_redis_as_a_replica(self):
        primary = self.node(appendfsync="everysec")
        big = os.urandom(3 << 20)
        with primary.client() as c:
            c.call("SET", "big", big)
            c.call("RPUSH", "list", *range(5000))
            replica = self.node("redis", tls_replication="yes",
                                replicaof=["127.0.0.1", primary.port])
            wait_linked(replica)
            c.call("SET", "big2", big)
            for i in range(100):
                c.call("INCR", "n")
            self.assertEqual(c.call("WAIT", 1, 20000), 1)
        with replica.client() as r:
            self.assertEqual((r.call("GET", "big"), r.call("GET", "big2")), (big, big))
            self.assertEqual((r.call("GET", "n"), r.call("LLEN", "list")), (b"100", 5000))


class Cluster(TlsCase):
    def formed(self, **more):
        formed = cluster.Cluster(lambda: self.made(cluster_port=0, **SETTINGS, **more),
                                 replicas=0, cli=self.papers.cli_words())
        return formed.form()

    def test_made_resharded_and_failed_over(self):
        formed = self.formed()
        nodes = formed.nodes
        cli = nodes[0].cli
        places = ["127.0.0.1:%d" % n.port for n in nodes]
        sets = b"".join(b"set key%d value%d\n" % (i, i) for i in range(200))
        self.assertEqual(cli("-c", data=sets).count(b"OK"), 200)
        moved = [n.cli("get", "key1") for n in nodes if b"MOVED" in n.cli("get", "key1")]
        self.assertEqual(len(moved), 2)
        self.assertIn(moved[0].split(b" ")[2].decode(), places)
        ids = [n.cli("cluster", "myid").decode() for n in nodes]
        done = cli("--cluster", "reshard", places[0], "--cluster-from", ids[0], "--cluster-to",
                   ids[1], "--cluster-slots", "500", "--cluster-yes")
        self.assertNotIn(b"ERR", done)
        formed.settle()
        self.assert_all_there(nodes[0])
        self.fail_over(formed, places[0], ids[0])

    def assert_all_there(self, node):
        gets = b"".join(b"get key%d\n" % i for i in range(200))
        got = node.cli("-c", data=gets).split(b"\n")
        self.assertEqual([v for v in got if v.startswith(b"value")],
                         [b"value%d" % i for i in range(200)])

    def fail_over(self, formed, place, first_id):
        replica = self.made(**SETTINGS)
        replica.port = cluster.port_pair()
        replica.start()
        added = formed.nodes[1].cli("--cluster", "add-node", "127.0.0.1:%d" % replica.port, place,
                                    "--cluster-slave", "--cluster-master-id", first_id)
        self.assertIn(b"New node added correctly", added)
        formed.nodes.append(replica)
        wait_linked(replica)
        formed.settle()
        formed.nodes[0].kill()
        until(lambda: b"role:master" in replica.cli("info", "replication"), 60, "it was elected")
        formed.settle()
        self.assert_all_there(formed.nodes[1])

    def test_a_redis_node_in_it(self):
        """Each kind gives slots and their keys to the other one, and redirects to it."""
        formed = self.formed()
        redis = self.made("redis", **SETTINGS)
        redis.port = cluster.port_pair()
        redis.start()
        places = ["127.0.0.1:%d" % n.port for n in formed.nodes]
        cli = formed.nodes[0].cli
        added = cli("--cluster", "add-node", "127.0.0.1:%d" % redis.port, places[0])
        self.assertIn(b"New node added correctly", added)
        formed.nodes.append(redis)
        formed.settle()
        sets = b"".join(b"set key%d value%d\n" % (i, i) for i in range(200))
        self.assertEqual(cli("-c", data=sets).count(b"OK"), 200)
        ids = [n.cli("cluster", "myid").decode() for n in formed.nodes]
        for source, target in ((0, 3), (3, 1)):
            done = cli("--cluster", "reshard", places[0], "--cluster-from", ids[source],
                       "--cluster-to", ids[target], "--cluster-slots", "300", "--cluster-yes")
            self.assertNotIn(b"ERR", done)
            formed.settle()
            self.assert_all_there(formed.nodes[0])
            self.assert_all_there(redis)
        with formed.nodes[0].client() as a, redis.client() as b:
            self.assertEqual({i: line.port for i, line in cluster.lines(a).items()},
                             {i: line.port for i, line in cluster.lines(b).items()})

    def test_clients_of_both_kinds_are_sent_to_their_ports(self):
        nodes = []
        for _ in range(2):
            node = self.made(plain_port=free_port(), **SETTINGS)
            node.port = cluster.port_pair()
            nodes.append(node.start())
        a, b = nodes
        with a.client() as c:
            c.call("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
            c.call("CLUSTER", "MEET", "127.0.0.1", b.port)
        with b.client() as c:
            c.call("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
        until(lambda: all(b"cluster_state:ok" in n.cli("cluster", "info") for n in nodes), 60,
              "the cluster is well")
        with a.client() as tls, a.plain_client() as plain:
            for c, ports in ((tls, [a.port, b.port]), (plain, [a.plain_port, b.plain_port])):
                until(lambda: sorted(n.port for n in cluster.lines(c).values()) == sorted(ports),
                      20, "CLUSTER NODES")
                self.assertEqual(self.error(c, "GET", "foo"),
                                 "MOVED 12182 127.0.0.1:%d" % ports[1])
                slots = c.call("CLUSTER", "SLOTS")
                self.assertEqual([row[2][1] for row in slots], ports)
        self.announce(a, b)

    def announce(self, a, b):
        """What one announces instead is what clients of either kind get from the other one."""
        with a.client() as c:
            mine = c.call("CLUSTER", "MYID").decode()
            c.call("CONFIG", "SET", "cluster-announce-port", 7001,
                   "cluster-announce-tls-port", 7002)
        with b.client() as tls, b.plain_client() as plain:
            for c, port in ((tls, 7002), (plain, 7001)):
                until(lambda: cluster.lines(c)[mine].port == port, 20, "the other one knows")
                self.assertIn(":%d" % port, self.error(c, "GET", "b"))


if __name__ == "__main__":
    main()
