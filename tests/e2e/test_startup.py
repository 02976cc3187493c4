#!/usr/bin/env python3
"""How a node starts, refuses to start, ends, and guards its door."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import Client, Closed, encode  # noqa: E402
from harness.servers import free_port, info  # noqa: E402

LOG_LINE = re.compile(r"^\d+:[A-Z] \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} [.*#-] .+")


class Start(case.Case):
    def refused(self, server):
        """Starts a node that must not come up; its output."""
        server.launch()
        code = self.wait_exit(server)
        self.assertNotEqual(code, 0)
        self.assertGreater(code, 0, "it died of a signal:\n" + server.tail())
        return server.tail(100)

    def test_the_log_has_redis_form_and_says_when_it_is_ready(self):
        server = self.server()
        text = server.tail(100)
        for line in text.splitlines():
            self.assertRegex(line, LOG_LINE)
        for part in ("Server initialized", "Ready to accept connections",
                     "PID: %d" % server.process.pid):
            self.assertIn(part.lower(), text.lower())

    def test_a_second_node_on_the_same_directory_is_refused_with_the_holders_pid(self):
        first = self.server()
        second = self.server(start=False, directory=first.dir)
        second.log = os.path.join(first.dir, "second.log")
        self.assertIn(str(first.process.pid), self.refused(second))
        with first.client() as c:
            self.assertEqual(c.call("PING"), b"PONG")

    def test_an_unknown_directive_is_refused_by_name(self):
        text = self.refused(self.server({"no-such-directive": "1"}, start=False))
        self.assertIn("no-such-directive", text)

    def test_a_wrong_value_is_refused_by_name(self):
        for name, value in (("port", "x"), ("appendfsync", "sometimes"), ("maxclients", "0")):
            text = self.refused(self.server({name: value}, start=False))
            self.assertIn(name, text)

    def test_a_taken_port_is_refused(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            server = self.server(start=False, port=s.getsockname()[1])
            self.assertIn("Failed listening on port", self.refused(server))

    def test_another_format_version_is_refused_and_left_alone(self):
        server = self.server({"appendfsync": "always"})
        with server.client() as c:
            c.call("SET", "a", "1")
        server.stop()
        segments = [os.path.join(path, name) for path, _, names in os.walk(server.dir)
                    for name in names if name.endswith(".wal")]
        self.assertTrue(segments, os.listdir(server.dir))
        with open(segments[-1], "rb") as f:
            before = f.read()
        with open(segments[-1], "r+b") as f:
            # The version follows the magic; any byte there that is unknown must be refused.
            f.seek(8)
            f.write(b"\xee")
        text = self.refused(self.server(start=False, directory=server.dir))
        self.assertRegex(text.lower(), "version|checksum|damage")
        with open(segments[-1], "rb") as f:
            after = f.read()
        self.assertEqual(before[:8] + b"\xee" + before[9:], after)

    def test_a_configuration_file_and_arguments_together(self):
        server = self.server(start=False)
        path = os.path.join(server.dir, "cairn.conf")
        with open(path, "w") as f:
            f.write("# a comment\n\nport 1\ntimeout 77\nsave 900 1\nappendonly yes\n"
                    'requirepass "with space"\nrdbcompression yes\n')
        server.binary = [server.binary, path]
        server.arguments = lambda: server.binary + ["--port", str(server.port), "--dir",
                                                    server.dir]
        server.start()
        with server.client(password="with space") as c:
            self.assertEqual(c.call("CONFIG", "GET", "timeout"), [b"timeout", b"77"])
            self.assertEqual(c.call("CONFIG", "GET", "port")[1], str(server.port).encode())
            self.assertEqual(c.call("CONFIG", "GET", "rdbcompression")[1], b"yes")

    def test_config_rewrite_keeps_what_was_set(self):
        server = self.server(start=False)
        path = os.path.join(server.dir, "cairn.conf")
        with open(path, "w") as f:
            f.write("# kept\nport %d\ndir %s\ntimeout 5\n" % (server.port, server.dir))
        server.arguments = lambda: [server.binary, path]
        server.start()
        with server.client() as c:
            c.call("CONFIG", "SET", "timeout", "99")
            c.call("CONFIG", "SET", "hash-max-listpack-entries", "7")
            c.call("CONFIG", "REWRITE")
        with open(path) as f:
            text = f.read()
        self.assertIn("# kept", text)
        self.assertIn("timeout 99", text)
        server.stop()
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("CONFIG", "GET", "hash-max-listpack-entries")[1], b"7")

    def test_logfile_pidfile_and_daemonize(self):
        server = self.server(start=False)
        log, pid = os.path.join(server.dir, "node.log"), os.path.join(server.dir, "node.pid")
        server.options = {"daemonize": "yes", "logfile": log, "pidfile": pid}
        server.launch()
        self.assertEqual(self.wait_exit(server), 0)
        end = time.monotonic() + 60
        number = 0
        try:
            while True:
                try:
                    with Client(server.port) as c:
                        self.assertEqual(c.call("PING"), b"PONG")
                        number = int(info(c, "server")["process_id"])
                        break
                except OSError:
                    self.assertLess(time.monotonic(), end, "the daemon does not answer")
                    time.sleep(0.02)
            with open(pid) as f:
                self.assertEqual(int(f.read()), number)
        finally:
            if number:
                os.kill(number, signal.SIGTERM)
        while os.path.exists("/proc/%d" % number) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertFalse(os.path.exists("/proc/%d" % number))
        self.assertFalse(os.path.exists(pid), "the pid file outlives the node")
        with open(log) as f:
            self.assertIn("Ready to accept connections", f.read())


class End(case.Case):
    def test_sigterm_ends_cleanly_and_frees_the_port_at_once(self):
        server = self.server({"appendfsync": "no"})
        with server.client() as c:
            for i in range(1000):
                c.call("SET", "k%d" % i, "v")
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 20)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", server.port))
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("DBSIZE"), 1000)

    def test_shutdown_closes_the_connection_and_exits_with_0(self):
        for how in ([], ["NOSAVE"], ["SAVE"], ["NOW"]):
            server = self.server()
            with server.client() as c:
                c.call("SET", "a", "1")
                c.send(encode(["SHUTDOWN"] + how))
                with self.assertRaises(Closed):
                    c.read()
            self.assertEqual(self.wait_exit(server), 0)
            server.start()
            with server.client() as c:
                self.assertEqual(c.call("GET", "a"), b"1", "after SHUTDOWN %s" % how)

    def test_pipelined_writes_before_sigterm_are_there_if_they_were_answered(self):
        server = self.server({"appendfsync": "everysec"})
        with server.client() as c:
            c.send(b"".join(encode(["SET", "p%d" % i, "v"]) for i in range(20000)))
            c.read()
            server.process.send_signal(signal.SIGTERM)
            answered = 1
            try:
                while answered < 20000:
                    c.read()
                    answered += 1
            except Closed:
                pass
        self.assertEqual(self.wait_exit(server), 0)
        server.start()
        with server.client() as c:
            self.assertGreaterEqual(c.call("DBSIZE"), answered)


class Door(case.Case):
    def test_requirepass_guards_everything_but_the_ways_in(self):
        server = self.server({"requirepass": "secret"})
        with server.client() as c:
            self.assertIn("NOAUTH", self.error(c, "GET", "a"))
            self.assertIn("NOAUTH", self.error(c, "PING"))
            self.assertIn("WRONGPASS", self.error(c, "AUTH", "wrong"))
            self.assertEqual(c.call("AUTH", "secret"), b"OK")
            self.assertEqual(c.call("PING"), b"PONG")
            c.call("CONFIG", "SET", "requirepass", "other")
            with server.client() as d:
                self.assertIn("WRONGPASS", self.error(d, "AUTH", "secret"))
                d.call("HELLO", "3", "AUTH", "default", "other")
                self.assertEqual(d.call("PING"), b"PONG")

    def test_protected_mode_refuses_strangers_without_a_password(self):
        address = subprocess.run(["hostname", "-I"], text=True,
                                 stdout=subprocess.PIPE).stdout.split()
        address = [a for a in address if ":" not in a]
        if not address:
            self.skipTest("this machine has no address but the loopback's")
        server = self.server({"bind": "* -::*", "protected-mode": "yes"})
        with Client(server.port, host=address[0]) as c:
            self.assertTrue(c.drain(5)[0].startswith(b"-DENIED"))
        with server.client() as c:
            self.assertEqual(c.call("PING"), b"PONG")
            c.call("CONFIG", "SET", "protected-mode", "no")
        with Client(server.port, host=address[0]) as c:
            self.assertEqual(c.call("PING"), b"PONG")

    def test_maxclients_refuses_the_next_one_and_says_so(self):
        server = self.server({"maxclients": "4"})
        clients = [server.client() for _ in range(4)]
        for c in clients:
            c.call("PING")
        with server.client() as late:
            self.assertEqual(late.drain(5)[0], b"-ERR max number of clients reached\r\n")
        clients.pop().close()
        end = time.monotonic() + 10
        while True:
            try:
                with server.client() as c:
                    c.call("PING")
                break
            except Exception:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)
        for c in clients:
            c.close()

    def test_the_query_buffer_is_limited(self):
        server = self.server({"client-query-buffer-limit": "1mb"})
        with server.client() as c:
            closed = False
            try:
                # Many medium arguments: no single one is too long for the protocol.
                c.send(b"*1000\r\n")
                for _ in range(999):
                    c.send(b"$10000\r\n%s\r\n" % (b"x" * 10000))
                closed = c.drain(10)[1]
            except Closed:
                closed = True
            self.assertTrue(closed)
        with server.client() as c:
            self.assertEqual(c.call("PING"), b"PONG")

    def test_the_output_buffer_is_limited(self):
        server = self.server({"client-output-buffer-limit": "normal 1mb 0 0"})
        with server.client() as c:
            c.call("SET", "big", b"x" * 500000)
            closed = False
            try:
                c.send(encode(["GET", "big"]) * 400)
                # The replies are not read: the kernel's buffers fill, then the server's.
                time.sleep(1)
                data, closed = c.drain(10)
                self.assertLess(len(data), 400 * 500000)
            except Closed:
                closed = True
            self.assertTrue(closed)
        with server.client() as c:
            self.assertGreater(int(info(c)["client_output_buffer_limit_disconnections"]
                                   if "client_output_buffer_limit_disconnections" in info(c)
                                   else 1), 0)

    def test_a_client_costs_little_before_it_has_authenticated(self):
        server = self.server({"requirepass": "secret"})
        before = server.status_kb("VmRSS")
        clients = []
        for _ in range(50):
            c = server.client()
            clients.append(c)
            c.send(b"*1000000\r\n$16000\r\n" + b"x" * 10000)
        for c in clients:
            data, closed = c.drain(0.2)
            self.assertTrue(closed and data.startswith(b"-ERR Protocol error: unauthenticated"),
                            data)
        self.assertLess(server.status_kb("VmRSS") - before, 20000)

    def test_an_idle_client_is_closed_after_its_timeout(self):
        server = self.server({"timeout": "1"})
        with server.client() as c:
            c.call("PING")
            begin = time.monotonic()
            self.assertEqual(c.drain(20), (b"", True))
            self.assertGreater(time.monotonic() - begin, 0.8)


if __name__ == "__main__":
    case.main()
