#!/usr/bin/env python3
"""The process that others start, watch and end: names, files it makes and their permissions, pid
file, supervisor, log rotation, exit codes, and the last replies."""
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import encode, parse  # noqa: E402
from harness.servers import info  # noqa: E402




class Names(case.Case):
    def output(self, *args, program=None, code=0):
        done = subprocess.run([program or case.BINARIES.cairn] + list(args), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout

    def test_version_and_help(self):
        for option in ("-v", "--version"):
            self.assertRegex(self.output(option), r"^Cairn server v=\d+\.\d+\.\d+ ")
        for option in ("-h", "--help"):
            self.assertIn("Usage: cairn-server [FILE] [--directive value ...] [-]",
                          self.output(option))
        for option in ("--test-memory", "--check-system"):
            self.assertIn("has no " + option, self.output(option, code=1))

    def test_under_the_name_of_redis_server_it_serves_in_its_place(self):
        server = self.server(start=False)
        link = os.path.join(server.dir, "redis-server")
        os.symlink(case.BINARIES.cairn, link)
        self.assertRegex(self.output("--version", program=link),
                         r"^Redis server v=\d+\.\d+\.\d+ sha=\S+ malloc=\S+ bits=64 build=")
        server.binary = link
        server.start()
        with server.client() as c:
            found = info(c, "server")
            self.assertTrue(os.path.isabs(found["executable"]))
            self.assertTrue(os.path.exists(found["executable"]))


class Files(case.Case):
    def test_everything_it_makes_is_for_its_owner_alone(self):
        server = self.server(start=False)
        data = os.path.join(server.dir, "data")
        log, pid = os.path.join(server.dir, "x.log"), os.path.join(server.dir, "x.pid")
        server.options = {"dir": data, "logfile": log, "pidfile": pid,
                          "unixsocket": os.path.join(server.dir, "x.sock")}
        old = os.umask(0)
        try:
            server.start()
        finally:
            os.umask(old)
        with server.client() as c:
            c.call("SET", "a", "1")
            c.call("SAVE")
        seen = 0
        for top, folders, files in os.walk(server.dir):
            for name in folders + files:
                path = os.path.join(top, name)
                if path == server.log:
                    continue
                seen += 1
                self.assertEqual(stat.S_IMODE(os.lstat(path).st_mode) & 0o077, 0, path)
        self.assertGreater(seen, 5)

    def test_unix_socket_with_permissions(self):
        server = self.server(start=False)
        path = os.path.join(server.dir, "s.sock")
        server.options = {"unixsocket": path, "unixsocketperm": "770"}
        server.start()
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o770)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(encode(["CLIENT", "INFO"]))
            reply = s.recv(4096).decode()
        self.assertIn(" flags=U ", reply)
        self.assertIn("addr=%s:0 " % path, reply)
        self.assertEqual(server.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_node_that_is_refused_leaves_the_others_files_alone(self):
        first = self.server(start=False)
        path, pid = os.path.join(first.dir, "s.sock"), os.path.join(first.dir, "n.pid")
        first.options = {"unixsocket": path, "pidfile": pid}
        first.start()
        second = self.server(first.options, start=False, directory=first.dir)
        second.log = os.path.join(first.dir, "second.log")
        second.launch()
        self.assertNotEqual(self.wait_exit(second), 0)
        with open(pid) as f:
            self.assertEqual(int(f.read()), first.process.pid)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(b"PING\r\n")
            self.assertEqual(s.recv(100), b"+PONG\r\n")

    def test_the_log_is_created_anew_when_it_is_rotated(self):
        server = self.server(start=False)
        log = os.path.join(server.dir, "node.log")
        server.options = {"logfile": log, "enable-debug-command": "yes"}
        server.start()
        os.rename(log, log + ".1")
        with server.client() as c:
            c.call("DEBUG", "LOG", "after\r\nrotation")
        with open(log) as f:
            self.assertRegex(f.read(), r"^\d+:M .* # DEBUG LOG: after  rotation\n$")

    def test_the_store_of_another_format_is_refused_by_exit_code(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "a", "1")
        server.stop()
        wal = [os.path.join(top, n) for top, _, names in os.walk(server.dir) for n in names
               if n.endswith(".wal")]
        with open(wal[-1], "r+b") as f:
            f.seek(8)
            f.write(b"\xee")
        again = self.server(start=False, directory=server.dir)
        again.launch()
        self.assertEqual(self.wait_exit(again), 65)


class Watched(case.Case):
    def test_systemd_is_told_when_it_is_ready_and_when_it_stops(self):
        for mode in ("systemd", "auto"):
            server = self.server(start=False)
            path = os.path.join(server.dir, "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.bind(path)
                s.settimeout(60)
                server.env = dict(os.environ, NOTIFY_SOCKET=path)
                # A supervised node stays in the foreground, whatever daemonize says.
                server.options = {"supervised": mode, "daemonize": "yes",
                                  "pidfile": os.path.join(server.dir, "pid")}
                server.launch()
                self.assertIn(b"READY=1", s.recv(1000))
                with server.client() as c:
                    self.assertEqual(info(c, "server")["process_supervised"], "systemd")
                    self.assertEqual(int(info(c, "server")["process_id"]), server.process.pid)
                self.assertEqual(server.stop(), 0)
                self.assertIn(b"STOPPING=1", s.recv(1000))

    def test_a_daemon_that_can_not_log_says_so_before_it_leaves(self):
        server = self.server(start=False)
        server.options = {"daemonize": "yes", "logfile": os.path.join(server.dir, "no", "x.log")}
        server.launch()
        self.assertEqual(self.wait_exit(server), 1)
        self.assertIn("Can't open the log file", server.tail())

    def test_a_taken_port_is_exit_code_1_and_leaves_no_pid_file(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            server = self.server(start=False, port=s.getsockname()[1])
            pid = os.path.join(server.dir, "pid")
            server.options = {"pidfile": pid}
            server.launch()
            self.assertEqual(self.wait_exit(server), 1)
            self.assertIn("Failed listening on port %d (TCP), aborting." % server.port,
                          server.tail())
            self.assertFalse(os.path.exists(pid))

    def test_nowhere_to_listen(self):
        server = self.server(start=False, port=1)
        server.arguments = lambda: [server.binary, "--port", "0", "--dir", server.dir]
        server.launch()
        self.assertEqual(self.wait_exit(server), 1)
        self.assertIn("Configured to not listen anywhere, exiting.", server.tail())

    def test_an_address_that_may_be_missing_and_one_that_may_not(self):
        server = self.server({"bind": ["127.0.0.1", "-192.0.2.1"]})
        with server.client() as c:
            self.assertEqual(c.call("CONFIG", "GET", "bind")[1], b"127.0.0.1 -192.0.2.1")
        server = self.server({"bind": ["127.0.0.1", "192.0.2.1"]}, start=False)
        server.launch()
        self.assertEqual(self.wait_exit(server), 1)
        self.assertIn("Could not create server TCP listening socket 192.0.2.1", server.tail())


class End(case.Case):
    def test_both_signals_end_it_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.server()
            server.process.send_signal(number)
            self.assertEqual(self.wait_exit(server), 0)
            text = server.tail(100)
            self.assertIn("Received %s scheduling shutdown..." % signal.Signals(number).name, text)
            self.assertIn("bye bye...", text)

    def test_sighup_and_sigpipe_do_not(self):
        server = self.server()
        for number in (signal.SIGHUP, signal.SIGPIPE):
            server.process.send_signal(number)
        with server.client() as c:
            self.assertEqual(c.call("PING"), b"PONG")

    def test_shutdown_in_all_its_forms(self):
        for words in ([], ["SAVE"], ["NOSAVE"], ["NOW"], ["FORCE"], ["NOSAVE", "NOW", "FORCE"],
                      ["save", "now"]):
            server = self.server()
            with server.client() as c:
                for wrong in (["SAVE", "NOSAVE"], ["X"], ["ABORT", "NOW"]):
                    self.assertIn("syntax error", self.error(c, "SHUTDOWN", *wrong))
                self.assertIn("No shutdown in progress", self.error(c, "SHUTDOWN", "ABORT"))
                self.assertEqual(c.call("SET", "a", "1"), b"OK")
                c.send(encode(["SHUTDOWN"] + words))
                self.assertEqual(c.drain(60), (b"", True), words)
            self.assertEqual(self.wait_exit(server), 0)

    def test_shutdown_waits_for_no_reader_for_ever(self):
        server = self.server()
        with server.client() as c, server.client() as lazy:
            c.call("SET", "big", b"x" * 20000000)
            lazy.send(encode(["GET", "big"]) * 4)
            time.sleep(0.2)
            begin = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - begin, 30)

    def test_whatever_ran_before_sigterm_is_answered(self):
        server = self.server({"appendfsync": "always"})
        with server.client() as c:
            # One read's worth at a time, so that some of it runs in the last turn.
            c.send(b"".join(encode(["RPUSH", "list", str(i)]) for i in range(30000)))
            c.read()
            server.process.send_signal(signal.SIGTERM)
            data = bytes(c.buf[c.at:])
            c.buf.clear()
            c.at = 0
            data += c.drain(60)[0]
        self.assertEqual(self.wait_exit(server), 0)
        answered, at = 1, 0
        while at < len(data):
            reply, at = parse(data, at)
            self.assertEqual(reply[0], ":")
            answered += 1
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("LLEN", "list"), answered)


class Crash(case.Case):
    def test_a_crash_leaves_its_stack_in_the_log(self):
        server = self.server(start=False)
        log = os.path.join(server.dir, "node.log")
        server.options = {"logfile": log}
        server.start()
        server.process.send_signal(signal.SIGSEGV)
        self.assertEqual(self.wait_exit(server), -signal.SIGSEGV)
        with open(log, errors="replace") as f:
            text = f.read()
        self.assertIn("CAIRN BUG REPORT", text)
        self.assertRegex(text, re.compile(r"cairn-server\(.*\+0x|cairn-server\[0x|\[0x", re.M))
        server.options.pop("logfile")
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("PING"), b"PONG")

    def test_damage_reported_as_sigbus_ends_it_with_74(self):
        server = self.server()
        server.process.send_signal(signal.SIGBUS)
        self.assertEqual(self.wait_exit(server), 74)


if __name__ == "__main__":
    case.main()
