#!/usr/bin/env python3
"""From kill -9 under load to the first correct GET: Cairn beside redis-server with its AOF.

Both are loaded with the same keys, killed while clients write, and started again; the clock runs
from the start of the process until a GET of a key that was acknowledged before the kill gives its
value. CPU is what the process used until then."""
import argparse
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.resp import Client, Closed, plain  # noqa: E402
from harness.servers import Server, redis_binary  # noqa: E402

REDIS = {"appendonly": "yes", "auto-aof-rewrite-percentage": "0", "save": ""}


def load(args, server):
    begin = time.monotonic()
    subprocess.run([args.loadgen, "--port", str(server.port), "--command", "load", "--keys",
                    str(args.keys), "--pipeline", "64", "--size", "100"], check=True,
                   stdout=subprocess.DEVNULL)
    print("%s: %d keys of 100 bytes loaded in %.1f s" % (server.kind, args.keys,
                                                         time.monotonic() - begin))


def kill_under_load(args, server):
    """Acknowledges one write, then kills the server in the middle of many; returns that write."""
    if server.kind == "cairn":
        with server.client() as c:  # else each round adds the log of the one before to its own
            c.call("SAVE")
    writers = subprocess.Popen([args.loadgen, "--port", str(server.port), "--command", "set",
                                "--keys", str(args.keys), "--pipeline", "16", "--seconds", "60"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(args.seconds)
    with server.client() as c:
        value = b"acknowledged-%d" % time.time_ns()
        c.call("SET", "restart:probe", value)
    server.kill()
    writers.wait()
    return value


def restart(server, value, longest=600):
    """Seconds to the first correct GET, CPU seconds until then, and its resident set in MiB."""
    begin = time.monotonic()
    server.launch()
    while True:
        if server.process.poll() is not None:
            raise SystemExit("%s did not come up:\n%s" % (server.kind, server.tail()))
        try:
            with Client(server.port, timeout=60) as c:
                c.send(b"*2\r\n$3\r\nGET\r\n$13\r\nrestart:probe\r\n")
                reply = plain(c.read()[0])
            if reply == value:
                break
            if not isinstance(reply, Exception):
                raise SystemExit("%s lost an acknowledged write: %r" % (server.kind, reply))
        except (OSError, Closed):
            pass
        if time.monotonic() - begin > longest:
            raise SystemExit("%s is not up after %d s" % (server.kind, longest))
        time.sleep(0.001)
    return time.monotonic() - begin, server.cpu_seconds(), server.status_kb("VmRSS") / 1024


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--loadgen", required=True)
    options.add_argument("--keys", type=int, default=5000000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=2, help="writing before each kill")
    options.add_argument("--fsync", default="everysec")
    options.add_argument("--strict", action="store_true", help="a missed goal is an error")
    args = options.parse_args()
    medians = {}
    for kind, binary, own in (("cairn", args.cairn, {}), ("redis", redis_binary(), REDIS)):
        with Server(binary, kind, {**own, "appendfsync": args.fsync}) as server:
            server.start()
            load(args, server)
            found = []
            for _ in range(args.rounds):
                value = kill_under_load(args, server)
                found.append(restart(server, value))
                print("%s: first correct GET after %.3f s, %.2f CPU s, %.0f MiB resident" % (
                    (kind,) + found[-1]))
            medians[kind] = [statistics.median(column) for column in zip(*found)]
    print("median: cairn %.3f s, redis-server %.3f s: %.0f times faster; CPU %.2f s and %.2f s" % (
        medians["cairn"][0], medians["redis"][0], medians["redis"][0] / medians["cairn"][0],
        medians["cairn"][1], medians["redis"][1]))
    ratio = medians["redis"][0] / medians["cairn"][0]
    good = medians["cairn"][0] < 0.5 and ratio >= 20
    print("%-6s first correct GET after %.3f s, goal < 0.5 s; %.0f times faster, goal >= 20" % (
        "met" if good else "MISSED", medians["cairn"][0], ratio))
    return 0 if good or not args.strict else 1


if __name__ == "__main__":
    sys.exit(main())
