#!/usr/bin/env python3
"""Clients that were not written for Cairn run on it unmodified: redis-cli, redis-benchmark,
hiredis."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.servers import LONG  # noqa: E402


def run(*command, text=None, seconds=240):
    return subprocess.run([str(c) for c in command], input=text, text=True, timeout=seconds,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Clients(case.Case):
    def cli(self, server, *args, text=None):
        done = run("redis-cli", "-p", server.port, *args, text=text)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.strip()

    def test_redis_cli_runs_commands_from_arguments_and_standard_input(self):
        server = self.server()
        self.assertEqual(self.cli(server, "SET", "a", "1"), "OK")
        self.assertEqual(self.cli(server, "INCR", "a"), "2")
        self.assertEqual(self.cli(server, text="SET b x\nGET b\nHSET h f v\nHGETALL h\n"),
                         "OK\nx\n1\nf\nv")
        self.assertEqual(self.cli(server, "-3", "HGETALL", "h").replace('"', ""), "f v")
        self.assertIn("ERR unknown command", self.cli(server, "NOSUCH"))
        self.assertEqual(self.cli(server, "-x", "SET", "c", text="from stdin"), "OK")
        self.assertEqual(self.cli(server, "GET", "c"), "from stdin")

    def test_every_command_is_documented_in_one_whole_reply(self):
        server = self.server()
        with server.client() as c:
            names = c.call("COMMAND", "LIST")
            for protocol in (2, 3):
                c.call("HELLO", protocol)
                for name in names:
                    self.assertEqual(c.pipeline([("COMMAND", "DOCS", name), ("ECHO", name)])[1],
                                     name)
                self.assertEqual(c.pipeline([("COMMAND", "DOCS"), ("ECHO", "x")])[1], b"x")

    def test_redis_cli_scans_and_finds_big_keys(self):
        server = self.server()
        self.cli(server, text="".join("SET key:%d %s\n" % (i, "v" * (i % 50 + 1))
                                      for i in range(3000)))
        self.assertEqual(len(self.cli(server, "--scan", "--pattern", "key:*").split()), 3000)
        found = self.cli(server, "--bigkeys")
        self.assertIn("3000 strings", found)

    def test_redis_cli_pipe_loads_in_bulk(self):
        server = self.server()
        commands = "".join("*3\r\n$3\r\nSET\r\n$%d\r\nbulk:%d\r\n$5\r\nvalue\r\n" % (
            len("bulk:%d" % i), i) for i in range(20000))
        self.assertIn("errors: 0, replies: 20000", self.cli(server, "--pipe", text=commands))
        self.assertEqual(self.cli(server, "DBSIZE"), "20000")

    def test_redis_benchmark_runs_at_every_pipeline_depth(self):
        server = self.server({"appendfsync": "everysec"})
        requests, keys = (1000000, 1000000) if LONG else (20000, 1000000)
        for depth in (1, 16, 64):
            done = run("redis-benchmark", "-p", server.port, "-t", "set,get,incr,mset", "-n",
                       requests, "-r", keys, "-P", depth, "-d", 100, "--csv", seconds=1200)
            self.assertEqual(done.returncode, 0, done.stdout)
            rows = [line.split(",")[0] for line in done.stdout.splitlines() if line[:1] == '"']
            self.assertEqual(len(rows), 5, done.stdout)
            self.assertNotIn("rror", done.stdout)
        self.assertGreater(int(self.cli(server, "DBSIZE")), 1000)

    def test_a_program_on_hiredis_runs_unmodified(self):
        server = self.server()
        done = run(case.BINARIES.hiredis, server.port)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("0 failures", done.stdout)


if __name__ == "__main__":
    if shutil.which("redis-cli") is None:
        sys.exit("redis-cli is not installed (Debian package redis-tools)")
    case.main()
