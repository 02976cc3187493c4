#!/usr/bin/env python3
"""Clients write to a cluster through a nemesis that kills, pauses, cuts off, fills disks and sets
clocks. Afterwards every acknowledged operation must be accounted for: present, in a divergence
archive, or on the disk of a node that is still dead. The seed determines the schedule.

The same is done to redis-server with appendfsync always, whose count of lost operations is
printed: it has no archives, so nothing of that fails the run."""
import argparse
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
sys.path.insert(0, HERE)

from harness import cluster  # noqa: E402
from harness.servers import LONG  # noqa: E402

import account  # noqa: E402
import nemesis  # noqa: E402
import network  # noqa: E402
from nodes import Nodes  # noqa: E402
from workload import Worker  # noqa: E402

ROUNDS_EACH = 25  # of one cluster; then a new one begins
CAIRN = {"memtable-max": "1mb", "wal-segment-size": "1mb", "checkpoint-interval": "5",
         "map-size-max": "1gb"}


class Episode:
    """One cluster, its clients, its faults and the verdict."""

    def __init__(self, kind, seed, rounds, args):
        self.kind, self.seed, self.args = kind, seed, args
        self.rng = random.Random(seed)
        self.replicas = self.rng.choice((1, 1, 2)) if args.replicas is None else args.replicas
        self.settles = self.rng.choice((0.1, 0.5, 0.9))
        self.faults = nemesis.schedule(self.rng, rounds, self.settles, args.shim is not None,
                                       network.inside())
        self.dead = None  # stays so
        self.log = []
        self.begin = time.monotonic()

    def say(self, text, *words):
        line = "%7.2f %s" % (time.monotonic() - self.begin, text % words)
        self.log.append(line)
        if self.args.verbose:
            print(self.kind, line, flush=True)

    def run(self):
        options = CAIRN if self.kind == "cairn" else {}
        self.nodes = Nodes(self.kind, self.args.cairn, self.args.timeout, replicas=self.replicas,
                           shim=self.args.shim, disks=True, **options)
        try:
            self.nodes.form()
            workers = [Worker(self.nodes, i, random.Random(self.rng.getrandbits(64)),
                              self.args.rate) for i in range(self.args.clients)]
            self.nemesis = nemesis.Nemesis(self.nodes, workers, self.say)
            self._rounds(workers)
            return self._judge(workers)
        except BaseException:
            self.nodes.keep = True
            raise
        finally:
            self.nodes.close()

    def _rounds(self, workers):
        for worker in workers:
            worker.start()
        for number, fault in enumerate(self.faults):
            self.say("round %d: %s", number, fault)
            self.nemesis.round(fault)
        if self.rng.random() < 0.5:
            self._die_for_good()
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(30)
        self.nemesis.restart(self.rng, but=[self.dead])
        self.unsettled = not self._settle()
        self.nemesis.look_for_deaths()

    def _settle(self):
        """A machine that is too busy for the node timeout gets a longer one in the end."""
        for patience in (1, 10):
            timeout = patience * self.args.timeout
            for server in self.nodes.living():
                cluster.until(lambda s=server, t=timeout: self._set_timeout(s, t),
                              "the node timeout is set")
            if self.nemesis.settle(60000 / self.args.timeout):
                return True
            self.say("is not settled with a node timeout of %d ms", timeout)
        return False

    def _set_timeout(self, server, timeout):
        with server.client(timeout=5) as c:
            return c.call("CONFIG", "SET", "cluster-node-timeout", timeout) == b"OK"

    def _die_for_good(self):
        """A primary dies whose replicas have a copy of the data, but not its last writes: these are
        looked for on its disk."""
        if not self.nemesis.settle(60):
            return
        self.dead, replicas = self.nemesis.roles(self.rng.randrange(3))
        self.say("node %d dies for good", self.dead.number)
        self.nodes.net.drop(network.between({self.dead.address}, {r.address for r in replicas},
                                            "data"))
        time.sleep(0.3)
        self.dead.kill()
        self.nodes.net.drop(set())

    def _judge(self, workers):
        ops = [op for worker in workers for op in worker.ops]
        verdict = account.Verdict()
        if self.unsettled:
            verdict.fault("the cluster does not settle\n%s", "\n".join(
                "node %d: %s" % (s.number, s.tail(5)) for s in self.nodes.nodes))
        else:
            verdict = account.judge(account.final_state(self.nodes), ops, self._places())
        for death in self.nemesis.deaths if self.kind == "cairn" else []:
            verdict.fault("%s", death)
        if self.kind == "cairn":
            for op in verdict.unaccounted:
                verdict.fault("%s", "acknowledged and nowhere: %s" % op.record())
            for op in verdict.lost:
                if op.waited:
                    verdict.fault("lost although WAIT said that all replicas have it: %s",
                                  op.record())
            for op in account.usurped(ops, verdict.lost, self.args.timeout / 1000):
                verdict.fault("acknowledged by one while another one took writes: %s", op.record())
            if verdict.faults:
                self.nodes.keep = True
                self._write_history(ops, verdict)
        return verdict

    def _places(self):
        if self.kind == "redis":
            return [account.in_append_only_files([self.dead] if self.dead else [])]
        logs = [os.path.join(self.dead.dir, "wal")] if self.dead else []
        return [account.in_logs(self.args.wal, account.archives(self.nodes) + logs)]

    def _write_history(self, ops, verdict):
        with open(os.path.join(self.nodes.base, "history.jsonl"), "w") as f:
            for op in ops:
                f.write(json.dumps(op.record(), default=str) + "\n")
        with open(os.path.join(self.nodes.base, "rounds.txt"), "w") as f:
            f.write("\n".join(self.log + verdict.faults) + "\n")


def report(kind, seed, rounds, verdict, seconds):
    c = verdict.counts
    print("%s seed %d: %d rounds in %.0f s, %d operations: %d acknowledged, %d refused, %d without "
          "a reply; %d acknowledged ones lost to clients, %d of them unaccounted for; with WAIT "
          "for all replicas %d acknowledged, %d lost" % (
              kind, seed, rounds, seconds, c["acked"] + c["refused"] + c["unknown"],
              c["acked"], c["refused"], c["unknown"], len(verdict.lost),
              len(verdict.unaccounted), c["with WAIT"], c["lost with WAIT"]),
          flush=True)


def run(kind, args):
    """All rounds; the number of episodes that failed."""
    failed, left, seed = 0, args.rounds, args.seed
    totals = {"acknowledged": 0, "lost": 0, "unaccounted": 0}
    while left > 0:
        begin = time.monotonic()
        rounds = min(left, ROUNDS_EACH)
        episode = Episode(kind, seed, rounds, args)
        verdict = episode.run()
        report(kind, seed, rounds, verdict, time.monotonic() - begin)
        totals["acknowledged"] += verdict.counts["acknowledged"]
        totals["lost"] += len(verdict.lost)
        totals["unaccounted"] += len(verdict.unaccounted)
        if verdict.faults:
            failed += 1
            print("\n".join(episode.log + ["FAULT: " + f for f in verdict.faults[:20]]))
            print("%d faults; again: --seed %d --rounds %d" % (len(verdict.faults), seed, rounds))
        left -= rounds
        seed += 1
    print("%s, %d rounds: %d acknowledged, %d lost to clients, %d unaccounted for" % (
        kind, args.rounds, totals["acknowledged"], totals["lost"], totals["unaccounted"]))
    return failed


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cairn", required=True, type=os.path.abspath)
    options.add_argument("--wal", required=True, type=os.path.abspath, help="cairn-wal")
    options.add_argument("--shim", type=os.path.abspath, help="libfault_shim.so")
    options.add_argument("--system", choices=("cairn", "redis", "both"),
                         default="both" if LONG else "cairn")
    options.add_argument("--rounds", type=int, default=500 if LONG else 25)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--timeout", type=int, default=1000, help="cluster-node-timeout, ms")
    options.add_argument("--replicas", type=int, help="of each shard; 1 or 2 by the seed")
    options.add_argument("--clients", type=int, default=6)
    options.add_argument("--rate", type=float, default=60, help="operations a second of a client")
    options.add_argument("--verbose", action="store_true")
    args = options.parse_args()
    network.enter()
    print("packets get lost by %s" % network.network().name)
    failed = sum(run(kind, args) for kind in ("cairn", "redis")
                 if args.system in (kind, "both"))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
