#!/usr/bin/env python3
"""Reads of a dataset four times larger than the memory there is for it.

    tests/bench/bench_cold.py --cairn build/release/cairn-server \\
        --loadgen build/release/tests/loadgen

The node runs in a memory cgroup (version 1 or 2; needs root), whose limit also covers the page
cache of its files. One set of clients asks for a few hot keys, first alone and then beside another
set that asks for all keys at random: so many times a second, then as fast as they get replies.
Shown are the hot keys' p99 in each, and the major faults of the thread that runs commands: there
should be none, as other threads fetch what is not in memory.

The last run takes all CPUs that there are, so what it measures is also who gets one, and on a
virtual machine whether its host lets it have them: standstill (standstill.c) runs beside each, and
how long all CPUs stood still at once is shown as well. No p99 can be below that once it is more
than a hundredth of the time."""
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


def measure(args, server, cold_rate):
    """Hot keys, beside cold ones unless cold_rate is None (0: as fast as they can)."""
    hot = {"command": "get", "clients": 10, "rate": args.rate, "seconds": args.seconds}
    cold, before = {}, major_faults(server)
    still = subprocess.Popen([os.path.join(os.path.dirname(args.loadgen), "standstill"),
                              "--seconds", str(args.seconds)], text=True, stdout=subprocess.PIPE)
    beside = threading.Thread(target=lambda: cold.update(load(
        args, server, args.keys, command="get", clients=50, rate=cold_rate,
        seconds=args.seconds, seed=7)))
    if cold_rate is not None:
        beside.start()
    found = load(args, server, args.hot, **hot)
    if cold_rate is not None:
        beside.join()
    found["cold"], found["faults"] = cold, major_faults(server) - before
    found["still"] = json.loads(still.communicate()[0] or "null")
    return found


def show(name, found):
    print("%s: hot keys p50 %.0f us, p99 %.0f us" % (name, found["p50_us"], found["p99_us"]))
    if found["cold"]:
        print("  cold keys: %.0f GETs/s, p50 %.0f us, p99 %.0f us" % (
            found["cold"]["per_second"], found["cold"]["p50_us"], found["cold"]["p99_us"]))
    if found["still"]:
        print("  the machine stood still %.1f %% of the time, up to %.1f ms" % (
            found["still"]["total_us"] / found["still"]["seconds"] / 1e4,
            found["still"]["longest_us"] / 1e3))


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
    options.add_argument("--cold-rate", type=int, default=1000,
                         help="GETs of cold keys per second in the paced run")
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
        load(args, server, args.hot, command="get", clients=10, rate=args.rate, seconds=1)
        alone = measure(args, server, None)
        paced, full = measure(args, server, args.cold_rate), measure(args, server, 0)
        resident = server.status_kb("VmRSS") / 1024
    finally:
        server.close()
        if group is not None:
            group.close()
    print("data file %.0f MB, limit %.0f MB, resident %.0f MB" % (
        size / 1e6, size / 4e6, resident))
    good = True
    for name, found in (("alone", alone), ("beside %d cold ones/s" % args.cold_rate, paced),
                        ("beside cold ones at full speed", full)):
        show(name, found)
        ratio = found["p99_us"] / alone["p99_us"]
        gets = found["requests"] + found["cold"].get("requests", 0)
        good &= ratio <= 2 and found["faults"] == 0
        print("%-6s major faults of the thread that runs commands: %d in %d GETs, goal 0" % (
            "met" if found["faults"] == 0 else "MISSED", found["faults"], gets))
        if found["cold"]:
            print("%-6s p99 of hot keys beside cold ones, over alone: %.2fx, goal <= 2" % (
                "met" if ratio <= 2 else "MISSED", ratio))
    return 1 if args.strict and not good else 0


if __name__ == "__main__":
    sys.exit(main())
