#!/usr/bin/env python3
"""What replicas cost, beside redis-server: bytes on the wire, the primary's CPU, and a full copy.

    cmake --preset release && cmake --build --preset release
    tests/bench/bench_replication.py --cairn build/release/cairn-server \\
        --loadgen build/release/tests/loadgen [--parts wire,cpu,copy] [--keys 1000000]

wire: bytes sent to one replica per SET of a JSON-like value. cpu: the primary's CPU per SET
with three replicas over that with one, the median of rounds in turn. copy: a full copy of all
keys under a light load: its time, the growth of the primary's own memory, and the clients' p99
during the copy over that before it."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.servers import Server, info, redis_binary  # noqa: E402
from harness.shard import until  # noqa: E402
from bench_compare import wait_idle  # noqa: E402

REDIS = {"appendonly": "yes", "auto-aof-rewrite-percentage": "0", "save": "",
         "repl-diskless-sync": "yes", "repl-diskless-sync-delay": "0",
         "client-output-buffer-limit": ["replica", "0", "0", "0"],
         "repl-backlog-size": "512mb"}


def load(args, server, **options):
    command = [args.loadgen, "--port", server.port, "--keys", args.keys, "--size", 100]
    for name, value in options.items():
        command += ["--" + name, value]
    done = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def section(server, name):
    with server.client() as c:
        return info(c, name)


def start(args, kind):
    binary = args.cairn if kind == "cairn" else redis_binary()
    options = {"appendfsync": "everysec"} if kind == "cairn" else {**REDIS,
                                                                  "appendfsync": "everysec"}
    return Server(binary, kind, options).start()


def replica_of(args, primary):
    binary = args.cairn if primary.kind == "cairn" else redis_binary()
    options = {} if primary.kind == "cairn" else dict(REDIS)
    server = Server(binary, primary.kind, {**options, "appendfsync": "everysec", "replicaof":
                                           ["127.0.0.1", primary.port]}).start()
    until(lambda: section(server, "replication").get("master_link_status") == "up", 600, "the link")
    return server


def settle(primary, replicas):
    def position(server):
        return section(server, "replication")["master_repl_offset"]
    until(lambda: len({position(s) for s in [primary] + replicas}) == 1, 600, "equal offsets")


def wire(args, kind):
    """Bytes per SET to one replica."""
    with start(args, kind) as primary, replica_of(args, primary) as replica:
        before = int(section(primary, "stats")["total_net_repl_output_bytes"])
        load(args, primary, command="load", clients=50, pipeline=args.pipeline)
        settle(primary, [replica])
        return (int(section(primary, "stats")["total_net_repl_output_bytes"]) - before) / args.keys


def cpu(args, kind, replicas):
    """The primary's CPU microseconds per SET."""
    with start(args, kind) as primary:
        followers = [replica_of(args, primary) for _ in range(replicas)]
        try:
            # The first load touches memory that a machine may have to find first.
            for _ in range(2):
                wait_idle(primary)
                began = primary.cpu_seconds()
                load(args, primary, command="load", clients=50, pipeline=args.pipeline)
                settle(primary, followers)
            return (primary.cpu_seconds() - began) / args.keys * 1e6
        finally:
            for f in followers:
                f.close()


def copy(args, kind):
    """Seconds, megabytes, p99 ratio."""
    with start(args, kind) as primary:
        load(args, primary, command="load", clients=50, pipeline=64)
        if kind == "cairn":
            with primary.client(timeout=600) as c:
                c.call("SAVE")
        light = {"command": "get", "clients": 4, "pipeline": 1, "seconds": 4}
        before = load(args, primary, **light)
        memory, peak, during, done = primary.status_kb("RssAnon"), [0], [], threading.Event()

        def watch():
            while not done.is_set():
                peak[0] = max(peak[0], primary.status_kb("RssAnon") + children_kb(primary))
                time.sleep(0.05)

        def clients():
            while not done.is_set():
                during.append(load(args, primary, **{**light, "seconds": 1}))

        threads = [threading.Thread(target=watch), threading.Thread(target=clients)]
        for t in threads:
            t.start()
        began = time.monotonic()
        replica = replica_of(args, primary)
        took = time.monotonic() - began
        done.set()
        for t in threads:
            t.join()
        with primary.client() as a, replica.client() as b:
            settle(primary, [replica])
            assert a.call("DBSIZE") == b.call("DBSIZE")
        replica.close()
        p99 = sorted(d["p99_us"] for d in during)[len(during) // 2]
        return took, (peak[0] - memory) / 1024, p99, before["p99_us"]


def children_kb(server):
    """Private memory of a child that a fork made: what it has copied."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                parent = int(f.read().rsplit(")", 1)[1].split()[1])
            if parent != server.process.pid:
                continue
            with open("/proc/%s/smaps_rollup" % pid) as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith(
                    "Private_Dirty"))
        except (OSError, ValueError):
            continue
    return total


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--loadgen", required=True)
    options.add_argument("--parts", default="wire,cpu,copy")
    options.add_argument("--keys", type=int, default=1000000)
    options.add_argument("--pipeline", type=int, default=16)
    options.add_argument("--rounds", type=int, default=3)
    args = options.parse_args()
    parts = args.parts.split(",")
    if "wire" in parts:
        mine, theirs = wire(args, "cairn"), wire(args, "redis")
        print("wire: %.1f bytes per SET, redis-server %.1f: %.2fx (goal 0.30x)" % (
            mine, theirs, mine / theirs))
    if "cpu" in parts:
        rounds = [(cpu(args, "cairn", 1), cpu(args, "cairn", 3)) for _ in range(args.rounds)]
        one, three = (statistics.median(column) for column in zip(*rounds))
        print("cpu: %.2f us per SET with three replicas, %.2f with one: %.2fx (goal 1.15x)" % (
            three, one, three / one))
    if "copy" in parts:
        mine, theirs = copy(args, "cairn"), copy(args, "redis")
        print("copy of %d keys: %.1f s, redis-server %.1f s: %.2fx (goal 1.0x)" % (
            args.keys, mine[0], theirs[0], mine[0] / theirs[0]))
        print("copy: primary's memory +%.0f MiB (goal 64), redis-server with its fork +%.0f MiB" % (
            mine[1], theirs[1]))
        print("copy: clients' p99 %.0f us, before it %.0f: %.2fx (goal 1.5x); redis-server %.0f, "
              "%.0f: %.2fx" % (mine[2:] + (mine[2] / mine[3],) +
                               theirs[2:] + (theirs[2] / theirs[3],)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
