#!/usr/bin/env python3
"""Adds up ctest's JUnit reports: a cmocka or unittest program counts as many tests as it ran, any
other entry as one. The last line is the sum; the exit code is 1 when anything failed."""
import re
import sys
import xml.etree.ElementTree as tree

RAN = re.compile(r"^\[==========\] (?:\S+: )?(\d+) test\(s\) run|^Ran (\d+) tests? in", re.M)
FAILED = re.compile(r"^\[  FAILED  \] (?:\S+: )?(\d+) test\(s\)"
                    r"|^FAILED \((?:failures=(\d+))?", re.M)


def cases(output, pattern):
    return sum(int(next(filter(None, hit.groups()), 1)) for hit in pattern.finditer(output))


def count(path):
    """(tests, failures, skipped entries) of one report."""
    tests = failures = skipped = 0
    for case in tree.parse(path).getroot().iter("testcase"):
        output = "".join(case.findtext("system-out") or "")
        status = case.get("status")
        if status in ("disabled", "notrun"):
            skipped += 1
            continue
        tests += max(1, cases(output, RAN))
        if status != "run":
            failures += max(1, cases(output, FAILED))
    return tests, failures, skipped


def main():
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        total = [a + b for a, b in zip(total, count(path))]
    note = ", %d skipped" % total[2] if total[2] else ""
    print("%d tests, %d failures%s" % (total[0], total[1], note))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
