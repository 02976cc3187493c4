#!/usr/bin/env python3
"""Cluster clients that were not written for Cairn go through failovers and resharding: redis-py's
RedisCluster, node-redis' cluster, ioredis where it is installed (tools/check does), a program on
hiredis, redis-benchmark. Each checks what it reads; their errors are compared with those of the
same events on redis-server. The short form reshards and kills a primary; the long form does the
rest."""
import json
import re
import shutil
import subprocess
import sys
import time
import unittest

from harness import case, cluster
from harness.libraries import ENVIRONMENT, PYTHON, client, node_has, python_has_redis
from harness.mixed import MixedCase, address, ask, cli
from harness.servers import LONG

# What the replica had not been sent yet is lost, with both kinds of server.
LOSE = ("killed", "handed_over")


class Load:
    """A client program that is running."""

    def __init__(self, name, command, ports):
        self.name = name
        self.process = subprocess.Popen(
            command + [str(p) for p in ports], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=ENVIRONMENT)

    def report(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("%s has ended with %r" % (self.name, self.process.wait(10)))
        return json.loads(line)

    def goes_on(self, steps=60):
        """Until it has done that many more steps."""
        aim = self.report()["done"] + steps
        cluster.until(lambda: self.report()["done"] >= aim or time.sleep(0.1),
                      "%s goes on: %r" % (self.name, self.report()))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Clients(MixedCase):
    def programs(self):
        """(name, command) of each client that is here."""
        found = [("hiredis", [case.BINARIES.hiredis])]
        if python_has_redis():
            found.append(("redis-py", [PYTHON, client("cluster_redis_py.py")]))
        else:
            print("skipped: redis-py is not installed", flush=True)
        for library in ("redis", "ioredis"):
            if node_has(library):
                script = client("cluster_node_redis.js")
                found.append(("node-" + library, ["node", script, library]))
            else:
                print("skipped: %s is not installed" % library, flush=True)
        return found

    def loads(self, servers):
        ports = [s.port for s in servers]
        loads = [Load(name, command, ports) for name, command in self.programs()]
        for load in loads:
            self.addCleanup(load.close)
        for load in loads:
            load.goes_on(20)
        return loads

    def killed(self, primary, replica):
        primary.kill()
        self.becomes(replica, "master")
        time.sleep(0.5)
        primary.start()

    def handed_over(self, primary, replica):
        primary.stop()
        self.becomes(replica, "master")
        time.sleep(0.5)
        primary.start()

    def swapped(self, primary, replica):
        ask(replica, "CLUSTER", "FAILOVER")
        self.becomes(replica, "master")

    def resharded(self, primary, replica):
        """Slots, with keys that are being written, go to another shard and back."""
        with replica.client() as c:
            ids = [line.id for line in cluster.lines(c).values() if line.is_primary]
        mine = cluster.my_id(primary)
        other = next(name for name in ids if name != mine)
        for source, target in ((mine, other), (other, mine)):
            cli("--cluster", "reshard", address(primary), "--cluster-from", source,
                "--cluster-to", target, "--cluster-slots", 30, "--cluster-yes")

    def through(self, kind, *events):
        """What each client has met by the end of each event that a shard went through."""
        primaries, replicas = self.formed(kind * 3, timeout=1000)
        servers = primaries + replicas
        loads = self.loads(servers)
        met = []
        for event in events:
            getattr(self, event)(primaries[1], replicas[1])
            for load in loads:
                load.goes_on()
            self.settle(servers)
            for load in loads:
                load.goes_on()
            met.append({load.name: load.report() for load in loads})
        for load in loads:
            load.close()
        for server in servers:
            server.close()
        for event, reports in zip(events, met):
            for name, report in reports.items():
                self.assertEqual(report["wrong"], [], "%s, %s" % (name, event))
        return met

    def compare(self, *events):
        """Errors, and lost writes, count from the start; so those that lose nothing come first."""
        redis, cairn = self.through("R", *events), self.through("C", *events)
        for event, its, mine in zip(events, redis, cairn):
            self.compare_one(event, its, mine, event in LOSE)

    def compare_one(self, event, redis, cairn, loses):
        for name, report in sorted(cairn.items()):
            print("%s, %s: Cairn: at most %.0f ms without a write, lost %d, errors %s; "
                  "redis-server: %.0f ms, lost %d, errors %s" % (
                      event, name, report["gap"] * 1000, report["lost"],
                      sorted(report["errors"].items()), redis[name]["gap"] * 1000,
                      redis[name]["lost"], sorted(redis[name]["errors"].items())), flush=True)
            kinds = {self.kind_of(e) for e in report["errors"]}
            known = {self.kind_of(e) for e in redis[name]["errors"]}
            if loses:
                # Which clients ask in the moment without a primary is chance.
                known |= {"connection", "CLUSTERDOWN", "redirections"}
            self.assertLessEqual(kinds, known, "%s, %s" % (name, event))
            if not loses:
                self.assertEqual(report["lost"], 0, "%s, %s" % (name, event))

    def kind_of(self, error):
        """The libraries tell of the same broken connection in many ways, by chance."""
        words = ("connection", "connect", "socket", "timeout", "no answer", "closed", "refused",
                 "reset")
        if any(word in error.lower() for word in words):
            return "connection"
        if "too many cluster redirections" in error.lower():
            return "redirections"  # ioredis was sent to the dead primary until it gave up
        return "CLUSTERDOWN" if "clusterdown" in error.lower() else error

    def test_slots_are_resharded_and_a_primary_is_killed(self):
        self.compare("resharded", "killed")

    @unittest.skipUnless(LONG, "in the long form")
    def test_a_primary_is_stopped(self):
        """redis-server waits for its replica's acknowledgement and leaves; Cairn also waits until
        the replica has its place."""
        self.compare("handed_over")

    @unittest.skipUnless(LONG, "in the long form")
    def test_a_replica_takes_over_by_command(self):
        self.compare("swapped")

    def benchmark(self, primary, requests):
        running = subprocess.Popen(
            ["redis-benchmark", "--cluster", "-p", str(primary.port), "-t", "set,get", "-n",
             str(requests), "-r", "100000", "-c", "6", "--threads", "2", "-q"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(running.stdout.close)
        return running

    @unittest.skipUnless(LONG, "in the long form")
    def test_redis_benchmark(self):
        """It runs; a failover to a node that it took for a replica ends it with any server."""
        primaries, replicas = self.formed("CCC", timeout=1000)
        running = self.benchmark(primaries[0], 5000)
        said = running.communicate(timeout=cluster.WAIT_SECONDS)[0]
        self.assertEqual(running.returncode, 0, said)
        self.assertNotIn("rror", said)
        self.assertIn("GET: ", said)
        ends = {"C": (primaries, replicas), "R": self.formed("RRR", timeout=1000)}
        for kind, (old, new) in ends.items():
            running = self.benchmark(old[0], 10000000)
            time.sleep(1)
            self.swapped(old[0], new[0])
            said = running.communicate(timeout=cluster.WAIT_SECONDS)[0]
            self.assertEqual(running.returncode, 1, said)
            ends[kind] = [re.sub("[0-9a-f]{40}", "ID", line) for line in said.split("\n")
                          if "rror" in line or "Failed" in line]
        self.assertIn("could not find node", str(ends["R"]))
        self.assertEqual(set(ends["C"]), set(ends["R"]))


if __name__ == "__main__":
    if shutil.which("redis-benchmark") is None:
        sys.exit("redis-benchmark is not installed (Debian package redis-tools)")
    case.main()
