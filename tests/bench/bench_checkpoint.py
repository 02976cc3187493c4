#!/usr/bin/env python3
"""GETs while Cairn writes a checkpoint, and right after a restart.

    tests/bench/bench_checkpoint.py --cairn build/release/cairn-server \\
        --loadgen build/release/tests/loadgen

Tail: all keys are written anew, BGSAVE moves them to the store, and meanwhile 50 clients send GETs
at a fixed rate; p99.9 is compared with that of the same GETs without a checkpoint. Each is the
median of the rounds, which alternate.
CPU: what the thread that runs commands uses per GET while a checkpoint runs, and what the whole
node uses per GET right after a kill and restart, both over redis-server's CPU per GET."""
import argparse
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from bench_compare import ask, load, wait_idle  # noqa: E402
from harness.servers import Server, redis_binary  # noqa: E402


def thread_seconds(server, name=None):
    """CPU of the threads of this name; without one, of the thread that runs commands."""
    tasks = "/proc/%d/task" % server.process.pid
    total = 0
    for tid in os.listdir(tasks):
        with open("%s/%s/comm" % (tasks, tid)) as f:
            if f.read().strip() != name if name else int(tid) != server.process.pid:
                continue
        with open("%s/%s/schedstat" % (tasks, tid)) as f:
            total += int(f.read().split()[0]) / 1e9
    return total


class Checkpoint:
    """Within it a checkpoint of all keys begins; share tells how much of it was over at the end."""

    def __init__(self, args, server):
        self.args, self.server, self.share = args, server, 0.0

    def __enter__(self):
        load(self.args, self.server, command="load", pipeline=64)
        self.before = thread_seconds(self.server, "checkpoint")
        ask(self.server, "BGSAVE")
        return self

    def __exit__(self, *_):
        during = thread_seconds(self.server, "checkpoint") - self.before
        wait_idle(self.server)
        whole = thread_seconds(self.server, "checkpoint") - self.before
        self.share = during / whole if whole else 0.0


def tails(args, server):
    found = {"quiet": [], "checkpoint": []}
    for n in range(args.rounds):
        wait_idle(server)
        found["quiet"].append(load(args, server, command="get", rate=args.rate, seed=n + 1,
                                   seconds=args.seconds)["p999_us"])
        with Checkpoint(args, server) as checkpoint:
            result = load(args, server, command="get", rate=args.rate, seed=n + 1,
                          seconds=args.seconds)
        found["checkpoint"].append(result["p999_us"])
        print("round %d: p99.9 %.0f us without, %.0f us beside %.0f %% of a checkpoint" % (
            n + 1, found["quiet"][-1], found["checkpoint"][-1], checkpoint.share * 100))
    return {name: statistics.median(values) for name, values in found.items()}


def cpu_of_gets(args, server, seconds_of):
    before = seconds_of()
    result = load(args, server, command="get", pipeline=args.pipeline, seconds=args.seconds)
    return (seconds_of() - before) / result["requests"] * 1e6


def judge(missed, what, value, limit):
    print("%-6s %s %.2fx, goal <= %g" % ("met" if value <= limit else "MISSED", what, value, limit))
    return missed + (value > limit)


def cpus(args, cairn, redis):
    beside, after, theirs = [], [], []
    for _ in range(args.rounds):
        with Checkpoint(args, cairn):
            beside.append(cpu_of_gets(args, cairn, lambda: thread_seconds(cairn)))
        theirs.append(cpu_of_gets(args, redis, redis.cpu_seconds))
        cairn.kill()
        cairn.start()
        after.append(cpu_of_gets(args, cairn, cairn.cpu_seconds))
    beside, after, theirs = (statistics.median(v) for v in (beside, after, theirs))
    print("CPU per GET (P=%d): %.2f us beside a checkpoint, %.2f us right after a restart; "
          "redis-server %.2f us" % (args.pipeline, beside, after, theirs))
    return beside / theirs, after / theirs


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--loadgen", required=True)
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--keys", type=int, default=1000000)
    options.add_argument("--size", type=int, default=100)
    options.add_argument("--value", choices=["json", "random"], default="json")
    options.add_argument("--rate", type=int, default=20000, help="GETs per second of the tail runs")
    options.add_argument("--pipeline", type=int, default=16, help="of the CPU runs")
    options.add_argument("--seconds", type=float, default=1, help="length of a run")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--strict", action="store_true", help="a missed goal is an error")
    args = options.parse_args()
    # One table holds all keys, and only BGSAVE begins a checkpoint.
    settings = {"memtable-max": "1gb", "checkpoint-interval": "3600", "appendfsync": "everysec"}
    with Server(args.cairn, "cairn", settings) as cairn, \
            Server(redis_binary(), "redis", {"save": "", "appendonly": "no"}) as redis:
        for server in (cairn.start(), redis.start()):
            load(args, server, command="load", pipeline=64)
        ask(cairn, "BGSAVE")
        wait_idle(cairn)
        tail = tails(args, cairn)
        beside, after = cpus(args, cairn, redis)
    missed = judge(0, "p99.9 of GET beside a checkpoint, over without:",
                   tail["checkpoint"] / tail["quiet"], 2)
    missed = judge(missed, "CPU per GET beside a checkpoint, over redis-server's:", beside, 1)
    missed = judge(missed, "CPU per GET right after a restart, over redis-server's:", after, 1)
    return 1 if missed and args.strict else 0


if __name__ == "__main__":
    sys.exit(main())
