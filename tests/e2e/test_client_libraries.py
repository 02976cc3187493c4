#!/usr/bin/env python3
"""What applications do every day (pipelines, transactions, scripts, messages, streams, iteration)
with redis-py, node-redis, and ioredis where it is installed (tools/check does): the same program
prints the same on Cairn and on redis-server."""
import subprocess

from harness import case
from harness.libraries import ENVIRONMENT, PYTHON, client, node_has, python_has_redis
from harness.servers import Server, redis_binary


class Libraries(case.Case):
    def output(self, command, server):
        done = subprocess.run(command + [str(server.port)], env=ENVIRONMENT, timeout=200, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.splitlines()

    def compare(self, command, least):
        with Server(redis_binary(), "redis", {"save": ""}) as peer:
            peer.start()
            expected = self.output(command, peer)
        found = self.output(command, self.server())
        self.assertGreaterEqual(len(expected), least)
        for mine, its in zip(found, expected):
            self.assertEqual(mine, its)
        self.assertEqual(len(found), len(expected))

    def test_redis_py(self):
        if not python_has_redis():
            self.skipTest("python3-redis is not installed")
        self.compare([PYTHON, client("ordinary_redis_py.py")], 40)

    def test_node_redis(self):
        if not node_has("redis"):
            self.skipTest("node-redis is not installed")
        self.compare(["node", client("ordinary_node.js"), "redis"], 15)

    def test_ioredis(self):
        if not node_has("ioredis"):
            print("skipped: ioredis, which tools/check installs where npm works", flush=True)
            self.skipTest("ioredis is not installed")
        self.compare(["node", client("ordinary_node.js"), "ioredis"], 15)


if __name__ == "__main__":
    case.main()
