#!/usr/bin/env python3
"""What commands on collections cost, beside redis-server, and beside themselves on small ones.

    cmake --preset release && cmake --build --preset release
    tests/bench/bench_types.py --cairn build/release/cairn-server \\
        --loadgen build/release/tests/loadgen [--parts table,large] [--rows HSET,ZADD]

table: CPU per command of both servers at appendfsync everysec, runs in turn, as bench_compare.py
counts it (all threads, until the server is idle; a checkpoint of Cairn's at the end of each row).
Collections have a million elements, those of HGETALL 50 fields.

large: one collection of each kind with --elements elements beside one of 1,000, on Cairn alone:
the p50 of one command at a time, and the executor's CPU per command at --pipeline; first with the
elements where the load left them, then after a checkpoint, all in the store. Then DEL of it: how
long it takes, and the p99 of GETs while its elements are reclaimed over that before.
With --keep DIR the large collections stay there for the next run."""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from bench_checkpoint import judge, thread_seconds  # noqa: E402
from bench_compare import REDIS, ask, in_turn, load, wait_idle  # noqa: E402
from harness.servers import Server, info, redis_binary  # noqa: E402

MILLION = 1000000
HASHES, FIELDS = 20000, 50
# name: the load that makes a collection. In order, so that each element is there once.
MADE = {
    "counters": dict(command="INCR ctr:%k"),
    "hash": dict(command="HSET hash f:%k %v"),
    "hashes": dict(command="HSET hash:%k " + " ".join("f:%d %%v" % i for i in range(FIELDS)),
                   keys=HASHES, requests=HASHES, pipeline=1, size=10),
    "zset": dict(command="ZADD zset %n e:%k"),
    "set": dict(command="SADD set e:%k"),
    "list": dict(command="LPUSH list %v"),
    "short list": dict(command="LPUSH short %v", size=3),
    "stream": dict(command="XADD stream * field %v"),
}
# name: what it needs, the command and its options, the goal of Cairn's CPU over redis-server's.
ROWS = {
    "INCR": ("counters", dict(command="INCR ctr:%k"), 1.3),
    "HSET": ("hash", dict(command="HSET hash f:%k %v"), 1.3),
    "ZADD": ("zset", dict(command="ZADD zset %n e:%k"), 1.0),
    "LPUSH": ("list", dict(command="LPUSH list %v"), 1.3),
    "RPOP": ("list", dict(command="RPOP list"), 1.3),
    "SADD": ("set", dict(command="SADD set e:%k", keys=2 * MILLION), 1.3),
    "HGET": ("hash", dict(command="HGET hash f:%k"), 1.2),
    "ZSCORE": ("zset", dict(command="ZSCORE zset e:%k"), 1.2),
    "LRANGE_100": ("list", dict(command="LRANGE list 0 99"), 1.2),
    "LRANGE_100_small": ("short list", dict(command="LRANGE short 0 99"), 1.2),
    "HGETALL": ("hashes", dict(command="HGETALL hash:%k", keys=HASHES), 1.2),
    "ZINCRBY": ("zset", dict(command="ZINCRBY zset 1 e:%k"), None),
    "ZRANK": ("zset", dict(command="ZRANK zset e:%k"), None),
    "LINDEX": ("list", dict(command="LINDEX list %n", requests=20000), None),
    "XADD": ("stream", dict(command="XADD stream * field %v"), None),
}
READS = ("HGET", "ZSCORE", "LRANGE_100", "LRANGE_100_small", "HGETALL", "ZRANK", "LINDEX")
# A large reply costs as much as many small ones.
FEWER = {"LRANGE_100": 10, "LRANGE_100_small": 10, "HGETALL": 10}


def make(args, server, name, **options):
    load(args, server, **{**dict(keys=MILLION, requests=MILLION, order="yes", pipeline=16),
                          **MADE[name], **options})


def row_options(args, name):
    return {**dict(keys=MILLION, requests=args.requests // FEWER.get(name, 1), pipeline=16),
            **ROWS[name][1]}


def table(args):
    """Prints the rows; returns how many missed their goal."""
    missed, made = 0, set()
    with Server(redis_binary(), "redis", {**REDIS, "appendfsync": "everysec"}) as redis, \
            Server(args.cairn, "cairn", {"appendfsync": "everysec"}) as cairn:
        servers = [redis.start(), cairn.start()]
        for name in args.rows or ROWS:
            needs, goal = ROWS[name][0], ROWS[name][2]
            if needs not in made:
                made.add(needs)
                for server in servers:
                    make(args, server, needs)
                ask(cairn, "BGSAVE")
                for server in servers:
                    wait_idle(server)

            def before(server):
                if name == "RPOP":  # as many as will be taken, and paid for ahead of that
                    make(args, server, "list", requests=args.requests)
                    ask(server, "BGSAVE" if server.kind == "cairn" else "PING")
                    wait_idle(server)

            figures = in_turn(args, servers, name not in READS, before, **row_options(args, name))
            missed += show(name, figures, goal)
    return missed


def show(name, figures, goal):
    mine, theirs = figures["cairn"], figures["redis"]
    ratio = mine["cpu_us"] / theirs["cpu_us"]
    print("%-22s CPU us/op %6.2f %6.2f %5.2fx %-14s | ops/s %7.0f %7.0f | p99 us %6.0f %6.0f" % (
        name, mine["cpu_us"], theirs["cpu_us"], ratio,
        "" if goal is None else ("<= %g " % goal) + ("met" if ratio <= goal else "MISSED"),
        mine["per_second"], theirs["per_second"], mine["p99_us"], theirs["p99_us"]))
    sys.stdout.flush()
    return goal is not None and ratio > goal


# Of a collection {c}: how to make it, then the commands that are measured. Those that add elements
# run a thousand times on a small one that is made anew for each round.
LARGE = {
    "hash": ("HSET {c} f:%k %v", ["HSET {c} f:%k %v", "HGET {c} f:%k"], []),
    "zset": ("ZADD {c} %n e:%k", ["ZADD {c} %n e:%k", "ZRANK {c} e:%k"], []),
    "list": ("RPUSH {c} %v", ["LINDEX {c} %n"], ["LPUSH {c} %v"]),
    "stream": ("XADD {c} * field %v", [], ["XADD {c} * field %v"]),
}
SMALL = 1000


class Large:
    """Collections of one kind on a node, a small and a large one."""

    def __init__(self, args, node, kind):
        self.args, self.node, self.kind = args, node, kind
        self.make, self.steady, self.growing = LARGE[kind]

    def name(self, size):
        return "%s:%d" % (self.kind, size)

    def fill(self, size):
        load(self.args, self.node, command=self.make.replace("{c}", self.name(size)), order="yes",
             keys=size, requests=size, pipeline=64 if size > SMALL else 1, size=20)

    def run(self, command, size, requests, **options):
        """Load's figures, and the executor's CPU per command in microseconds."""
        before = thread_seconds(self.node)
        result = load(self.args, self.node, command=command.replace("{c}", self.name(size)),
                      keys=size, requests=requests, size=20, **options)
        return result, (thread_seconds(self.node) - before) / result["requests"] * 1e6

    def figures(self, command, size):
        """(p50 of one at a time, CPU of many at once), medians of the rounds."""
        latency, cpu = [], []
        grows = command in self.growing
        for n in range(self.args.rounds):
            for alone in (True, False):
                if grows and size == SMALL:
                    ask(self.node, "DEL", self.name(SMALL))
                    self.fill(SMALL)
                result, us = self.run(
                    command, size, SMALL if grows else 3000 if alone else 50000, seed=n + 1,
                    **(dict(clients=1, pipeline=1) if alone else dict(pipeline=16)))
                latency += [result["p50_us"]] if alone else []
                cpu += [] if alone else [us]
        return statistics.median(latency), statistics.median(cpu)

    def compare(self, where):
        missed = 0
        for command in self.steady + self.growing:
            small, large = (self.figures(command, n) for n in (SMALL, self.args.elements))
            verb = command.split()[0]
            print("%-6s %-14s p50 us %7.1f %7.1f   CPU us %6.2f %6.2f" % (
                verb, where, small[0], large[0], small[1], large[1]))
            missed = judge(missed, "%s %s, latency of the large over the small:" % (verb, where),
                           large[0] / small[0], 3)
            missed = judge(missed, "%s %s, the executor's CPU:" % (verb, where),
                           large[1] / small[1], 3)
        sys.stdout.flush()
        return missed

    def gets(self, seconds):
        return load(self.args, self.node, command="get", keys=100000, rate=self.args.rate,
                    seconds=seconds)

    @staticmethod
    def reclaims(client):
        """Whether the checkpoint that tells the store of a removal, or what follows, goes on."""
        storage = info(client, "storage")
        return storage["checkpoint_running"] != "0" or storage["reclaim_pending"] != "0"

    def delete(self):
        """DEL of the large one and what its end costs others."""
        wait_idle(self.node)
        before = statistics.median(self.gets(2)["p99_us"] for _ in range(3))
        with self.node.client(timeout=120) as c:
            begin = time.monotonic()
            c.call("DEL", self.name(self.args.elements))
            took = (time.monotonic() - begin) * 1000
            c.call("BGSAVE")
            during, begin = [], time.monotonic()
            while not during or self.reclaims(c):
                during.append(self.gets(2)["p99_us"])
            reclaimed = time.monotonic() - begin
        print("DEL %s: %.2f ms, reclaimed within %.0f s, p99 of GET %.0f us before, "
              "median %.0f us and at most %.0f us meanwhile" % (
                  self.kind, took, reclaimed, before, statistics.median(during),
                  max(during)))
        missed = judge(0, "DEL %s, of 5 ms:" % self.kind, took / 5, 1)
        return judge(missed, "p99 of GET while it is reclaimed, over before:",
                     statistics.median(during) / before, 1.5)


def large(args):
    missed = 0
    with Server(args.cairn, "cairn", {"appendfsync": "everysec"}, directory=args.keep) as node:
        node.start()
        load(args, node, command="load", keys=100000, pipeline=64)
        for kind in args.kinds:
            part = Large(args, node, kind)
            if not ask(node, "EXISTS", part.name(args.elements)):
                begin = time.monotonic()
                part.fill(args.elements)
                print("%s of %d elements made in %.0f s" % (kind, args.elements,
                                                            time.monotonic() - begin))
            ask(node, "DEL", part.name(SMALL))
            part.fill(SMALL)
            missed += part.compare("as loaded")
            ask(node, "SAVE")
            wait_idle(node)
            missed += part.compare("in the store")
            if args.delete:
                missed += part.delete()
        node.stop()
    return missed


def arguments():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--loadgen", required=True)
    options.add_argument("--parts", default="table,large")
    options.add_argument("--rows", type=lambda s: s.split(","), help="of the table")
    options.add_argument("--kinds", type=lambda s: s.split(","), default=list(LARGE))
    options.add_argument("--requests", type=int, default=500000, help="of a run of the table")
    options.add_argument("--runs", type=int, default=3, help="of each row on each server")
    options.add_argument("--rounds", type=int, default=5, help="of each figure of the large part")
    options.add_argument("--elements", type=int, default=10 * MILLION)
    options.add_argument("--rate", type=int, default=5000, help="GETs per second beside DEL")
    options.add_argument("--delete", choices=["yes", "no"], default="yes",
                         help="whether the large part ends with DEL")
    options.add_argument("--keep", metavar="DIR", help="keep the large collections here")
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--size", type=int, default=100, help="of values in the table")
    options.add_argument("--value", choices=["json", "random"], default="json")
    options.add_argument("--strict", action="store_true", help="a missed goal is an error")
    args = options.parse_args()
    args.keys, args.delete = MILLION, args.delete == "yes"
    return args


def main():
    args = arguments()
    missed = 0
    if "table" in args.parts.split(","):
        missed += table(args)
    if "large" in args.parts.split(","):
        missed += large(args)
    return 1 if missed and args.strict else 0


if __name__ == "__main__":
    sys.exit(main())
