#!/usr/bin/env python3
"""Failover: from kill -9 of a primary under load to the first acknowledged write to its slots, and
how long writes stand still when a primary is stopped by SIGTERM. Cairn beside redis-server: three
primaries with a replica each on this machine, the same load on all of them."""
import argparse
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness import cluster  # noqa: E402


def round_of(nodes, how, number):
    """Ends the primary of one shard; milliseconds without an acknowledged write."""
    tag = nodes.TAGS[number % nodes.shards]
    victim = nodes.primary(tag)
    ports = [s.port for s in nodes.nodes if s is not victim]
    writers = {t: cluster.Writer([s.port for s in nodes.nodes], t) for t in nodes.TAGS}
    time.sleep(1.0)
    mine = writers[tag]
    mine.gap = 0.0
    before = mine.acknowledged
    begin = time.monotonic()
    if how == "kill":
        victim.kill()
        # A client that does nothing but wait for this.
        end = cluster.Writer(ports, tag)
        while end.acknowledged == 0 and time.monotonic() - begin < 120:
            time.sleep(0.001)
        took = time.monotonic() - begin
        end.stop()
    else:
        victim.stop()
        cluster.until(lambda: mine.acknowledged > before + 100, "writes go on")
        took = mine.gap
    for writer in writers.values():
        writer.stop()
    victim.start()
    nodes.settle()
    return took * 1000


def measure(args, kind, timeout, how):
    if kind == "cairn":
        nodes = cluster.Cluster(lambda: cluster.node(args.cairn, timeout=timeout))
    else:
        nodes = cluster.Cluster(lambda: cluster.redis_node(timeout=timeout, appendonly="yes"))
    try:
        nodes.form()
        time.sleep(2.0)
        times = [round_of(nodes, how, i) for i in range(args.rounds)]
    finally:
        nodes.close()
    print("%-5s  %s  node timeout %5d ms: median %6.0f ms, from %6.0f to %6.0f, %d rounds" % (
        kind, "SIGKILL" if how == "kill" else "SIGTERM", timeout, statistics.median(times),
        min(times), max(times), len(times)), flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cairn", required=True, help="path of cairn-server")
    options.add_argument("--timeouts", default="1000,2000,5000", help="cluster-node-timeout, ms")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--kinds", default="cairn,redis")
    options.add_argument("--how", default="kill,term")
    args = options.parse_args()
    for timeout in map(int, args.timeouts.split(",")):
        for how in args.how.split(","):
            for kind in args.kinds.split(","):
                measure(args, kind, timeout, how)


if __name__ == "__main__":
    main()
