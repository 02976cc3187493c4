#!/usr/bin/env python3
"""Clients that do not behave: half-closed, greedy, slow, silent, many at once; and what a client
may do to itself and others (CLIENT)."""
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import Closed, encode  # noqa: E402
from harness.servers import info  # noqa: E402


def read_all(sock, seconds=60):
    sock.settimeout(seconds)
    data = bytearray()
    while True:
        more = sock.recv(1 << 20)
        if not more:
            return bytes(data)
        data += more


class HalfClosed(case.Case):
    def test_what_was_sent_before_is_answered_before_the_end(self):
        for policy in ("always", "everysec"):
            server = self.server({"appendfsync": policy})
            for count in (1, 100, 20000):
                with socket.create_connection(("127.0.0.1", server.port)) as s:
                    s.sendall(b"".join(encode(["SET", "k%d" % i, "v"]) for i in range(count))
                              + encode(["GET", "k0"]))
                    s.shutdown(socket.SHUT_WR)
                    self.assertEqual(read_all(s), b"+OK\r\n" * count + b"$1\r\nv\r\n")

    def test_even_more_replies_than_it_may_have_at_once(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "big", b"x" * 300000)
        # The end may come while nothing waits to leave but requests wait to run.
        for pause in (0, 0, 0.001, 0.003, 0.01, 0.03):
            with socket.create_connection(("127.0.0.1", server.port)) as s:
                s.sendall(encode(["GET", "big"]) * 60 + encode(["SET", "after", "1"]))
                time.sleep(pause)
                s.shutdown(socket.SHUT_WR)
                data = read_all(s)
            self.assertEqual(len(data),
                             60 * (300000 + len("$300000\r\n\r\n")) + len("+OK\r\n"))

    def test_half_a_request_is_forgotten(self):
        server = self.server()
        with socket.create_connection(("127.0.0.1", server.port)) as s:
            s.sendall(encode(["SET", "a", "1"]) + b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(s), b"+OK\r\n")
        with server.client() as c:
            self.assertEqual(c.call("GET", "a"), b"1")
            self.assertEqual(int(info(c)["connected_clients"]), 1)

    def test_a_client_that_is_gone_is_forgotten_whatever_it_waits_for(self):
        server = self.server()
        with server.client() as c:
            for request in (["WAIT", "1", "0"], ["SET", "a", "1"], ["SAVE"]):
                with server.client() as d:
                    d.send(encode(request))
            end = time.monotonic() + 30
            while int(info(c)["connected_clients"]) > 2:  # WAIT 1 0 waits for ever, as in Redis
                self.assertLess(time.monotonic(), end, c.call("CLIENT", "LIST"))
                time.sleep(0.02)


class Memory(case.Case):
    def growth(self, server, before):
        return server.status_kb("VmHWM") - before

    def test_thousands_of_greedy_guests_cost_little_and_hold_up_nobody(self):
        server = self.server({"requirepass": "secret", "loglevel": "warning"})
        before = server.status_kb("VmHWM")
        kinds = [b"*10\r\n" + b"$16384\r\n%s\r\n" % (b"y" * 16384) * 3 + b"$9000\r\nzzz",
                 b"PING\r\n" * 4000, b"x" * 60000, b"*1\r\n$4\r\nPI"]
        guests = []
        for i in range(900):
            s = socket.create_connection(("127.0.0.1", server.port))
            s.setblocking(False)
            guests.append(s)
            try:
                s.send(kinds[i % len(kinds)])
            except OSError:
                pass
        for _ in range(3):
            for s in guests:
                try:
                    s.send(b"PING\r\n" * 3000)
                except OSError:
                    pass
        with server.client(password="secret") as c:
            self.assertEqual(c.call("SET", "a", "1"), b"OK")
        if not self.sanitized():
            self.assertLess(self.growth(server, before), 64 * 1024)
        for s in guests:
            s.close()

    def test_a_guest_that_does_not_log_in_makes_room(self):
        server = self.server({"requirepass": "secret", "maxclients": "5"})
        guests = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
        with socket.create_connection(("127.0.0.1", server.port)) as early:
            self.assertEqual(read_all(early), b"-ERR max number of clients reached\r\n")
        guests[1].sendall(encode(["AUTH", "secret"]))
        self.assertEqual(guests[1].recv(100), b"+OK\r\n")
        time.sleep(5.3)
        with server.client(password="secret") as c:
            self.assertEqual(c.call("PING"), b"PONG")
            # The one that came first and never logged in had to go.
            self.assertEqual(guests[0].recv(100), b"")
            guests[1].sendall(b"PING\r\n")
            self.assertEqual(guests[1].recv(100), b"+PONG\r\n")
        for s in guests:
            s.close()

    def test_a_client_that_reads_nothing_does_not_fill_memory(self):
        server = self.server()
        with server.client() as c, server.client() as lazy:
            c.call("SET", "big", b"x" * 2000000)
            before = server.status_kb("VmHWM")
            lazy.send(encode(["GET", "big"]) * 60)
            time.sleep(0.5)
            self.assertEqual(c.call("PING"), b"PONG")
            if not self.sanitized():
                self.assertLess(self.growth(server, before), 60000)
            # What comes later shows that the rest ran; reading it all here would take too long.
            for _ in range(10):
                self.assertEqual(len(lazy.read()[0][1]), 2000000)

    def test_a_pipeline_sent_whole_before_anything_is_read_goes_through(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "v", b"x" * 1000)
            c.send(encode(["GET", "v"]) * 100000)  # 100 MB of replies
            c.send(encode(["ECHO", "end"]))
            for _ in range(100000):
                self.assertEqual(len(c.read()[0][1]), 1000)
            self.assertEqual(c.read()[0], ("$", b"end"))

    def test_hard_limit_holds_within_one_pipeline(self):
        server = self.server({"client-output-buffer-limit": "normal 10mb 0 0"})
        with server.client() as c, server.client() as lazy:
            c.call("SET", "big", b"x" * 5000000)
            before = server.status_kb("VmHWM")
            try:
                lazy.send(encode(["GET", "big"]) * 500)
                data, closed = lazy.drain(20)
                self.assertTrue(closed)
            except Closed:
                pass
            if not self.sanitized():
                self.assertLess(self.growth(server, before), 60000)
            self.assertEqual(info(c)["client_output_buffer_limit_disconnections"], "1")

    def test_a_client_that_reads_may_have_more_than_the_limit_in_one_pipeline(self):
        server = self.server({"client-output-buffer-limit": "normal 1mb 0 0"})
        with server.client() as c:
            c.call("SET", "v", b"x" * 10000)
            for _ in range(20):
                c.send(encode(["GET", "v"]) * 150)
                for _ in range(150):
                    self.assertEqual(len(c.read()[0][1]), 10000)

    def test_soft_limit_is_kept_while_nothing_happens(self):
        server = self.server({"client-output-buffer-limit": "normal 0 1mb 1"})
        with server.client() as c, server.client() as lazy:
            c.call("SET", "big", b"x" * 20000000)
            lazy.send(encode(["GET", "big"]))
            end = time.monotonic() + 30
            while info(c)["client_output_buffer_limit_disconnections"] != "1":
                self.assertLess(time.monotonic(), end)
                time.sleep(0.1)

    def test_a_hundred_thousand_requests_in_one_go(self):
        server = self.server({"appendfsync": "always"})
        with server.client() as c:
            replies = c.pipeline([["INCR", "n"]] * 100000)
            self.assertEqual(replies, list(range(1, 100001)))

    def test_bytes_that_come_one_at_a_time(self):
        server = self.server()
        with server.client() as c:
            for byte in encode(["SET", "slow", "value"]) + b"GET slow\r\n":
                c.send(bytes([byte]))
                time.sleep(0.001)
            self.assertEqual(c.read()[1], b"+OK\r\n")
            self.assertEqual(c.read()[1], b"$5\r\nvalue\r\n")

    def test_a_large_value_comes_and_goes(self):
        server = self.server()
        value = b"0123456789abcdef" * (2 << 20)
        with server.client() as c:
            self.assertEqual(c.call("SET", "huge", value), b"OK")
            self.assertEqual(c.call("STRLEN", "huge"), len(value))
            self.assertTrue(c.call("GET", "huge") == value)


class Many(case.Case):
    def test_idle_clients_cost_the_busy_ones_nothing(self):
        server = self.server()
        with server.client() as c:
            def cost():
                before = server.cpu_seconds()
                for _ in range(3000):
                    c.call("PING")
                return server.cpu_seconds() - before

            alone = cost()
            idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(900)]
            crowded = cost()
            self.assertLess(crowded, 2 * alone + 0.1)
            for s in idle:
                s.close()

    def test_no_descriptors_left_and_then_some_again(self):
        server = self.server(start=False)
        server.start(prefix=["prlimit", "--nofile=100:100", "setpriv", "--no-new-privs",
                             "--bounding-set=-sys_resource", "--inh-caps=-all"]
                     if os.getuid() == 0 else ["prlimit", "--nofile=100:100"])
        with server.client() as c:
            limit = int(c.call("CONFIG", "GET", "maxclients")[1])
            crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(150)]
            # Those who are in go on, writes and checkpoints find their descriptors.
            self.assertEqual(c.call("SET", "a", "1"), b"OK")
            self.assertEqual(c.call("SAVE"), b"OK")
            self.assertEqual(int(info(c)["connected_clients"]), limit)
            for s in crowd:
                s.close()
            end = time.monotonic() + 30
            while True:
                try:
                    with server.client(timeout=2) as d:
                        self.assertEqual(d.call("PING"), b"PONG")
                    break
                except Exception:  # refused, or closed with the reason
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.05)


class Commands(case.Case):
    def test_a_pause_is_made_longer_but_not_shorter_by_another(self):
        server = self.server()
        with server.client() as c, server.client() as d:
            c.call("CLIENT", "PAUSE", "1500", "WRITE")
            c.call("CLIENT", "PAUSE", "50", "WRITE")
            begin = time.monotonic()
            self.assertIsNone(d.call("GET", "a"))
            self.assertLess(time.monotonic() - begin, 1)
            self.assertEqual(d.call("SET", "a", "1"), b"OK")
            self.assertGreater(time.monotonic() - begin, 1.2)
            c.call("CLIENT", "PAUSE", "60000", "WRITE")
            d.send(encode(["SET", "a", "2"]))
            time.sleep(0.2)
            # Who is held back counts as blocked, as in Redis: tests wait for that.
            self.assertEqual(info(c, "clients")["blocked_clients"], "1")
            self.assertIn(b" flags=b ", c.call("CLIENT", "LIST"))
            c.call("CLIENT", "UNPAUSE")
            begin = time.monotonic()
            self.assertEqual(d.read()[1], b"+OK\r\n")
            self.assertLess(time.monotonic() - begin, 1)
            self.assertEqual(info(c, "clients")["blocked_clients"], "0")
            c.call("CLIENT", "PAUSE", "300")
            begin = time.monotonic()
            self.assertEqual(d.call("PING"), b"PONG")
            self.assertGreater(time.monotonic() - begin, 0.2)

    def test_messages_wait_while_writes_are_paused(self):
        server = self.server()
        for queued in ([], [["MULTI"]]):
            for command in (["PUBLISH", "a", "b"], ["SPUBLISH", "a", "b"], ["PFCOUNT", "h"],
                            ["EVAL", "return 0", "0"]):
                with server.client() as c, server.client() as d:
                    for word in queued:
                        d.call(*word)
                        d.call(*command)
                    c.call("CLIENT", "PAUSE", "60000", "WRITE")
                    d.send(encode(["EXEC"] if queued else command))
                    self.assertEqual(d.drain(0.2), (b"", False), command)
                    c.call("CLIENT", "UNPAUSE")
                    self.assertEqual(d.read()[1], b"*1\r\n:0\r\n" if queued else b":0\r\n")

    def test_a_paused_client_costs_no_cpu(self):
        server = self.server()
        with server.client() as c, server.client() as d:
            c.call("CLIENT", "PAUSE", "60000", "WRITE")
            d.send(encode(["SET", "a", "1"]))
            time.sleep(0.3)
            before = server.cpu_seconds()
            time.sleep(2)
            self.assertLess(server.cpu_seconds() - before, 0.04 if not self.sanitized() else 0.5)

    def test_nothing_expires_while_clients_are_paused(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "a", "1", "PX", "1")
            c.call("CLIENT", "PAUSE", "60000", "WRITE")
            time.sleep(0.5)
            self.assertEqual(info(c)["expired_keys"] in ("0", "1"), True)
            expired = info(c)["expired_keys"]
            time.sleep(0.5)
            self.assertEqual(info(c)["expired_keys"], expired)

    def test_client_list_tells_what_is(self):
        server = self.server()
        with server.client() as c, server.client() as d:
            d.call("CLIENT", "SETNAME", "dora")
            d.call("CLIENT", "NO-EVICT", "on")
            d.call("CLIENT", "SETINFO", "lib-name", "mylib")
            d.call("MULTI")
            d.call("PING")
            lines = c.call("CLIENT", "LIST").decode().splitlines()
            self.assertEqual(len(lines), 2)
            mine, other = lines
            for part in (" cmd=client|list ", " flags=N ", " multi=-1 ", " resp=2 ",
                         " qbuf=26 ", " argv-mem=10 ", " omem=0 "):
                self.assertIn(part, mine)
            for part in (" name=dora ", " flags=xe ", " multi=1 ", " cmd=ping ",
                         " lib-name=mylib "):
                self.assertIn(part, other)
            self.assertRegex(other, r"addr=127\.0\.0\.1:%d laddr=127\.0\.0\.1:%d " % (
                d.sock.getsockname()[1], server.port))
            number = int(re.search(r"id=(\d+)", other).group(1))
            self.assertEqual(c.call("CLIENT", "LIST", "ID", number).decode().split()[:3],
                             other.split()[:3])
            self.assertEqual(c.call("CLIENT", "KILL", "ID", number), 1)
            self.assertEqual(d.drain(20), (b"", True))
            self.assertEqual(len(c.call("CLIENT", "LIST").splitlines()), 1)

    def test_killing_oneself_answers_first(self):
        server = self.server()
        for words in (["KILL", "ID", "%d", "SKIPME", "no"], ["KILL", "%s"]):
            with server.client() as c:
                values = {"%d": str(c.call("CLIENT", "ID")),
                          "%s": "127.0.0.1:%d" % c.sock.getsockname()[1]}
                c.send(encode(["CLIENT"] + [values.get(w, w) for w in words]))
                data, closed = c.drain(20)
                self.assertTrue(closed)
                self.assertIn(data, (b":1\r\n", b"+OK\r\n"))

    def test_quit_and_reset_in_the_middle(self):
        server = self.server()
        with server.client() as c:
            c.send(encode(["SET", "q", "1"]) + encode(["QUIT"]) + encode(["SET", "q", "2"]))
            self.assertEqual(c.drain(20), (b"+OK\r\n+OK\r\n", True))
        with server.client(proto=3) as c:
            self.assertEqual(c.call("GET", "q"), b"1")
            c.call("MULTI")
            c.call("SET", "q", "3")
            c.send(encode(["RESET"]) + encode(["EXEC"]) + encode(["HGETALL", "x"]))
            self.assertEqual(c.read()[1], b"+RESET\r\n")
            self.assertEqual(c.read()[1], b"-ERR EXEC without MULTI\r\n")
            self.assertEqual(c.read()[1], b"*0\r\n")
            self.assertEqual(c.call("GET", "q"), b"1")

    def test_replies_that_nobody_wants(self):
        server = self.server()
        with server.client() as c:
            c.send(b"".join(encode(words) for words in (
                ["CLIENT", "REPLY", "SKIP"], ["SET", "a", "1"], ["GET", "a"],
                ["CLIENT", "REPLY", "OFF"], ["SET", "a", "2"], ["GET", "a"],
                ["CLIENT", "REPLY", "ON"], ["GET", "a"])))
            self.assertEqual(c.drain(1)[0], b"$1\r\n1\r\n+OK\r\n$1\r\n2\r\n")


if __name__ == "__main__":
    case.main()
