#!/usr/bin/env python3
"""Every command and subcommand that the node has is sent by one of the differential test's
generators, with as many arguments as it takes, or stands in not_compared.txt with the reason."""
import importlib
import itertools
import os
import pkgutil
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness import case  # noqa: E402
from harness.resp import parse  # noqa: E402
from harness.steps import Step, text  # noqa: E402

SEEDS, STEPS = 6, 2000


def requests(step):
    """The requests that a step sends."""
    if not isinstance(step, Step):
        step = Step(step)
    if step.kind in ("call", "scan") and isinstance(step.args, list):
        yield [text(a).lower() for a in step.args]
    elif step.kind == "raw":
        at = 0
        while step.args[at:at + 1] == b"*":
            (_, words), at = parse(step.args, at)
            yield [text(word).lower() for _, word in words]


def sent():
    """command or command|subcommand -> numbers of arguments that it is sent with."""
    found = {}
    for module in pkgutil.iter_modules([os.path.join(HERE, "generators")]):
        if module.name == "protocol":
            continue  # bytes that are no requests
        steps = getattr(importlib.import_module("generators." + module.name), "steps", None)
        for seed in range(SEEDS) if steps else []:
            for step in itertools.islice(steps(random.Random(seed)), STEPS):
                for words in requests(step):
                    for name in (words[:1], words[:2]):
                        found.setdefault("|".join(name), set()).add(len(words))
    return found


def exceptions():
    with open(os.path.join(HERE, "not_compared.txt"), encoding="utf-8") as f:
        lines = [line for line in f if line.strip() and not line.startswith("#")]
    return dict([part.strip() for part in line.split(" | ", 1)] for line in lines)


class Generators(case.Case):
    def test_every_command_is_compared_or_says_why_not(self):
        client = self.server({}).client()
        names = [name.decode() for name in client.call("COMMAND", "LIST")]
        arity = {row[0].decode(): row[1] for row in client.call("COMMAND", "INFO", *names)}
        self.assertGreater(len(arity), 300)
        known, there = exceptions(), sent()
        compared = {name for name, n in arity.items()
                    if any(args == n or args >= -n > 0 for args in there.get(name, ()))}
        self.assertEqual(sorted(set(arity) - compared - set(known)), [], "neither sent nor excused")
        self.assertEqual(sorted(compared & set(known)), [], "excused, but sent")
        self.assertEqual(sorted(set(known) - set(arity)), [], "excused, but no command")
        self.assertTrue(all(known.values()), "excused without a reason")


if __name__ == "__main__":
    case.main()
