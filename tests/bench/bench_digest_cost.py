#!/usr/bin/env python3
"""What slot digests cost a write: the share of all CPU samples of a node, from the first SET of a
load to the end of the checkpoint that follows, that fall into hashing values for digests and adding
them up. Divergence archives cost a write nothing: they are made when a node rejoins. Needs perf."""
import argparse
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.servers import Server  # noqa: E402

GOAL = 3.0  # percent
RATE = 4999  # samples a second of CPU
# The 128-bit hash is digests' own; the 64-bit one is counted wherever it is used.
DIGEST = re.compile(r"digest_|kept_entry_read|store_txn_sum|XXH3_(hashLong|len_\w*)_?128b|"
                    r"XXH3_128bits_withSeed|XXH_INLINE_XXH3_64bits$")
LINE = re.compile(r"\s*([0-9.]+)%\s+\[.\]\s+(\S+)")


def load(args, server, *more):
    return subprocess.run([args.loadgen, "--port", str(server.port), "--keys", str(args.keys),
                           "--size", "100", "--clients", "50", *more], check=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout


def save(server):
    with server.client(timeout=600) as c:
        c.call("SAVE")


def share(path):
    """(percent of digests, samples in all)."""
    report = subprocess.run(["perf", "report", "-i", path, "--sort", "symbol", "--stdio"],
                            check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True).stdout
    found = [m.groups() for m in map(LINE.match, report.splitlines()) if m]
    samples = re.search(r"Samples: (\S+)", report)
    return (sum(float(percent) for percent, symbol in found if DIGEST.search(symbol)),
            samples.group(1) if samples else "?")


def measure(args, mode, depth, requests):
    server = Server(args.cairn, "cairn", {"appendfsync": mode}).start()
    path = server.dir + ".perf"
    try:
        load(args, server, "--command", "load", "--pipeline", "16")
        save(server)
        perf = subprocess.Popen(["perf", "record", "-F", str(RATE), "-p", str(server.process.pid),
                                 "-o", path], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        time.sleep(1)
        load(args, server, "--command", "set", "--pipeline", str(depth), "--requests",
             str(requests))
        save(server)
        perf.send_signal(signal.SIGINT)
        perf.wait()
        percent, samples = share(path)
        print("SET, %s, P=%d, %d keys, %d requests: digests %.2f%% of the node's CPU (%s samples); "
              "goal at most %.0f%%: %s" % (mode, depth, args.keys, requests, percent, samples, GOAL,
                                           "met" if percent <= GOAL else "MISSED"), flush=True)
    finally:
        server.close()
        if os.path.exists(path):
            os.unlink(path)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--cairn", required=True, help="path of cairn-server")
    options.add_argument("--loadgen", required=True)
    options.add_argument("--keys", type=int, default=1000000)
    options.add_argument("--requests", type=int, default=3000000, help="at P=16; a tenth at P=1")
    args = options.parse_args()
    measure(args, "everysec", 16, args.requests)
    measure(args, "always", 1, args.requests // 10)


if __name__ == "__main__":
    main()
