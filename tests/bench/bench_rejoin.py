#!/usr/bin/env python3
"""Rejoin: an old primary, whose successor has taken the role, comes back with writes that nobody
else has: seconds from the command to follow the successor until the link is up, and bytes that the
successor sent. Cairn with its checkpoint before and after the fork, beside redis-server's full copy
in the same scenario."""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.link import Link  # noqa: E402
from harness.servers import Server, info, redis_binary  # noqa: E402
from harness.shard import lsn, replication, until, wait_linked  # noqa: E402

BATCH = 1000


def fill(server, keys, size):
    value = "x" * size
    with server.client() as c:
        for first in range(0, keys, BATCH):
            c.call("MSET", *[w for i in range(first, min(first + BATCH, keys))
                             for w in ("key:%d" % i, value)])


def write(server, prefix, count):
    with server.client() as c:
        c.pipeline([("SET", "key:%d" % (i * 7), prefix + str(i)) for i in range(count)])


def start(args, kind, **options):
    if kind == "redis":
        return Server(redis_binary(), "redis", {"appendonly": "no", **options}).start()
    return Server(args.cairn, "cairn", {"appendfsync": "everysec", **options}).start()


def measure(args, kind, checkpoint):
    old = start(args, kind)
    new = start(args, kind, replicaof=["127.0.0.1", old.port])
    link = Link(new.port)
    try:
        wait_linked(new, seconds=120)
        fill(old, args.keys, args.size)
        until(lambda: lsn(old) == lsn(new), 300, "equal positions")
        if kind == "cairn":
            for server in (old, new):
                with server.client() as c:
                    until(lambda client=c: client.call("SAVE") == b"OK", 300, "a checkpoint")
        with new.client() as c:
            c.call("REPLICAOF", "NO", "ONE")
        write(old, "lost", args.writes)
        write(new, "new", args.writes)
        if checkpoint:
            with old.client() as c:
                c.call("SAVE")
        begin = time.monotonic()
        with old.client() as c:
            c.call("REPLICAOF", "127.0.0.1", link.port)
        wait_linked(old, seconds=600)
        took = time.monotonic() - begin
        until(lambda: lsn(old) == lsn(new), 60, "equal positions")
        with old.client() as c, new.client() as d:
            assert c.call("GET", "key:7") == d.call("GET", "key:7") == b"new1"
            assert c.call("DBSIZE") == d.call("DBSIZE") == args.keys
            full = info(d, "stats")["sync_full"]
        state = replication(old)
        way = ("by its log" if state.get("rejoined_by_log") == "1" else
               "by keys" if state.get("rejoined_by_keys") == "1" else "full copy")
        print("%-5s  %d keys, %d divergent writes, checkpoint %s the fork: %7.3f s, %11d bytes, "
              "%s%s" % (kind, args.keys, args.writes, "after" if checkpoint else "before", took,
                        link.bytes, way, "" if full == "0" else ", full syncs: " + full),
              flush=True)
    finally:
        link.close()
        old.close()
        new.close()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cairn", required=True, help="path of cairn-server")
    options.add_argument("--keys", type=int, default=1000000)
    options.add_argument("--size", type=int, default=100, help="bytes of a value")
    options.add_argument("--writes", type=int, default=1000)
    options.add_argument("--kinds", default="cairn,redis")
    args = options.parse_args()
    for kind in args.kinds.split(","):
        for checkpoint in (False, True) if kind == "cairn" else (False,):
            measure(args, kind, checkpoint)


if __name__ == "__main__":
    main()
