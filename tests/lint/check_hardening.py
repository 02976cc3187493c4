#!/usr/bin/env python3
"""Judges the programs that are shipped by what readelf says of them: position independent, nothing
linked late, relocated data and the stack not for writing or running, canaries and checked copies
compiled in."""
import argparse
import re
import subprocess
import sys

WANTED = (
    ("no PIE (-pie)", r"^\s*Flags:.*\bPIE\b|^.*\(FLAGS_1\).*\bPIE\b"),
    ("links late (-z now)", r"^.*\(FLAGS_1\).*\bNOW\b|^.*\(BIND_NOW\)"),
    ("relocated data stays writable (-z relro)", r"^\s*GNU_RELRO\b"),
    ("no stack canaries (-fstack-protector-strong)", r"\b__stack_chk_fail\b"),
    ("no checked copies (_FORTIFY_SOURCE)", r"\b__\w+_chk\b(?<!__stack_chk_fail)"),
)
STACK = re.compile(r"^\s*GNU_STACK\b.*\n?.*\bRWE\b", re.M)


def judge(path, listing):
    problems = [path + ": " + what for what, mark in WANTED
                if re.search(mark, listing, re.M) is None]
    if STACK.search(listing):
        problems.append(path + ": its stack can be run (-z noexecstack)")
    return problems


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--root", default=".")
    options.add_argument("programs", nargs="+")
    args = options.parse_args()
    problems = []
    for program in args.programs:
        listing = subprocess.run(
            ["readelf", "--wide", "--dynamic", "--program-headers", "--dyn-syms", program],
            check=True, stdout=subprocess.PIPE, text=True).stdout
        problems += judge(program, listing)
    print("\n".join(problems) or "%d programs are hardened" % len(args.programs))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
