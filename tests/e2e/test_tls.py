#!/usr/bin/env python3
"""TLS: who is let in, files that are exchanged at run time, values and pipelines of some MB, half
handshakes, replication, and a cluster that redis-cli makes and reshards."""
import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness.servers import free_port  # noqa: E402

CAIRN = None
PATIENCE_S = 30


def openssl(*words):
    subprocess.run(("openssl",) + words, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Papers:
    """Two CAs, each with a certificate that it has signed."""

    def __init__(self, folder):
        self.folder = folder
        for ca in ("one", "two"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "2", "-subj", "/CN=CA " + ca,
                    "-keyout", self.path(ca, "ca.key"), "-out", self.path(ca, "ca.crt"))
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=node " + ca, "-keyout", self.path(ca, "key"),
                    "-out", self.path(ca, "csr"))
            openssl("x509", "-req", "-in", self.path(ca, "csr"), "-CA", self.path(ca, "ca.crt"),
                    "-CAkey", self.path(ca, "ca.key"), "-CAcreateserial", "-days", "2",
                    "-out", self.path(ca, "crt"))

    def path(self, ca, name):
        return os.path.join(self.folder, ca + "." + name)


class Node:
    def __init__(self, papers, folder, extra):
        self.papers, self.port = papers, free_port()
        self.dir = tempfile.mkdtemp(dir=folder)
        settings = {"dir": self.dir, "port": 0, "tls-port": self.port,
                    "logfile": os.path.join(self.dir, "log"), "appendfsync": "everysec",
                    "tls-cert-file": papers.path("one", "crt"),
                    "tls-key-file": papers.path("one", "key"),
                    "tls-ca-cert-file": papers.path("one", "ca.crt")}
        settings.update(extra)
        words = [CAIRN]
        for name, value in settings.items():
            words += ["--" + name] + str(value).split(" ")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def cli_words(self, cert="one"):
        words = ["redis-cli", "-p", str(self.port), "--tls",
                 "--cacert", self.papers.path("one", "ca.crt")]
        if cert is not None:
            words += ["--cert", self.papers.path(cert, "crt"),
                      "--key", self.papers.path(cert, "key")]
        return words

    def cli(self, *words, cert="one", data=None):
        done = subprocess.run(self.cli_words(cert) + list(words), input=data,
                              stdin=None if data is not None else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return done.stdout.rstrip(b"\n")

    def info(self, name):
        for line in self.cli("info").splitlines():
            if line.startswith(name.encode() + b":"):
                return line.split(b":", 1)[1].strip()
        return None

    def log(self):
        with open(os.path.join(self.dir, "log")) as f:
            return f.read()

    def close(self):
        self.process.kill()
        self.process.wait()


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="cairn-tls-")
        cls.papers = Papers(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def node(self, **extra):
        n = Node(self.papers, self.folder, {k.replace("_", "-"): v for k, v in extra.items()})
        self.addCleanup(n.close)
        self.until(lambda: n.cli("ping") == b"PONG", "the node answers")
        return n

    def until(self, true, what):
        end = time.monotonic() + PATIENCE_S
        while not true():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.1)


class Clients(Tls):
    def test_who_is_let_in(self):
        n = self.node()
        self.assertNotEqual(n.cli("ping", cert=None), b"PONG")
        self.assertNotEqual(n.cli("ping", cert="two"), b"PONG")
        self.assertIn("peer did not return a certificate", n.log())
        self.assertIn("certificate verify failed", n.log())
        self.assertEqual(n.cli("config", "set", "tls-auth-clients", "optional"), b"OK")
        self.assertEqual(n.cli("ping", cert=None), b"PONG")
        self.assertNotEqual(n.cli("ping", cert="two"), b"PONG")
        self.assertEqual(n.cli("config", "set", "tls-auth-clients", "no"), b"OK")
        self.assertEqual(n.cli("ping", cert="two"), b"PONG")
        self.assertEqual(n.info("tcp_port"), str(n.port).encode())

    def test_plain_text_is_turned_away(self):
        n = self.node()
        with socket.create_connection(("127.0.0.1", n.port), 10) as s:
            s.sendall(b"PING\r\n")
            got = b""
            try:
                while piece := s.recv(100):
                    got += piece
            except ConnectionResetError:
                pass
            self.assertNotIn(b"PONG", got)
        self.assertIn("wrong version number", n.log())

    def test_both_ports_at_once_and_changes(self):
        plain = free_port()
        n = self.node(port=plain)
        done = subprocess.run(["redis-cli", "-p", str(plain), "ping"], stdout=subprocess.PIPE)
        self.assertEqual(done.stdout, b"PONG\n")
        other = free_port()
        self.assertEqual(n.cli("config", "set", "tls-port", str(other)), b"OK")
        n.port = other
        self.assertEqual(n.cli("ping"), b"PONG")

    def test_files_are_exchanged_at_run_time(self):
        n = self.node()
        answer = n.cli("config", "set", "tls-cert-file", "/nowhere.crt")
        self.assertEqual(answer, b"ERR CONFIG SET failed (possibly related to argument "
                         b"'tls-cert-file') - Unable to update TLS configuration. Check server "
                         b"logs.")
        self.assertIn("Failed to load certificate: /nowhere.crt", n.log())
        self.assertEqual(n.cli("ping"), b"PONG")
        answer = n.cli("config", "set", "tls-key-file", self.papers.path("two", "key"))
        self.assertIn(b"Unable to update TLS configuration", answer)
        self.assertEqual(n.cli("config", "set", "tls-ca-cert-file",
                               self.papers.path("two", "ca.crt")), b"OK")
        self.assertNotEqual(n.cli("ping", cert="one"), b"PONG")
        self.assertEqual(n.cli("ping", cert="two"), b"PONG")

    def test_a_start_without_files_says_why(self):
        done = subprocess.run([CAIRN, "--dir", tempfile.mkdtemp(dir=self.folder), "--port", "0",
                               "--tls-port", str(free_port())], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No tls-cert-file configured!", done.stdout)

    def test_large_values_and_pipelines(self):
        n = self.node()
        big = os.urandom(5 << 20).replace(b"\n", b" ")
        self.assertEqual(n.cli("-x", "set", "big", data=big), b"OK")
        self.assertEqual(n.cli("get", "big"), big)
        lines = b"".join(b"set k%d %s\r\n" % (i, b"v" * 500) for i in range(20000))
        self.assertIn(b"errors: 0, replies: 20000", n.cli("--pipe", data=lines))
        self.assertEqual(n.cli("dbsize"), b"20001")
        many = n.cli(data=b"get big\n" * 4)
        self.assertEqual(many, b"\n".join([big] * 4))

    def test_half_handshakes_keep_nobody_out(self):
        n = self.node()
        idle = [socket.create_connection(("127.0.0.1", n.port), 10) for _ in range(900)]
        try:
            for s in idle[::2]:
                s.sendall(b"\x16\x03\x01")
            for _ in range(3):
                self.assertEqual(n.cli("ping"), b"PONG")
        finally:
            for s in idle:
                s.close()
        self.until(lambda: n.info("connected_clients") == b"1", "they are gone")


class Replication(Tls):
    def test_copy_and_stream(self):
        primary = self.node()
        big = os.urandom(3 << 20).replace(b"\n", b" ")
        self.assertEqual(primary.cli("-x", "set", "big", data=big), b"OK")
        replica = self.node(tls_replication="yes", replicaof="127.0.0.1 %d" % primary.port)
        self.until(lambda: replica.info("master_link_status") == b"up", "the link is up")
        self.assertEqual(replica.cli("get", "big"), big)
        for i in range(20):
            self.assertEqual(primary.cli("set", "k%d" % i, "v%d" % i), b"OK")
        self.assertEqual(primary.cli("-x", "set", "big2", data=big), b"OK")
        self.until(lambda: replica.cli("get", "big2") == big, "the replica has it")
        self.assertEqual(replica.cli("get", "k19"), b"v19")

    def test_a_primary_that_is_not_trusted_is_not_followed(self):
        primary = self.node()
        replica = self.node(tls_replication="yes", tls_auth_clients="no",
                            tls_ca_cert_file=self.papers.path("two", "ca.crt"),
                            replicaof="127.0.0.1 %d" % primary.port)
        self.until(lambda: "certificate verify failed" in replica.log(), "the log says why")
        self.assertEqual(replica.info("master_link_status"), b"down")


# cluster: begin
class Cluster(Tls):
    def test_made_and_resharded_by_redis_cli(self):
        nodes = [self.node(cluster_enabled="yes", tls_cluster="yes", tls_replication="yes",
                           cluster_port=free_port(), cluster_node_timeout=3000)
                 for _ in range(3)]
        cli = nodes[0].cli
        places = ["127.0.0.1:%d" % n.port for n in nodes]
        made = cli("--cluster", "create", *places, "--cluster-yes")
        self.assertIn(b"All 16384 slots covered", made)
        self.until(lambda: all(b"cluster_state:ok" in n.cli("cluster", "info") for n in nodes),
                   "the cluster is well")
        sets = b"".join(b"set key%d value%d\n" % (i, i) for i in range(200))
        self.assertEqual(cli("-c", data=sets).count(b"OK"), 200)
        moved = [n.cli("get", "key1") for n in nodes if b"MOVED" in n.cli("get", "key1")]
        self.assertEqual(len(moved), 2)
        self.assertIn(moved[0].split(b" ")[2].decode(), places)
        ids = [n.cli("cluster", "myid").decode() for n in nodes]
        done = cli("--cluster", "reshard", places[0], "--cluster-from", ids[0], "--cluster-to",
                   ids[1], "--cluster-slots", "500", "--cluster-yes")
        self.assertNotIn(b"ERR", done)
        self.until(lambda: b"cluster_state:ok" in cli("cluster", "info"), "it is well again")
        gets = b"".join(b"get key%d\n" % i for i in range(200))
        got = cli("-c", data=gets).split(b"\n")
        self.assertEqual([v for v in got if v.startswith(b"value")],
                         [b"value%d" % i for i in range(200)])
# cluster: end


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--cairn", required=True)
    options, rest = parser.parse_known_args()
    CAIRN = os.path.abspath(options.cairn)
    unittest.main(argv=sys.argv[:1] + rest)
