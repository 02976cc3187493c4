#!/usr/bin/env python3
"""The man pages and --help say the same: every verb and option of the one stands in the other."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case, tools  # noqa: E402
from harness.case import BINARIES  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
WORD = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")


def page(name):
    with open(os.path.join(ROOT, "tools", name)) as f:
        return f.read()


def section(text, name):
    """The part of a page under .SH name."""
    return re.search(r"^\.SH %s$(.*?)(?=^\.SH |\Z)" % name, text, re.M | re.S).group(1)


def options_of_page(text):
    """Options that paragraphs with a tag are about: the line after .TP."""
    return {word for line in re.findall(r"^\.TP\n(.*)$", text, re.M)
            for word in WORD.findall(line.replace("\\-", "-").replace('"', " "))}


def options_of_help(text):
    found = set()
    for line in text.splitlines():
        head = re.match(r"^  (?:(-\w), |    )(--[\w-]+)", line)
        if head:
            found.update(x for x in head.groups() if x)
    return found


class ManPages(case.Case):
    def verbs(self, binary):
        text = tools.run(binary, "--help").text
        return re.findall(r"^  ([a-z-]+) +\S", text.split("Verbs:")[1].split("\n\n")[0], re.M)

    def test_verbs_and_options(self):
        for binary in (BINARIES.wal, BINARIES.slot):
            text = section(page(os.path.basename(binary) + ".1"), "VERBS")
            parts = re.split(r"^\.SS (\S+)$", text, flags=re.M)[1:]
            described = dict(zip(parts[::2], parts[1::2]))
            self.assertEqual(list(described), self.verbs(binary))
            for verb, body in described.items():
                offered = options_of_help(tools.run(binary, verb, "--help").text) - {"--help"}
                self.assertGreater(len(offered), 0)
                self.assertEqual(options_of_page(body), offered,
                                 "%s %s" % (os.path.basename(binary), verb))

    def test_options_of_the_tools_and_the_server(self):
        for binary in (BINARIES.wal, BINARIES.slot, BINARIES.cairn):
            text = section(page(os.path.basename(binary) + ".1"), "OPTIONS")
            for option in options_of_page(text):
                self.assertEqual(tools.run(binary, option).code, 0, option)
            self.assertEqual(options_of_page(text) & {"--help", "--version"},
                             {"--help", "--version"})

    def test_directives_exist_and_mean_something(self):
        with open(os.path.join(ROOT, "net", "config.def")) as f:
            table = dict(re.findall(r'^CONFIG\(\w+, "([\w-]+)"(.*?)\)$', f.read(), re.M | re.S))
        text = section(page("cairn-server.1"), "DIRECTIVES")
        listed = text.split(".SS As in redis.conf")[1]
        named = re.findall(r"^\.BI ([a-z][\w-]+)", text, re.M) + re.findall(r"[a-z][a-z-]+", listed)
        self.assertGreater(len(named), 40)
        for name in named:
            self.assertIn(name, table)
            self.assertNotIn("NO_MEANING", table[name], name)

    def test_exit_codes(self):
        for name in ("cairn-wal.1", "cairn-slot.1"):
            self.assertEqual(re.findall(r"^\.B (\d)$", section(page(name), "EXIT STATUS"), re.M),
                             list("012345"))

    @unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "man is not installed")
    def test_no_warnings(self):
        env = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="100", MANPAGER="cat")
        for name in ("cairn-wal.1", "cairn-slot.1", "cairn-server.1"):
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", name], env=env,
                                  cwd=os.path.join(ROOT, "tools"), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stderr), (0, b""), name)
            self.assertIn(b"EXIT STATUS", done.stdout)


if __name__ == "__main__":
    case.main()
