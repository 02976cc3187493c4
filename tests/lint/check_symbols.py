#!/usr/bin/env python3
"""Judges what the built libraries call: nm -u of each against the deny lists of symbols.txt, so
that "no sockets, no clock, no hidden allocation below net/" is a test result."""
import argparse
import fnmatch
import os
import re
import subprocess
import sys

import source

LINE = re.compile(r"^[^:]*:([^:]+):\s+[Uuw]\s+(\S+)$")


def rules(text, unoptimised=False):
    libs, deny, allow = [], {}, {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "libs":
            libs += words[1:]
        elif words[0] == "deny":
            deny.setdefault(words[1], []).extend(words[2:])
        elif words[0] == "allow-unoptimised" and words[1] in deny:
            if unoptimised:
                allow.setdefault((words[1], words[2]), []).extend(words[3:])
        elif words[0] == "allow" and words[1] in deny:
            allow.setdefault((words[1], words[2]), []).extend(words[3:])
        else:
            raise SystemExit("symbols.txt:%d: not understood" % number)
    return libs, deny, allow


def judge(lib, listing, deny, allow):
    """Problems in the output of nm -A --undefined-only; also how many symbols were seen."""
    problems, seen = [], 0
    for line in listing.splitlines():
        hit = LINE.match(line)
        if hit is None:
            continue
        seen += 1
        name = hit.group(2).split("@")[0]
        for kind, patterns in deny.items():
            if not any(fnmatch.fnmatchcase(name, p) for p in patterns):
                continue
            if not any(fnmatch.fnmatchcase(hit.group(1), o) for o in allow.get((kind, lib), [])):
                problems.append("libcairn_%s.a: %s calls %s (%s)" % (lib, hit.group(1), name, kind))
    return problems, seen


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--root", default=".")
    options.add_argument("--build", required=True)
    options.add_argument("--unoptimised", action="store_true")
    options.add_argument("--absent", default="", help="layers that have no source yet")
    args = options.parse_args()
    libs, deny, allow = rules(source.read(args.root, "tests/lint/symbols.txt"), args.unoptimised)
    problems, checked = [], 0
    for lib in [lib for lib in libs if lib not in args.absent.split(",")]:
        path = os.path.join(args.build, "libcairn_%s.a" % lib)
        if not os.path.exists(path):
            problems.append("%s is not there: build before linting" % path)
            continue
        listing = subprocess.run(["nm", "-A", "--undefined-only", path], check=True, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        found, seen = judge(lib, listing, deny, allow)
        problems += found
        checked += seen
    return source.report(problems, checked, "symbols")


if __name__ == "__main__":
    sys.exit(main())
