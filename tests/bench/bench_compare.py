#!/usr/bin/env python3
"""Cairn beside redis-server at equal durability: throughput, latency, CPU and disk per operation.

    cmake --preset release && cmake --build --preset release
    tests/bench/bench_compare.py --cairn build/release/cairn-server \\
        --loadgen build/release/tests/loadgen

Each case runs on both servers in turn (ABAB...). Throughput and latency are medians of the runs;
CPU, disk and log bytes are those of the whole case per operation, from its first request until the
server is idle after the last: all threads, checkpoints and AOF rewrites included. Checkpoints come
when Cairn itself makes them (memtable-max, checkpoint-interval), and one more (BGSAVE) at the end
of the case, so that nothing is left unpaid. Ratios are Cairn's over Redis's. Values are JSON-like
unless --value random.

At the end the goals that the cases reached or missed are listed; the exit code is 1 when one was
missed and --strict given."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.servers import Server, info, redis_binary  # noqa: E402

REDIS = {"appendonly": "yes", "auto-aof-rewrite-percentage": "0", "save": ""}
# figure, title, the width and format of its cell
FIGURES = [("per_second", "ops/s", "%.0f"), ("p50_us", "p50 us", "%.0f"),
           ("p99_us", "p99 us", "%.0f"), ("p999_us", "p99.9 us", "%.0f"),
           ("cpu_us", "CPU us/op", "%.2f"), ("disk_bytes", "disk B/op", "%.0f"),
           ("log_bytes", "log B/op", "%.1f")]
BY_RUN = ["per_second", "p50_us", "p99_us", "p999_us"]
# fsync, command, pipeline, figure: the least or the most that Cairn's figure may be of Redis's, or
# (log bytes) in itself.
GOALS = [
    ("always", "set", 1, "cpu_us", "most", 1.0), ("always", "set", 16, "cpu_us", "most", 1.0),
    ("always", "set", 1, "per_second", "least", 1.2), ("always", "set", 1, "p99_us", "most", 1.0),
    ("always", "set", 16, "p99_us", "most", 1.0),
    ("everysec", "set", 16, "cpu_us", "most", 1.15),
    ("everysec", "set", 16, "per_second", "least", 0.9),
    ("*", "get", 1, "cpu_us", "most", 1.0), ("*", "get", 16, "cpu_us", "most", 1.0),
    ("*", "set", 1, "log_bytes", "at most", 50), ("*", "set", 16, "log_bytes", "at most", 50),
]


def wait_idle(server, quiet=1.0, longest=120):
    """Until the server has used no CPU to speak of for quiet seconds."""
    end = time.monotonic() + longest
    while time.monotonic() < end:
        before = server.cpu_seconds()
        time.sleep(quiet)
        if server.cpu_seconds() - before <= 0.03 * quiet:
            return
    print("warning: %s is not idle after %d s" % (server.kind, longest), file=sys.stderr)


def ask(server, *command):
    try:
        with server.client(timeout=120) as c:
            return c.call(*command)
    except Exception as e:  # a command this server does not have decides nothing
        return e


def load(args, server, **options):
    command = [args.loadgen, "--port", server.port, "--clients", args.clients, "--keys", args.keys,
               "--size", args.size, "--value", args.value]
    for name, value in options.items():
        command += ["--" + name, value]
    done = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE)
    result = json.loads(done.stdout)
    if result["errors"]:
        raise SystemExit("%s answered %d errors" % (server.kind, result["errors"]))
    return result


def log_bytes(server):
    """Bytes that the server has written to its log so far."""
    with server.client() as c:
        figures = info(c, "everything")
    return int(figures.get("wal_disk_bytes", figures.get("aof_current_size", 0)))


class Account:
    """What a server has used and written while a case ran on it."""

    def __init__(self, server):
        self.server, self.runs, self.cpu, self.disk, self.log = server, [], 0, 0, 0

    def add(self, work):
        """Does work, waits until the server is idle, and books both."""
        server = self.server
        cpu, disk, log = server.cpu_seconds(), server.bytes_written(), log_bytes(server)
        work()
        wait_idle(server)
        self.cpu += server.cpu_seconds() - cpu
        self.disk += server.bytes_written() - disk
        self.log += log_bytes(server) - log

    def run(self, args, **options):
        self.add(lambda: self.runs.append(load(args, self.server, **options)))

    def figures(self, writes):
        if writes and self.server.kind == "cairn":
            self.add(lambda: ask(self.server, "BGSAVE"))
        operations = sum(r["requests"] for r in self.runs)
        found = {f: statistics.median(r[f] for r in self.runs) for f in BY_RUN}
        found.update(cpu_us=self.cpu / operations * 1e6, disk_bytes=self.disk / operations,
                     log_bytes=self.log / operations)
        return found


def in_turn(args, servers, writes, before=lambda server: None, **options):
    """Figures by kind of server: args.runs runs on each, in turn, before() uncounted ahead of
    each."""
    accounts = [Account(s) for s in servers]
    for n in range(args.runs):
        for account in accounts if n % 2 == 0 else reversed(accounts):
            before(account.server)
            account.run(args, seed=n + 1, **options)
    return {a.server.kind: a.figures(writes) for a in accounts}


def compare(args, servers, mode):
    rows = []
    for command in args.commands:
        for depth in args.depths:
            row = {"mode": mode, "command": command, "pipeline": depth}
            row.update(in_turn(args, servers, command != "get", command=command, pipeline=depth,
                               seconds=args.seconds))
            rows.append(row)
            show(row)
    return rows


def judge(rows):
    """Prints each goal that the rows say something about; returns how many were missed."""
    missed = 0
    for mode, command, depth, figure, sense, limit in GOALS:
        for row in rows:
            if mode not in ("*", row["mode"]) or (row["command"], row["pipeline"]) != (
                    command, depth):
                continue
            mine, theirs = row["cairn"][figure], row["redis"][figure]
            value = mine if sense == "at most" else mine / theirs
            good = value >= limit if sense == "least" else value <= limit
            missed += not good
            print("%-6s %s %s P=%d: %s %.2f%s, goal %s %g" % (
                "met" if good else "MISSED", row["mode"], command, depth, figure, value,
                "" if sense == "at most" else "x", ">=" if sense == "least" else "<=", limit))
    return missed


def show(row):
    cells = []
    for figure, _, form in FIGURES:
        mine, theirs = row["cairn"][figure], row["redis"][figure]
        ratio = "%.2fx" % (mine / theirs) if theirs else "-"
        cells.append("%8s %8s %6s" % (form % mine, form % theirs, ratio))
    print("%-9s %-5s %3d |%s" % (row["mode"], row["command"], row["pipeline"],
                                 " |".join(cells)))
    sys.stdout.flush()


def head():
    print("cairn, redis-server, cairn over redis-server")
    print("%-9s %-5s %3s |%s" % ("fsync", "cmd", "P", " |".join(
        "%24s" % title for _, title, _ in FIGURES)))


def arguments():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--loadgen", required=True)
    options.add_argument("--modes", default="always,everysec")
    options.add_argument("--commands", default="set,get,incr,mset")
    options.add_argument("--depths", default="1,16,64")
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--keys", type=int, default=1000000)
    options.add_argument("--size", type=int, default=100)
    options.add_argument("--value", choices=["json", "random"], default="json")
    options.add_argument("--seconds", type=float, default=3, help="length of a run")
    options.add_argument("--runs", type=int, default=3, help="runs of each case on each server")
    options.add_argument("--json", help="write the rows to this file")
    options.add_argument("--strict", action="store_true", help="a missed goal is an error")
    options.add_argument("--cairn-option", action="append", default=[], metavar="NAME=VALUE")
    args = options.parse_args()
    args.commands = args.commands.split(",")
    args.depths = [int(d) for d in args.depths.split(",")]
    return args


def main():
    args = arguments()
    own = dict(pair.split("=", 1) for pair in args.cairn_option)
    rows = []
    for mode in args.modes.split(","):
        with Server(redis_binary(), "redis", {**REDIS, "appendfsync": mode}) as redis, \
                Server(args.cairn, "cairn", {**own, "appendfsync": mode}) as cairn:
            servers = [redis.start(), cairn.start()]
            for server in servers:
                load(args, server, command="load", pipeline=64)
            ask(cairn, "BGSAVE")
            for server in servers:
                wait_idle(server)
            head()
            rows += compare(args, servers, mode)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)
    missed = judge(rows)
    return 1 if args.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
