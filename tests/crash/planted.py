#!/usr/bin/env python3
"""Shows that the crash tests can fail: every planted bug of PLANTED.md is switched on in turn, and
the test that the list names must fail. Prints what caught each one.

The short form gives the tests small counts; with CAIRN_TEST_LONG they have those of the plain
build. Before that none of them may fail without a bug."""
import argparse
import concurrent.futures
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

SITE = re.compile(r"\bPLANTED\((\d+)\)")
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| (\w+) \|$", re.M)
BUGS_MIN = 20
JOBS = 2
SHORT = {"CAIRN_IMAGES": "600", "CAIRN_FAULTS": "6", "CAIRN_STORE_CASES": "12",
         "CAIRN_LOG_STEP": "11"}
TINY = {"CAIRN_IMAGES": "60", "CAIRN_FAULTS": "1", "CAIRN_STORE_CASES": "10",
        "CAIRN_LOG_STEP": "199"}


def planted(folder):
    """The numbers that the source has."""
    found = set()
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".c"):
                with open(os.path.join(path, name), encoding="utf-8") as f:
                    found.update(int(number) for number in SITE.findall(f.read()))
    return found


def differences(bugs, sites):
    """What the list and the source disagree about."""
    problems = ["%d is planted but not listed" % n for n in sorted(sites - bugs.keys())]
    problems += ["%d is listed but not planted" % n for n in sorted(bugs.keys() - sites)]
    if len(bugs) < BUGS_MIN:
        problems.append("there are only %d bugs" % len(bugs))
    return problems


def run(program, bug, counts, limit):
    """True when the test passes with the bug. One that hangs because of it has not noticed it: a
    machine that is busy must not count as a catch."""
    env = dict(os.environ, CAIRN_BUG=str(bug), CAIRN_IMPATIENT="1", CMOCKA_TEST_ABORT="1", **counts)
    env.pop("CAIRN_TEST_LONG", None)
    with tempfile.TemporaryDirectory(dir=None if "TMPDIR" in env else memory()) as folder:
        env["TMPDIR"] = folder
        try:
            done = subprocess.run([program], env=env, timeout=limit, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False)
        except subprocess.TimeoutExpired:
            return True
    return done.returncode == 0


def memory():
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--source", required=True)
    options.add_argument("--list", required=True)
    options.add_argument("--only", type=int, action="append", help="this bug")
    options.add_argument("programs", nargs="+", help="test=program")
    args = options.parse_args()
    programs = dict(word.split("=", 1) for word in args.programs)
    with open(args.list, encoding="utf-8") as f:
        bugs = {int(number): test for number, test in ROW.findall(f.read())}
    problems = differences(bugs, planted(args.source))
    if problems:
        print("\n".join(problems))
        return 1
    long_form = "CAIRN_TEST_LONG" in os.environ
    counts, limit = ({}, 1200) if long_form else (SHORT, 120)
    # A test that notices its bug aborts; nobody wants 40 core files.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def hunt(bug):
        began = time.monotonic()
        caught = not run(programs[bugs[bug]], bug, counts, limit)
        print("%d: %s %s (%.1f s)" % (bug, "caught by" if caught else "MISSED by", bugs[bug],
                                      time.monotonic() - began), flush=True)
        return caught

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        tests = sorted(set(bugs.values()))
        bad = [test for test, passed in zip(tests, pool.map(
            lambda name: run(programs[name], 0, {} if long_form else TINY, limit), tests))
               if not passed]
        if bad:
            print("without a bug these fail: " + " ".join(bad))
            return 1
        chosen = args.only or sorted(bugs)
        missed = [bug for bug, caught in zip(chosen, pool.map(hunt, chosen)) if not caught]
    print("%d bugs, missed: %s" % (len(chosen), missed or "none"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
