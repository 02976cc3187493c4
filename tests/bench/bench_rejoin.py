#!/usr/bin/env python3
"""Rejoin: an old primary, whose successor has taken the role, comes back with writes that nobody
else has: seconds from the command to follow the successor until the link is up, and bytes that the
successor sent. Cairn with its checkpoint before and after the fork, beside redis-server's full copy
in the same scenario. The dataset is written once, and copied to the replica in full; of Cairn the
two change roles between the two cases."""
import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.link import Link  # noqa: E402
from harness.servers import Server, info, redis_binary  # noqa: E402
from harness.shard import lsn, replication, until, wait_linked  # noqa: E402

BATCH = 1000
GOAL_S = 2.0


def fill(server, keys, size):
    """Values that differ, as compressible as hexadecimal digits are."""
    pool = random.Random(1).randbytes(1 << 19).hex()
    room = len(pool) - size
    with server.client() as c:
        for first in range(0, keys, BATCH):
            c.call("MSET", *[w for i in range(first, min(first + BATCH, keys))
                             for w in ("key:%d" % i, pool[i * 7919 % room:][:size])])


def write(server, prefix, count):
    with server.client() as c:
        c.pipeline([("SET", "key:%d" % (i * 7), prefix + str(i)) for i in range(count)])


def start(args, kind, **options):
    if kind == "redis":
        return Server(redis_binary(), "redis", {"appendonly": "no", **options}).start()
    return Server(args.cairn, "cairn", {"appendfsync": "everysec", **options}).start()


def full_copies(server):
    with server.client() as c:
        return int(info(c, "stats")["sync_full"])


def save(server):
    with server.client() as c:
        until(lambda: c.call("SAVE") == b"OK", 300, "a checkpoint")


def ways(server):
    """How often it came back in which way."""
    state = replication(server)
    return {"by " + name: int(state.get("rejoined_by_" + name, 0)) for name in ("log", "keys")}


def rejoin(args, kind, old, new, checkpoint, word):
    """Both have the same; the replica, new, takes the role, and each gets writes of its own."""
    link = Link(new.port)
    try:
        with new.client() as c:
            c.call("REPLICAOF", "NO", "ONE")
        write(old, "lost" + word, args.writes)
        write(new, "new" + word, args.writes)
        if checkpoint:
            save(old)
        before, copies = ways(old), full_copies(new)
        begin = time.monotonic()
        with old.client() as c:
            c.call("REPLICAOF", "127.0.0.1", link.port)
        wait_linked(old, seconds=600)
        took = time.monotonic() - begin
        until(lambda: lsn(old) == lsn(new), 60, "equal positions")
        copies = full_copies(new) - copies
        with old.client() as c, new.client() as d:
            assert c.call("GET", "key:7") == d.call("GET", "key:7") == b"new%s1" % word.encode()
            assert c.call("DBSIZE") == d.call("DBSIZE") == args.keys
            # What comes next goes without the counting proxy.
            c.call("REPLICAOF", "127.0.0.1", new.port)
        sent = link.bytes
        wait_linked(old)
    finally:
        link.close()
    way = [name for name, times in ways(old).items() if times > before[name]]
    print("%-5s  %d keys, %d divergent writes, checkpoint %s the fork: %7.3f s, %11d bytes, %s%s"
          % (kind, args.keys, args.writes, "after" if checkpoint else "before", took, sent,
             "full copy" if copies else "".join(way),
             "" if kind == "redis" else "; goal %.0f s without a full copy: %s" % (
                 GOAL_S, "met" if took <= GOAL_S and not copies else "MISSED")), flush=True)


def measure(args, kind):
    old = start(args, kind)
    servers = [old]
    try:
        fill(old, args.keys, args.size)
        if kind == "cairn":
            save(old)
        new = start(args, kind, replicaof=["127.0.0.1", old.port])
        servers.append(new)
        wait_linked(new, seconds=600)
        until(lambda: lsn(old) == lsn(new), 300, "equal positions")
        rejoin(args, kind, old, new, False, "A")
        if kind == "cairn":
            rejoin(args, kind, new, old, True, "B")
    finally:
        for server in servers:
            server.close()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cairn", required=True, help="path of cairn-server")
    options.add_argument("--keys", type=int, default=1000000)
    options.add_argument("--size", type=int, default=100, help="bytes of a value")
    options.add_argument("--writes", type=int, default=1000)
    options.add_argument("--kinds", default="cairn,redis")
    args = options.parse_args()
    for kind in args.kinds.split(","):
        measure(args, kind)


if __name__ == "__main__":
    main()
