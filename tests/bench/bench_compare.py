#!/usr/bin/env python3
"""Cairn beside redis-server at equal durability: throughput, latency, CPU and disk per operation.

    cmake --preset release && cmake --build --preset release
    tests/bench/bench_compare.py --cairn build/release/cairn-server \\
        --loadgen build/release/tests/loadgen

Each case runs on both servers in turn (ABAB...), the figures are medians of the runs, the ratio is
Cairn's over Redis's. The server's CPU is that of all its threads, from the first request until it
is idle again, so checkpoints and AOF rewrites are paid for by those who caused them; Cairn is asked
for a checkpoint after each SET, INCR and MSET run. Values are JSON-like unless --value random."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.servers import Server, redis_binary  # noqa: E402

REDIS = {"appendonly": "yes", "auto-aof-rewrite-percentage": "0", "save": ""}
# figure, title, the width and format of its cell
FIGURES = [("per_second", "ops/s", "%.0f"), ("p50_us", "p50 us", "%.0f"),
           ("p99_us", "p99 us", "%.0f"), ("p999_us", "p99.9 us", "%.0f"),
           ("cpu_us", "CPU us/op", "%.2f"), ("disk_bytes", "disk B/op", "%.0f")]


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


def measure(args, server, command, depth, seed):
    """One run: loadgen's figures plus the server's CPU and disk bytes per operation."""
    cpu, disk = server.cpu_seconds(), server.bytes_written()
    result = load(args, server, command=command, pipeline=depth, seconds=args.seconds, seed=seed)
    if command != "get" and server.kind == "cairn":
        ask(server, "BGSAVE")
    wait_idle(server)
    operations = result["requests"]
    result["cpu_us"] = (server.cpu_seconds() - cpu) / operations * 1e6
    result["disk_bytes"] = (server.bytes_written() - disk) / operations
    return result


def compare(args, servers, mode):
    rows = []
    for command in args.commands:
        for depth in args.depths:
            runs = {s.kind: [] for s in servers}
            for n in range(args.runs):
                for server in servers if n % 2 == 0 else reversed(servers):
                    runs[server.kind].append(measure(args, server, command, depth, n + 1))
            row = {"mode": mode, "command": command, "pipeline": depth}
            for kind, results in runs.items():
                row[kind] = {f: statistics.median(r[f] for r in results) for f, _, _ in FIGURES}
            rows.append(row)
            show(row)
    return rows


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


def log_bytes(args, servers):
    """Bytes of log per SET in the last load, from the servers' own counters."""
    for server in servers:
        text = ask(server, "INFO", "everything")
        if not isinstance(text, bytes):
            continue
        info = dict(line.partition(":")[::2] for line in text.decode().splitlines() if ":" in line)
        names = ["wal_bytes_written", "wal_bytes", "aof_current_size"]
        found = next((n for n in names if n in info), None)
        if found:
            server.log_per_set = int(info[found]) / args.keys
            print("%s: %.1f bytes of log per SET (%s after %d SETs)" % (
                server.kind, server.log_per_set, found, args.keys))


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
            log_bytes(args, servers)
            ask(cairn, "BGSAVE")
            for server in servers:
                wait_idle(server)
            head()
            rows += compare(args, servers, mode)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
