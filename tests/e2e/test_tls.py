#!/usr/bin/env python3
"""TLS for clients: who is let in, files that are exchanged at run time, values and pipelines of
some MB through small buffers, pushes, ends, and handshakes that are never finished."""
import os
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time

from harness.case import BINARIES, main
from harness.resp import Client, Closed, encode, parse
from harness.servers import free_port, info
from harness.shard import until
from harness.tls import TlsCase, openssl

SMALL = 4096
HALF_OPEN = 1000
HALF_OPEN_KB = 64 * 1024  # more than they may cost


def no_tls(client):
    """The socket under a client's TLS is closed without a goodbye."""
    client.sock.shutdown(socket.SHUT_RDWR)
    client.close()


class LetIn(TlsCase):
    def test_who_is_let_in(self):
        n = self.node()
        for cert in (None, "two", "old"):
            self.assertNotEqual(n.cli("ping", cert=cert), b"PONG")
        for text in ("peer did not return a certificate", "unable to get local issuer certificate",
                     "certificate has expired"):
            until(lambda: text in n.says(), 20, text)
        self.assertEqual(n.cli("config", "set", "tls-auth-clients", "optional"), b"OK")
        self.assertEqual(n.cli("ping", cert=None), b"PONG")
        self.assertNotEqual(n.cli("ping", cert="two"), b"PONG")
        self.assertNotEqual(n.cli("ping", cert="old"), b"PONG")
        self.assertEqual(n.cli("config", "set", "tls-auth-clients", "no"), b"OK")
        self.assertEqual(n.cli("ping", cert="two"), b"PONG")
        with n.client() as c:
            self.assertEqual(info(c)["tcp_port"], str(n.port))

    def test_a_server_whose_certificate_has_expired_is_noticed(self):
        n = self.made(tls_cert_file=self.papers.path("old", "crt"),
                      tls_key_file=self.papers.path("old", "key"), tls_auth_clients="no").launch()
        until(lambda: os.path.exists(n.log) and "Ready to accept" in n.says(), 60, "it is ready")
        with self.assertRaisesRegex(ssl.SSLError, "certificate has expired"):
            n.client()

    def test_each_port_turns_the_other_kind_away(self):
        n = self.node(plain_port=free_port())
        with Client(n.port) as c:
            c.send(b"PING\r\n")
            got, closed = c.drain(10)
        self.assertTrue(closed)
        self.assertNotIn(b"PONG", got)
        self.assertIn("wrong version number", n.says())
        with self.assertRaises(OSError):
            Client(n.plain_port, tls=self.papers.context())
        with n.plain_client() as plain, n.client() as tls:
            self.assertEqual((plain.call("PING"), tls.call("PING")), (b"PONG", b"PONG"))

    def test_versions_are_those_of_tls_protocols(self):
        n = self.node(tls_protocols="TLSv1.2")
        context = self.papers.context()
        with Client(n.port, tls=context) as c:
            self.assertEqual(c.sock.version(), "TLSv1.2")
            self.assertEqual(c.call("CONFIG", "SET", "tls-protocols", "TLSv1.3"), b"OK")
            self.assertEqual(c.call("PING"), b"PONG")
        with Client(n.port, tls=context) as c:
            self.assertEqual(c.sock.version(), "TLSv1.3")
            self.assertEqual(c.call("CONFIG", "SET", "tls-protocols", ""), b"OK")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with Client(n.port, tls=context) as c:
            self.assertEqual(c.sock.version(), "TLSv1.2")

    def test_sessions_are_resumed(self):
        n = self.node()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context, session = self.papers.context(), None
            context.maximum_version = version
            for _ in range(3):
                raw = socket.create_connection(("127.0.0.1", n.port), 20)
                with context.wrap_socket(raw, session=session) as s:
                    self.assertEqual(s.session_reused, session is not None)
                    s.sendall(b"PING\r\n")
                    self.assertEqual(s.recv(100), b"+PONG\r\n")
                    session = s.session

    def test_while_a_script_runs_long(self):
        """More handshakes than one turn may make."""
        n = self.node(busy_reply_threshold=50)
        with n.client() as busy:
            busy.send(encode(("EVAL", "while true do end", "0")))
            time.sleep(0.3)
            for _ in range(20):
                with n.client() as c:
                    self.assertIn("BUSY", self.error(c, "PING"))
            with n.client() as c:
                self.assertEqual(c.call("SCRIPT", "KILL"), b"OK")
            self.assertIn(b"Script killed", busy.read()[1])

    def test_the_port_is_changed(self):
        n = self.node()
        before, other = n.port, free_port()
        with n.client() as c:
            self.assertEqual(c.call("CONFIG", "SET", "tls-port", other), b"OK")
            self.assertEqual(c.call("PING"), b"PONG")
        n.port = other
        self.assertEqual(n.cli("ping"), b"PONG")
        with self.assertRaises(OSError):
            Client(before)

    def test_a_start_without_files_says_why(self):
        n = self.made(tls_cert_file="")
        done = subprocess.run(n.arguments(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No tls-cert-file configured!", done.stdout)


class Files(TlsCase):
    def test_bad_ones_are_refused_and_good_ones_taken(self):
        n = self.node()
        answer = n.cli("config", "set", "tls-cert-file", "/nowhere.crt")
        self.assertEqual(answer, b"ERR CONFIG SET failed (possibly related to argument "
                         b"'tls-cert-file') - Unable to update TLS configuration. Check server "
                         b"logs.")
        self.assertRegex(n.says(), "Failed to load certificate: /nowhere.crt: .*No such file")
        self.assertEqual(n.cli("ping"), b"PONG")
        answer = n.cli("config", "set", "tls-key-file", self.papers.path("two", "key"))
        self.assertIn(b"Unable to update TLS configuration", answer)
        self.assertEqual(n.cli("config", "set", "tls-ca-cert-file",
                               self.papers.path("two.ca", "crt")), b"OK")
        self.assertNotEqual(n.cli("ping", cert="one"), b"PONG")
        self.assertEqual(n.cli("ping", cert="two"), b"PONG")

    def test_what_else_is_refused_leaves_the_files(self):
        n = self.node()
        with socket.create_server(("127.0.0.1", 0)) as taken, n.client() as c:
            text = self.error(c, "CONFIG", "SET", "tls-ca-cert-file",
                              self.papers.path("two.ca", "crt"), "port", taken.getsockname()[1])
            self.assertIn("Unable to listen on this port", text)
        self.assertEqual(n.cli("ping"), b"PONG")
        self.assertNotEqual(n.cli("ping", cert="two"), b"PONG")

    def test_a_key_with_a_password(self):
        locked = self.papers.path("locked", "key")
        openssl("ec", "-in", self.papers.path("one", "key"), "-aes256", "-passout", "pass:secret",
                "-out", locked)
        n = self.node(tls_key_file=locked, tls_key_file_pass="secret")
        with n.client() as c:
            text = self.error(c, "CONFIG", "SET", "tls-key-file-pass", "wrong")
            self.assertIn("Unable to update TLS configuration", text)
            self.assertEqual(c.call("CONFIG", "GET", "tls-key-file-pass")[1], b"secret")
        self.assertIn("Failed to load private key: " + locked, n.says())
        self.assertEqual(n.cli("ping"), b"PONG")

    def test_a_folder_of_authorities(self):
        folder = os.path.join(self.folder, "authorities")
        os.mkdir(folder)
        shutil.copy(self.papers.path("one.ca", "crt"), folder)
        openssl("rehash", folder)
        n = self.node(tls_ca_cert_file="", tls_ca_cert_dir=folder)
        self.assertEqual(n.cli("ping"), b"PONG")
        self.assertNotEqual(n.cli("ping", cert="two"), b"PONG")
        # A file beside it counts as well.
        self.assertEqual(n.cli("config", "set", "tls-ca-cert-file",
                               self.papers.path("two.ca", "crt")), b"OK")
        self.assertEqual((n.cli("ping"), n.cli("ping", cert="two")), (b"PONG", b"PONG"))

    def shake_until(self, n, stop, seen, errors):
        context = self.papers.context()
        while not stop.is_set():
            try:
                with Client(n.port, tls=context) as c:
                    subject = dict(pair[0] for pair in c.sock.getpeercert()["subject"])
                    seen[subject["commonName"]] = seen.get(subject["commonName"], 0) + 1
                    if c.call("PING") != b"PONG":
                        errors.append("no PONG")
            except Exception as e:
                errors.append(repr(e))

    def test_exchange_under_load(self):
        """Nobody is turned away while the files change, and who is connected stays so."""
        n = self.node()
        stop, seen, errors = threading.Event(), {}, []
        threads = [threading.Thread(target=self.shake_until, args=(n, stop, seen, errors))
                   for _ in range(3)]
        with n.client() as old, n.client() as c:
            for t in threads:
                t.start()
            for i in range(30):
                name = ("other", "one")[i % 2]
                self.assertEqual(c.call("CONFIG", "SET", "tls-cert-file",
                                        self.papers.path(name, "crt"), "tls-key-file",
                                        self.papers.path(name, "key")), b"OK")
                self.assertEqual(old.call("SET", "k", "v" * 20000), b"OK")
                time.sleep(0.03)
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(errors, [])
        self.assertGreater(seen.get("one", 0), 0)
        self.assertGreater(seen.get("other", 0), 0)


class Bytes(TlsCase):
    def test_large_values_and_pipelines(self):
        n = self.node(appendfsync="everysec")
        big = os.urandom(5 << 20).replace(b"\n", b" ")
        self.assertEqual(n.cli("-x", "set", "big", data=big), b"OK")
        self.assertEqual(n.cli("get", "big"), big)
        lines = b"".join(b"set k%d %s\r\n" % (i, b"v" * 500) for i in range(20000))
        self.assertIn(b"errors: 0, replies: 20000", n.cli("--pipe", data=lines))
        self.assertEqual(n.cli("dbsize"), b"20001")
        many = n.cli(data=b"get big\n" * 4)
        self.assertEqual(many, b"\n".join([big] * 4))

    def through_small_buffers(self, n):
        s = socket.socket()
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            s.setsockopt(socket.SOL_SOCKET, option, SMALL)
        s.connect(("127.0.0.1", n.port))
        s = self.papers.context().wrap_socket(s)
        s.setblocking(False)
        return s

    def test_both_directions_at_once_through_small_buffers(self):
        n = self.node(appendfsync="everysec")
        commands = []
        for i in range(600):
            commands += [("SET", "k%d" % i, os.urandom(40) * (i % 200)), ("GET", "k%d" % i)]
        out = memoryview(b"".join(map(encode, commands)))
        want = b"".join(b"+OK\r\n" if c[0] == "SET" else b"$%d\r\n%s\r\n" % (len(v), v)
                        for c, v in zip(commands, [None] + [c[-1] for c in commands]))
        got = bytearray()
        with self.through_small_buffers(n) as s:
            end = time.monotonic() + 60
            while len(got) < len(want):
                self.assertLess(time.monotonic(), end)
                moved = False
                try:
                    if out:
                        out = out[s.send(out[:10000]):]
                        moved = True
                except ssl.SSLWantWriteError:
                    pass
                try:
                    # Not all that is there: the rest stays in TLS, on this side too.
                    got += s.recv(3000)
                    moved = True
                except ssl.SSLWantReadError:
                    pass
                if not moved:
                    select.select([s], [s] if out else [], [], 1)
        self.assertEqual(bytes(got), want)

    def test_pushes_of_who_does_not_read_for_a_while(self):
        n = self.node()
        messages = [b"%d " % i + b"m" * 9000 for i in range(300)]
        with n.client(proto=3) as listener, n.client() as c:
            self.assertEqual(listener.call("SUBSCRIBE", "news"), [b"subscribe", b"news", 1])
            for m in messages:
                self.assertEqual(c.call("PUBLISH", "news", m), 1)
            for m in messages:
                self.assertEqual(listener.read()[0][1][2][1], m)
            # A reply and pushes on one connection.
            self.assertEqual(listener.call("PING"), b"PONG")


class Ends(TlsCase):
    def test_a_client_that_sends_no_more_gets_its_replies(self):
        n = self.node()
        with n.client() as c:
            c.call("SET", "big", b"v" * (1 << 20))
        for goodbye in (False, True):
            # The other side of TLS in memory, so that each direction can be ended by itself.
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            raw = socket.create_connection(("127.0.0.1", n.port), 20)
            tls = self.papers.context().wrap_bio(incoming, outgoing)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
                    incoming.write(raw.recv(1 << 16))
            tls.write(encode(("GET", "big")) * 5)
            if goodbye:
                with self.assertRaises(ssl.SSLWantReadError):
                    tls.unwrap()
            raw.sendall(outgoing.read())
            raw.shutdown(socket.SHUT_WR)
            got = bytearray()
            while data := raw.recv(1 << 16):
                incoming.write(data)
                try:
                    while piece := tls.read(1 << 16):
                        got += piece
                except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                    pass
            raw.close()
            at = 0
            for _ in range(5):
                reply, at = parse(got, at)
                self.assertEqual(len(reply[1]), 1 << 20)
        with n.client() as c:
            until(lambda: info(c)["connected_clients"] == "1", 20, "the others are gone")

    def test_ends_amid_everything(self):
        n = self.node()
        for i in range(40):
            c = n.client()
            c.send(encode(("SET", "k", "v" * 100000))[:i * 2000])
            if i % 3 == 0:
                c.send(encode(("BLPOP", "none", 0)))
            if i % 2 == 0:
                no_tls(c)
            else:
                c.close()
        with n.client() as c:
            until(lambda: info(c)["connected_clients"] == "1", 20, "they are gone")
            self.assertEqual(c.call("PING"), b"PONG")

    def test_maxclients_counts_them_too(self):
        n = self.node(maxclients=3)
        clients = [n.client() for _ in range(3)]
        with self.assertRaises((OSError, Closed)):
            n.client().call("PING")
        clients.pop().close()
        until(lambda: n.cli("ping") == b"PONG", 20, "there is room again")
        for c in clients:
            c.close()


class HalfOpen(TlsCase):
    def test_they_keep_nobody_out_and_end(self):
        n = self.node()
        hello = ssl.MemoryBIO()
        try:
            self.papers.context().wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = hello.read()
        before = n.status_kb("VmRSS")
        begin = time.monotonic()
        idle = [socket.create_connection(("127.0.0.1", n.port), 30) for _ in range(HALF_OPEN)]
        try:
            for i, s in enumerate(idle):
                try:
                    # Nothing, some bytes, half of a hello, or a whole one.
                    s.sendall((b"", b"\x16\x03\x01", hello[:len(hello) // 2], hello)[i % 4])
                except ConnectionError:
                    pass  # it was the oldest when others waited
            for _ in range(3):
                self.assertEqual(n.cli("ping"), b"PONG")
            if not self.sanitized():
                self.assertLess(n.status_kb("VmRSS") - before, HALF_OPEN_KB)
            for s in idle:
                s.settimeout(30)
                try:
                    while s.recv(1 << 16):
                        pass
                except ConnectionError:
                    pass
            self.assertLess(time.monotonic() - begin, 40)
        finally:
            for s in idle:
                s.close()
        self.assertIn("the TLS handshake takes too long", n.says())
        with n.client() as c:
            until(lambda: info(c)["connected_clients"] == "1", 20, "they are gone")


if __name__ == "__main__":
    main()
