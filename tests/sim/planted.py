#!/usr/bin/env python3
"""Shows that the simulator or a golden script finds each planted bug of PLANTED.md, and nothing
without a bug. Prints what found each one."""
import argparse
import glob
import os
import re
import subprocess
import sys
import time


def run(command, bug, limit):
    env = dict(os.environ, CAIRN_BUG=str(bug))
    env.pop("CAIRN_TEST_LONG", None)
    try:
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=limit)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return 0, ""


def by_seeds(args, bug, first, count, seconds):
    code, out = run([args.sim, "--first", str(first), "--count", str(count), "--minutes", "5",
                     "--nodes", "16", "--seconds", str(seconds)], bug, seconds * 4 + 30)
    return out.splitlines()[0][:110] if code != 0 else None


def by_scripts(args, bug):
    for script in sorted(glob.glob(os.path.join(args.scripts, "*.txt"))):
        code, _ = run([args.golden, script], bug, 60)
        if code != 0:
            return "script " + os.path.basename(script)
    return None


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sim", required=True)
    options.add_argument("--golden", required=True)
    options.add_argument("--scripts", required=True)
    options.add_argument("--list", required=True)
    options.add_argument("--only", type=int)
    options.add_argument("--seconds", type=float, default=5, help="CPU seconds of seeds per bug")
    options.add_argument("--seeds-first", action="store_true",
                         help="find out what the invariants alone find")
    args = options.parse_args()
    with open(args.list, encoding="utf-8") as f:
        bugs = [int(hit) for hit in re.findall(r"^\| (\d+) \|", f.read(), re.M)]
    missed, seeds, scripts = [], 0, 0
    if by_scripts(args, 0) or by_seeds(args, 0, 1, 10, 5):
        print("something is found without any bug")
        return 1
    for bug in bugs if args.only is None else [args.only]:
        start = time.monotonic()
        if args.seeds_first:
            found = by_seeds(args, bug, 1, 400, args.seconds)
            seeds += found is not None
        else:
            found = by_scripts(args, bug)
            scripts += found is not None
        if found is None and args.seeds_first:
            found = by_scripts(args, bug)
            scripts += found is not None
        elif found is None:
            found = by_seeds(args, bug, 1, 400, args.seconds)
            seeds += found is not None
        if found is None:
            missed.append(bug)
        print("%d: %s (%.1f s)" % (bug, found or "MISSED", time.monotonic() - start), flush=True)
    print("%d bugs, %d found by seeds, %d by scripts, missed: %s"
          % (seeds + scripts + len(missed), seeds, scripts, missed or "none"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
