#!/usr/bin/env python3
"""Reads of a dataset four times larger than the memory there is for it.

    tests/bench/bench_cold.py --cairn build/release/cairn-server \\
        --loadgen build/release/tests/loadgen

The node runs in a memory cgroup (version 1 or 2; needs root), whose limit also covers the page
cache of its files. One set of clients asks for a few hot keys, first alone and then beside another
set that asks for all keys at random. Shown are the hot keys' p99 in both, and the major faults of
the thread that runs commands: there should be none, as other threads fetch what is not in
memory."""
import argparse
import json
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from bench_compare import ask, wait_idle  # noqa: E402
from harness.memory_group import MemoryGroup  # noqa: E402
from harness.servers import Server  # noqa: E402


def major_faults(server):
    """Of the thread that runs commands."""
    pid = server.process.pid
    with open("/proc/%d/task/%d/stat" % (pid, pid)) as f:
        return int(f.read().rsplit(")", 1)[1].split()[9])


def load(args, server, keys, **options):
    command = [args.loadgen, "--port", server.port, "--keys", keys, "--size", args.size]
    for name, value in options.items():
        command += ["--" + name, value]
    done = subprocess.run([str(c) for c in command], text=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def measure(args, server):
    """Hot keys alone, then beside cold ones."""
    hot = {"command": "get", "clients": 10, "rate": args.rate, "seconds": args.seconds}
    load(args, server, args.hot, **{**hot, "seconds": 1})
    alone = load(args, server, args.hot, **hot)
    cold = {}
    before = major_faults(server)
    beside = threading.Thread(target=lambda: cold.update(load(
        args, server, args.keys, command="get", clients=50, seconds=args.seconds, seed=7)))
    beside.start()
    both = load(args, server, args.hot, **hot)
    beside.join()
    return alone, both, cold, major_faults(server) - before


def fill(args):
    """A data directory with all keys, in a server without a limit."""
    server = Server(args.cairn, "cairn", {"appendfsync": "everysec", "wal-keep-size": "64mb"})
    server.start()
    load(args, server, args.keys, command="load", pipeline=64)
    ask(server, "BGSAVE")
    wait_idle(server)
    server.stop()
    return server


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--loadgen", required=True)
    options.add_argument("--keys", type=int, default=1000000)
    options.add_argument("--size", type=int, default=400, help="bytes of a value")
    options.add_argument("--hot", type=int, default=1000, help="number of hot keys")
    options.add_argument("--rate", type=int, default=2000, help="GETs of hot keys per second")
    options.add_argument("--seconds", type=float, default=8, help="length of a run")
    options.add_argument("--strict", action="store_true", help="a missed goal is an error")
    args = options.parse_args()
    server = fill(args)
    group = None
    try:
        size = os.path.getsize(os.path.join(server.dir, "keyspace.mdb"))
        os.sync()
        group = MemoryGroup(size // 4)
        if group.path is None:
            sys.exit("cannot make a memory cgroup: %s" % group.error)
        # What is in the page cache belongs to nobody's limit until it is read anew.
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1")
        server.options["memtable-max"] = "4mb"
        server.start(group.prefix())
        alone, both, cold, faults = measure(args, server)
        resident = server.status_kb("VmRSS") / 1024
    finally:
        server.close()
        if group is not None:
            group.close()
    ratio = both["p99_us"] / alone["p99_us"]
    print("data file %.0f MB, limit %.0f MB, resident %.0f MB" % (
        size / 1e6, size / 4e6, resident))
    print("cold keys: %.0f GETs/s, p50 %.0f us, p99 %.0f us" % (
        cold["per_second"], cold["p50_us"], cold["p99_us"]))
    print("hot keys: p50 %.0f us and p99 %.0f us alone, %.0f us and %.0f us beside cold ones" % (
        alone["p50_us"], alone["p99_us"], both["p50_us"], both["p99_us"]))
    print("%-6s major faults of the thread that runs commands: %d in %d GETs, goal 0" % (
        "met" if faults == 0 else "MISSED", faults, cold["requests"] + both["requests"]))
    print("%-6s p99 of hot keys beside cold ones, over alone: %.2fx, goal <= 2" % (
        "met" if ratio <= 2 else "MISSED", ratio))
    return 1 if args.strict and (faults or ratio > 2) else 0


if __name__ == "__main__":
    sys.exit(main())
