#!/usr/bin/env python3
"""Sends the same seeded command streams to cairn-server and to redis-server and compares the
replies byte by byte, in RESP2 and RESP3.

Streams come from generators/*.py. Each runs in rounds of a few hundred commands, each round with a
seed of its own on empty servers, so that a mismatch is replayed alone:

    differential.py --cairn build/debug/cairn-server --replay strings:3:123456

A mismatch prints group, protocol, seed, the command's index, both replies, and the shortest stream
found that still shows it. Accepted differences are listed in differences.txt with their reason."""
import argparse
import importlib
import os
import pkgutil
import random
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness.resp import Client, Closed, encode  # noqa: E402
from harness.servers import LONG, redis_binary, running  # noqa: E402
from harness.steps import Step, same, text  # noqa: E402

ROUND = 400
# Directives that make the oracle's observable defaults those of a node of the same size.
REDIS = {"save": "", "appendonly": "no", "enable-debug-command": "local"}
CAIRN = {"appendfsync": "no", "enable-debug-command": "local"}


def load_differences():
    rows = []
    with open(os.path.join(HERE, "differences.txt"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                command, theirs, ours, _reason = (part.strip() for part in line.split(" | ", 3))
                rows.append((command.upper(), re.compile(theirs, re.S), re.compile(ours, re.S)))
    return rows


def accepted(rows, step, theirs, ours):
    words = ["RAW"]
    if isinstance(step.args, list):
        words = [text(a).upper() for a in step.args]
    for command, redis_pattern, cairn_pattern in rows:
        if command in (" ".join(words[:2]), words[0] if words else "") and \
                redis_pattern.fullmatch(theirs.decode("latin-1")) and \
                cairn_pattern.fullmatch(ours.decode("latin-1")):
            return True
    return False


class Side:
    """One server and its connections during a round."""

    settings = {}  # port -> all directives as they were before the first round

    def __init__(self, port, proto):
        self.port, self.proto, self.connections = port, proto, {}
        if port not in Side.settings:
            with Client(port) as c:
                Side.settings[port] = self.config(c)

    def at(self, index):
        if index not in self.connections:
            self.connections[index] = Client(self.port, proto=self.proto)
        return self.connections[index]

    def drop(self, index):
        if index in self.connections:
            self.connections.pop(index).close()

    def clear(self):
        for index in list(self.connections):
            self.drop(index)
        with Client(self.port) as c:
            c.call("FLUSHALL")
            for name, value in self.config(c).items():
                if Side.settings[self.port].get(name) != value:
                    c.call("CONFIG", "SET", name, Side.settings[self.port][name])

    @staticmethod
    def config(client):
        pairs = client.call("CONFIG", "GET", "*")
        return dict(zip(pairs[::2], pairs[1::2]))

    def read(self, index):
        """(reply, bytes); a closed connection is a reply of its own and is opened anew."""
        try:
            return self.at(index).read()
        except Closed:
            self.drop(index)
            return ("closed", None), b"<closed>"

    def send(self, index, data):
        try:
            self.at(index).send(data)
        except Closed:
            pass  # what is left to read says so

    def scan(self, step):
        """The whole iteration as one reply: the distinct elements, and that it ended."""
        args = [text(a).encode("latin-1") if isinstance(a, str) else a for a in step.args]
        place = 1 if text(args[0]).upper() == "SCAN" else 2
        cursor, found = b"0", set()
        client = self.at(step.conn)
        for _ in range(100000):
            args[place] = cursor
            client.send(encode(args))
            reply, raw = client.read()
            if reply[0] != "*" or len(reply[1]) != 2:
                return reply, raw
            cursor = reply[1][0][1]
            items = [repr(v) for v in reply[1][1][1]]
            if place == 2:
                items = list(zip(items[::2], items[1::2]))
            found.update(items)
            if cursor == b"0":
                return ("*", sorted(("$", repr(i).encode()) for i in found)), \
                    repr(sorted(found, key=repr)).encode()
        return ("-", b"the iteration does not end"), b"endless"

    def raw(self, step):
        """What came back to bytes sent before; the silence is short, Side.send came first."""
        try:
            data, closed = self.at(step.conn).drain(0.06)
        finally:
            self.drop(step.conn)
        return ("raw", data), data + (b"<closed>" if closed else b"")


class Round:
    """Runs steps on both servers until the first mismatch."""

    def __init__(self, ports, proto, rows):
        self.sides = [Side(port, proto) for port in ports]
        self.rows = rows
        self.queued = {}  # connection -> comparisons of the commands queued since MULTI

    def compare(self, index, step, pair):
        how = self.comparison(step, pair[0])
        if same(how, pair[0], pair[1]) or accepted(self.rows, step, pair[0][1], pair[1][1]):
            return None
        return index, step, pair[0][1], pair[1][1]

    def comparison(self, step, theirs):
        """Tracks MULTI, since EXEC's elements are compared each in its way."""
        how = step.comparison()
        if not isinstance(step.args, list) or not step.args:
            return how
        name = text(step.args[0]).upper()
        queue = self.queued.get(step.conn)
        if theirs[1] == b"<closed>":
            self.queued.pop(step.conn, None)
        elif name == "MULTI" and theirs[1] == b"+OK\r\n":
            self.queued[step.conn] = []
        elif queue is not None and theirs[1] == b"+QUEUED\r\n":
            queue.append(how)
            return "exact"
        elif queue is not None and name in ("EXEC", "DISCARD", "RESET"):
            del self.queued[step.conn]
            return queue if name == "EXEC" and step.compare is None else how
        return how

    def run(self, steps, rng, alone=False):
        """The first mismatch as (index, step, redis's bytes, cairn's bytes), or None."""
        self.queued = {}
        for side in self.sides:
            side.clear()
        at = 0
        while at < len(steps):
            if steps[at].kind != "call":
                found = self.special(at, steps[at])
                at += 1
            else:
                end = at + 1
                most = 1 if alone else rng.choice([1, 1, 4, 16, 64])
                while end < len(steps) and end - at < most and steps[end].kind == "call" \
                        and steps[end].conn == steps[at].conn:
                    end += 1
                found = self.batch(at, steps[at:end])
                at = end
            if found:
                return found
        return None

    def batch(self, start, steps):
        data = b"".join(encode(s.args) for s in steps)
        for side in self.sides:
            side.send(steps[0].conn, data)
        for i, step in enumerate(steps):
            pair = [side.read(step.conn) for side in self.sides]
            found = self.compare(start + i, step, pair)
            if found or pair[0][1] == b"<closed>":
                return found
        return None

    def special(self, index, step):
        if step.kind == "sleep":
            time.sleep(step.args / 1000)
            return None
        if step.kind == "reconnect":
            for side in self.sides:
                side.drop(step.conn)
            self.queued.pop(step.conn, None)
            return None
        if step.kind == "raw":
            for side in self.sides:
                side.send(step.conn, step.args)
        pair = [side.scan(step) if step.kind == "scan" else side.raw(step) for side in self.sides]
        return self.compare(index, step, pair)


def stream(module, seed, count):
    rng = random.Random(seed)
    found = []
    for step in module.steps(rng):
        found.append(step if isinstance(step, Step) else Step(step))
        if len(found) >= count:
            return found
    return found


def shrink(ports, proto, rows, steps, seconds=15):
    """Drops steps while the last one still mismatches."""
    end = time.monotonic() + seconds

    def shows(candidate):
        found = Round(ports, proto, rows).run(candidate, random.Random(0), alone=True)
        return found is not None and found[0] == len(candidate) - 1

    if not shows(steps):
        return None
    keep, size = steps[:-1], max(1, len(steps) // 2)
    last = steps[-1]
    while time.monotonic() < end:
        at, dropped = 0, False
        while at < len(keep) and time.monotonic() < end:
            candidate = keep[:at] + keep[at + size:]
            if shows(candidate + [last]):
                keep, dropped = candidate, True
            else:
                at += size
        if size == 1 and not dropped:
            break
        size = max(1, size // 2)
    return keep + [last]


def report(name, proto, seed, found, steps, ports, rows):
    index, step, theirs, ours = found
    print("\nMISMATCH --replay %s:%d:%d at command %d\n  %r\n  redis %.600r\n  cairn %.600r" % (
        name, proto, seed, index, step, theirs, ours))
    short = shrink(ports, proto, rows, steps[:index + 1])
    if short is None:
        words = {text(a) for a in step.args[1:]} if isinstance(step.args, list) else set()
        short = [s for s in steps[:index + 1] if isinstance(s.args, list)
                 and words & {text(a) for a in s.args[1:]}][-12:]
        print("  (only in its batch) the commands before it on the same arguments:")
    else:
        print("  reproduced by:")
    for s in short[-30:]:
        print("    %r" % s)
    sys.stdout.flush()


def arguments():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True, help="path of cairn-server")
    options.add_argument("--commands", type=int, default=2000000 if LONG else 30000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--group", action="append", help="only this generator")
    options.add_argument("--replay", metavar="GROUP:PROTO:SEED")
    options.add_argument("--failures", type=int, default=5, help="stop after so many mismatches")
    options.add_argument("--ports", help="REDIS,CAIRN: servers that run already")
    return options.parse_args()


def plan(args, groups):
    """(group, protocol, seed) of each round."""
    if args.replay:
        name, proto, seed = args.replay.split(":")
        return [(name, int(proto), int(seed))]
    rounds = max(len(groups) * 2, args.commands // ROUND)
    return [(groups[i // 2 % len(groups)], 2 + i % 2, args.seed * 1000003 + i)
            for i in range(rounds)]


def compare(args, ports):
    rows = load_differences()
    names = [m.name for m in pkgutil.iter_modules([os.path.join(HERE, "generators")])]
    groups = [n for n in names if not args.group or n in args.group]
    modules = {n: importlib.import_module("generators." + n) for n in names}
    failures = commands = 0
    start = time.monotonic()
    for name, proto, seed in plan(args, groups):
        steps = stream(modules[name], seed, getattr(modules[name], "ROUND", ROUND))
        found = Round(ports, proto, rows).run(steps, random.Random(seed))
        commands += len(steps) if found is None else found[0] + 1
        if found:
            failures += 1
            report(name, proto, seed, found, steps, ports, rows)
            if failures >= args.failures:
                break
    print("%d commands of %d groups compared in %.1f s, %d mismatches" % (
        commands, len(groups), time.monotonic() - start, failures))
    return 1 if failures or not commands else 0


def main():
    args = arguments()
    if args.ports:
        return compare(args, [int(p) for p in args.ports.split(",")])
    with running(redis_binary(), "redis", REDIS) as redis, \
            running(args.cairn, "cairn", CAIRN) as cairn:
        return compare(args, [redis.port, cairn.port])


if __name__ == "__main__":
    sys.exit(main())
