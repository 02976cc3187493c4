#!/usr/bin/env python3
"""Judges every #include line against layers.txt: the direction of layers and of system headers."""
import argparse
import fnmatch
import os
import re
import sys

import source

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def rules(text):
    layers, private, system = {}, {}, []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        head, arrow, tail = line.partition("->")
        words = head.split()
        if not arrow or words[0] not in ("layer", "private", "system"):
            raise SystemExit("layers.txt:%d: not understood" % number)
        if words[0] == "layer":
            layers[words[1]] = set(tail.split()) | {words[1]}
        elif words[0] == "private":
            private[words[1]] = set(tail.split())
        else:
            system += [(w.strip("<>"), tail.split()) for w in words[1:]]
    return layers, private, system


def layer_of(path, layers):
    """The layer whose folder holds path; tests own their subfolders, other layers do not."""
    folder = os.path.dirname(path)
    if folder.split("/")[0] in ("tests", "tools"):
        folder = folder.split("/")[0]
    return folder if folder in layers else None


def match(path, pattern):
    """fnmatch whose * stops at a slash, but for a pattern that ends in /*."""
    if pattern.endswith("/*"):
        return path.startswith(pattern[:-1])
    return path.count("/") == pattern.count("/") and fnmatch.fnmatchcase(path, pattern)


def judge(path, text, table, exists):
    """Problems of one file, as lines of text."""
    layers, private, system = table
    problems = []
    mine = layer_of(path, layers)
    if mine is None:
        return ["%s: its folder is not in layers.txt" % path]
    code = source.blank(text, keep_strings=True)
    for hit in INCLUDE.finditer(code):
        where = "%s:%d" % (path, code.count("\n", 0, hit.start()) + 1)
        kind, name = hit.groups()
        if kind == "<":
            for pattern, places in system:
                if match(name, pattern) and not any(match(path, p) for p in places):
                    problems.append("%s: <%s> is for %s" % (where, name, " ".join(places)))
            continue
        if not exists(name):
            problems.append('%s: "%s" is not a path from the root' % (where, name))
            continue
        theirs = layer_of(name, layers)
        if theirs not in layers[mine]:
            problems.append('%s: %s may not include "%s"' % (where, mine, name))
        if name in private and theirs != mine and mine not in private[name]:
            problems.append('%s: "%s" is private to %s' % (where, name, theirs))
    return problems


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--root", default=".")
    root = options.parse_args().root
    table = rules(source.read(root, "tests/lint/layers.txt"))
    paths = source.files(root, ["engine", "cluster", "net", "tools", "tests"],
                         (".c", ".h", ".def"))
    problems = []
    for path in paths:
        problems += judge(path, source.read(root, path), table,
                          lambda name: os.path.isfile(os.path.join(root, name)))
    return source.report(problems, len(paths), "files")


if __name__ == "__main__":
    sys.exit(main())
