#!/usr/bin/env python3
"""Judges the shape of the source: sizes, names, guards, comments, banned calls, formatting.

Sizes over the limit are listed in ratchet.txt with the size they may have at most; the list may
only shrink. --update-ratchet rewrites it from the tree (a larger figure shows up in the review)."""
import argparse
import fnmatch
import hashlib
import os
import re
import shutil
import subprocess
import sys

import source

COLUMNS = 100
FILE_LINES = {"product": 600, "tests": 900}
FUNCTION_LINES = {"product": 70, "tests": 120}

BANNED = {
    "strcpy": "memcpy with a known length", "strcat": "buf_append", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "strtok": "a scanner over struct slice", "atoi": "slice_to_int64",
    "atol": "slice_to_int64", "atoll": "slice_to_int64", "rand": "struct rng", "time":
    "struct clock", "gets": "fgets", "strncpy": "memcpy with a known length", "alloca": "mem_alloc",
    "localtime": "localtime_r", "gmtime": "gmtime_r", "asctime": "snprintf", "ctime": "snprintf",
    "strerror": "strerror_r or %m",
}
HEAP = {"malloc", "calloc", "realloc", "free", "strdup", "strndup", "asprintf", "vasprintf"}
HEAP_OWNER = "engine/base/alloc.c"
UNFINISHED = re.compile(r"\b(TODO|FIXME|HACK)\b")
MACHINE = re.compile(r"(?<![\w.])/(work|home|root|Users)/\w")
# The verbs that end something say all there is to say.
PLAIN = re.compile(r"\b\w+_(close|destroy|deinit|free|release)\(")
PROTOTYPE = re.compile(r"^(?!typedef\b|struct [\w]+;|#|static\b|extern const\b)[\w].*\(", re.M)


def kind_of(path):
    return "tests" if path.startswith("tests/") else "product"


def functions(code):
    """(name, first line, lines) of each function body; Linux braces: alone in column 0."""
    lines = code.split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line.startswith("}") and start is not None:
            head = ""
            j = start - 1
            while j >= 0 and lines[j].strip() and not lines[j].startswith(("}", "#")):
                head = lines[j].strip() + " " + head
                if re.match(r"^\w", lines[j]) and "(" in lines[j]:
                    break
                j -= 1
            hit = re.search(r"(\w+)\s*\(", head)
            yield (hit.group(1) if hit else "?"), start, i - start + 1
            start = None


def guard_of(path):
    return "CAIRN_" + re.sub(r"[/.]", "_", path).upper()


def uncommented(text):
    """Line numbers of prototypes in paragraphs (between blank lines) without any comment."""
    found = []
    number = 1
    for paragraph in re.split(r"(\n[ \t]*\n)", text):
        if "/*" not in paragraph:
            for hit in PROTOTYPE.finditer(paragraph):
                declaration = paragraph[hit.start():].split(";")[0]
                if "{" in declaration or "=" in declaration or PLAIN.search(declaration):
                    continue
                found.append(number + paragraph.count("\n", 0, hit.start()))
        number += paragraph.count("\n")
    return found


def judge_text(path, text):
    problems = []
    if text and not text.endswith("\n"):
        problems.append("%s: no newline at the end" % path)
    for i, line in enumerate(text.split("\n"), 1):
        if len(line.expandtabs(8)) > COLUMNS and not path.endswith((".md", ".txt", ".json")):
            problems.append("%s:%d: over %d columns" % (path, i, COLUMNS))
        if line != line.rstrip():
            problems.append("%s:%d: space at the end" % (path, i))
        if path.startswith("tests/lint/"):
            continue
        if UNFINISHED.search(line):
            problems.append("%s:%d: unfinished: %s" % (path, i, line.strip()))
        if MACHINE.search(line):
            problems.append("%s:%d: a path of one machine: %s" % (path, i, line.strip()))
    return problems


def judge_c(path, text):
    problems = []
    code = source.blank(text)
    if not text.startswith("/*"):
        problems.append("%s:1: the first comment says the file's subject" % path)
    for hit in re.finditer(r"(?<![\w.>])(\w+)\s*\(", code):
        name = hit.group(1)
        where = "%s:%d" % (path, code.count("\n", 0, hit.start()) + 1)
        if name in BANNED:
            problems.append("%s: %s is banned: use %s" % (where, name, BANNED[name]))
        if name in HEAP and path != HEAP_OWNER and kind_of(path) == "product":
            problems.append("%s: %s outside alloc.c: use mem_alloc and its kin" % (where, name))
    if path.endswith(".h"):
        guard = guard_of(path)
        if not re.search(r"^#ifndef %s\n#define %s$" % (guard, guard), code, re.M):
            problems.append("%s: the guard is spelled %s" % (path, guard))
        if kind_of(path) == "product":
            for line in uncommented(text):
                problems.append("%s:%d: a function without a comment" % (path, line))
    return problems


def sizes(path, text):
    """(key, size, limit) of the file and of each function that is over its limit."""
    kind = kind_of(path)
    lines = text.count("\n")
    if lines > FILE_LINES[kind]:
        yield "file %s" % path, lines, FILE_LINES[kind]
    for name, _, length in functions(source.blank(text)):
        if length > FUNCTION_LINES[kind]:
            yield "function %s %s" % (path, name), length, FUNCTION_LINES[kind]


def judge_names(paths):
    problems, seen = [], {}
    for path in paths:
        name = os.path.basename(path)
        if name in seen:
            problems.append("%s: the name is taken by %s" % (path, seen[name]))
        seen[name] = path
    return problems


def untested(paths, reasons):
    """Every .c but a main has tests/unit/test_<name>.c, or a reason in untested.txt."""
    problems = []
    tests = {os.path.basename(p) for p in paths if kind_of(p) == "tests"}
    listed = dict(line.split(None, 1) for line in reasons.splitlines()
                  if line.strip() and not line.startswith("#"))
    for path in paths:
        name = os.path.basename(path)
        if kind_of(path) == "tests" or not name.endswith(".c") or name.endswith("main.c"):
            continue
        has = any(t.startswith("test_" + name[:-2]) for t in tests)
        if not has and not any(fnmatch.fnmatchcase(path, p) for p in listed):
            problems.append("%s: no tests/unit/test_%s, and no reason in untested.txt"
                            % (path, name))
        if has and path in listed:
            problems.append("untested.txt: %s has a test now" % path)
    problems += ["untested.txt: %s is gone" % p for p in listed if not fnmatch.filter(paths, p)]
    return problems


def read_known(path):
    """Digests of files that were found well-formatted before; none when there is no such list."""
    try:
        with open(path, encoding="utf-8") as f:
            return set(f.read().split())
    except (OSError, TypeError):
        return set()


def judge_format(root, paths, known_path=None):
    """clang-format takes nearly all of this check's time, so what it has found good once (by
    content, configuration and its own version) it is not asked again."""
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        return ["clang-format 14 is not installed"]
    version = subprocess.run([tool, "--version"], text=True, stdout=subprocess.PIPE).stdout
    if " 14." not in version:
        return ["clang-format 14 decides, this is " + version.strip()]
    config = version + source.read(root, ".clang-format")
    digests = {path: hashlib.sha256((config + path + "\n" + source.read(root, path)).encode())
               .hexdigest() for path in paths}
    known = read_known(known_path)
    asked = [path for path in paths if digests[path] not in known]
    if not asked:
        return []
    done = subprocess.run([tool, "--dry-run", "--Werror"] + asked, cwd=root, text=True,
                          stderr=subprocess.PIPE)
    bad = {line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line}
    if done.returncode != 0 and not bad:
        return ["clang-format: " + done.stderr.strip()]
    if known_path is not None:
        with open(known_path + ".new", "w", encoding="utf-8") as f:
            f.write("".join(digests[path] + "\n" for path in paths if path not in bad))
        os.replace(known_path + ".new", known_path)
    return sorted(path + ": clang-format would change it" for path in bad)


def judge_sizes(over, ratchet):
    problems = []
    for key, (size, limit) in sorted(over.items()):
        allowed = ratchet.get(key, limit)
        if size > allowed:
            problems.append("%s: %d lines, at most %d" % (key, size, allowed))
    problems += ["ratchet.txt: %s is within the limit now: remove it" % key
                 for key in ratchet if key not in over]
    return problems


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--root", default=".")
    options.add_argument("--update-ratchet", action="store_true")
    options.add_argument("--known", help="file that remembers what is formatted well")
    options.add_argument("--strict", action="store_true", help="a source without a test fails")
    args = options.parse_args()
    c_files = source.files(args.root, ["engine", "cluster", "net", "tools", "tests"], (".c", ".h"))
    others = source.files(args.root, ["engine", "cluster", "net", "tools", "tests"],
                          (".py", ".def", ".cmake", "CMakeLists.txt", ".md", ".txt"))
    others += [f for f in ("CMakeLists.txt", "README.md", "CMakePresets.json")
               if os.path.exists(os.path.join(args.root, f))]
    others = [f for f in others if "/corpus/" not in f and "/golden/" not in f]
    problems, over = [], {}
    for path in c_files + others:
        text = source.read(args.root, path)
        problems += judge_text(path, text)
        if path in c_files:
            problems += judge_c(path, text)
            over.update({key: (size, limit) for key, size, limit in sizes(path, text)})
    if args.update_ratchet:
        with open(os.path.join(args.root, "tests/lint/ratchet.txt"), "w", encoding="utf-8") as f:
            f.write("# Sizes over the limit, and the most they may have. Only ever shorten this.\n")
            for key, (size, _) in sorted(over.items()):
                f.write("%s %d\n" % (key, size))
    ratchet = {}
    for line in source.read(args.root, "tests/lint/ratchet.txt").splitlines():
        if line and not line.startswith("#"):
            key, size = line.rsplit(None, 1)
            ratchet[key] = int(size)
    problems += judge_sizes(over, ratchet)
    problems += judge_names([p for p in c_files])
    missing = untested(c_files, source.read(args.root, "tests/lint/untested.txt"))
    if args.strict:
        problems += missing
    else:
        print("\n".join(["warning: " + line for line in missing]))
    problems += judge_format(args.root, c_files, args.known)
    return source.report(problems, len(c_files) + len(others), "files")


if __name__ == "__main__":
    sys.exit(main())
