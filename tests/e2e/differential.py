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
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness.resp import Client, Closed, encode, rebuilt  # noqa: E402
from harness.servers import LONG, redis_binary, running  # noqa: E402
from harness.steps import Step, same, text  # noqa: E402

ROUND = 400
# Directives that make the oracle's observable defaults those of a node of the same size.
REDIS = {"save": "", "appendonly": "no", "enable-debug-command": "local"}
# Without the listpacks that 7.2 has between a set of integers and a table.
CAIRN = {"appendfsync": "no", "enable-debug-command": "local", "set-max-listpack-entries": "0"}


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


# What INFO counts the same on both sides, given the same commands.
COUNTED = re.compile(r"(cmdstat_\S+?):calls=(\d+),.*(rejected_calls=.*)|"
                     r"(errorstat_.*|keyspace_hits.*|keyspace_misses.*|total_error_replies.*)")


class Side:
    """One server and its connections during a round. server is None for one that runs already."""

    settings = {}  # port -> all directives as they were before the first round
    patience = 1   # how many times the usual silence ends the answer to raw bytes

    def __init__(self, port, proto, server=None):
        self.port, self.proto, self.connections, self.server = port, proto, {}, server
        if port not in Side.settings:
            with Client(port) as c:
                Side.settings[port] = self.config(c)

    def at(self, index):
        if index not in self.connections:
            self.connections[index] = Client(self.port, proto=self.proto, timeout=60)
        return self.connections[index]

    def drop(self, index):
        if index in self.connections:
            self.connections.pop(index).close()

    def clear(self):
        for index in list(self.connections):
            self.drop(index)
        with Client(self.port) as c:
            c.call("FLUSHALL")
            c.call("FUNCTION", "FLUSH")
            c.call("SCRIPT", "FLUSH")  # one of them may have been restarted
            for name, value in self.config(c).items():
                if Side.settings[self.port].get(name) != value:
                    c.call("CONFIG", "SET", name, Side.settings[self.port][name])

    @staticmethod
    def config(client):
        pairs = client.call("CONFIG", "GET", "*")
        return dict(zip(pairs[::2], pairs[1::2]))

    def read(self, index):
        """(reply, bytes); a closed connection, or one without an answer, is a reply of its own and
        is opened anew."""
        try:
            return self.at(index).read()
        except Closed:
            self.drop(index)
            return ("closed", None), b"<closed>"
        except socket.timeout:
            self.drop(index)
            return ("silent", None), b"<silent>"

    def send(self, index, data):
        try:
            self.at(index).send(data)
        except Closed:
            pass  # what is left to read says so

    def scan(self, step):
        """The whole iteration as one reply: the distinct elements, and that it ended. With the
        comparison "churn" other keys come and go between the pages, and do not count."""
        args = [text(a).encode("latin-1") if isinstance(a, str) else a for a in step.args]
        place = 1 if text(args[0]).upper() == "SCAN" else 2
        args[place], found = b"0", set()
        for page in range(100000):
            reply, raw = self.ask(step.conn, args)
            if reply[0] != "*" or len(reply[1]) != 2:
                return reply, raw
            args[place] = reply[1][0][1]
            items = [v[1] for v in reply[1][1][1]]
            if text(args[0]).upper() == "HSCAN":
                items = list(zip(items[::2], items[1::2]))
            found.update(items)
            if args[place] == b"0":
                break
            if step.compare == "churn":
                self.ask(step.conn, ["SET", "churn%d" % page, "v"])
                self.ask(step.conn, ["DEL", "churn%d" % (page - 3)])
        else:
            return ("-", b"the iteration does not end"), b"endless"
        if step.compare == "churn":
            self.ask(step.conn, ["DEL"] + ["churn%d" % i for i in range(page + 1)])
            found = [i for i in found if not i.startswith(b"churn")]
        return ("*", [("$", repr(i).encode()) for i in sorted(found)]), repr(sorted(found)).encode()

    def ask(self, conn, args):
        self.send(conn, encode(args))
        return self.read(conn)

    def counted(self, step):
        """The counters that do not depend on time, as one reply."""
        lines = self.ask(step.conn, ["INFO", "everything"])[0][1].decode().splitlines()
        found = sorted(":".join(filter(None, m.groups())) for m in map(COUNTED.fullmatch, lines)
                       if m and m.group(1) != "cmdstat_info")
        return ("counted", found), "\n".join(found).encode()

    def state(self, _step):
        """Every key with its type, value and time to live, their number, and the libraries."""
        with Client(self.port) as c:
            keys = sorted(c.call("KEYS", "*"))
            # Expired keys count until the expiry cycle has been there.
            for _ in range(100):
                if c.call("DBSIZE") == len(keys):
                    break
                time.sleep(0.02)
            found = [("-", b"%d keys" % c.call("DBSIZE"))]
            for listed in sorted(c.call("FUNCTION", "LIST", "WITHCODE")):
                found.append(("$", repr((listed[1], listed[-1])).encode()))
            for key in keys:
                kind = c.call("TYPE", key)
                value = {b"string": lambda k: c.call("GET", k),
                         b"list": lambda k: c.call("LRANGE", k, 0, -1),
                         b"hash": lambda k: self.fields(c.call("HGETALL", k)),
                         b"set": lambda k: sorted(c.call("SMEMBERS", k)),
                         b"zset": lambda k: c.call("ZRANGE", k, 0, -1, "WITHSCORES"),
                         b"stream": lambda k: self.stream(c, k)}[kind](key)
                # Of lists and longer strings it differs, see differences.txt.
                encoding = b""
                if kind in (b"hash", b"set", b"zset"):
                    encoding = c.call("OBJECT", "ENCODING", key)
                found.append(("*", [("$", key), ("$", kind), ("$", repr(value).encode()),
                                    ("$", encoding), (":", c.call("PEXPIRETIME", key))]))
        return ("*", found), repr(found).encode()

    @staticmethod
    def stream(client, key):
        """All but times."""
        about = dict(Side.fields(client.call("XINFO", "STREAM", key)))
        groups = client.call("XINFO", "GROUPS", key)
        return (client.call("XRANGE", key, "-", "+"), groups,
                [client.call("XPENDING", key, dict(Side.fields(g))[b"name"]) for g in groups],
                [about[name] for name in (b"length", b"last-generated-id", b"max-deleted-entry-id",
                                          b"entries-added", b"recorded-first-entry-id")])

    @staticmethod
    def fields(pairs):
        return sorted(zip(pairs[::2], pairs[1::2]))

    def checkpoint(self):
        with Client(self.port) as c:
            c.call("BGSAVE")

    def restart(self, how, slot_tool):
        """Ends the server as told and starts it again on what it left."""
        if how == "term":
            self.server.stop()
        else:
            self.server.kill()
        if how == "check" and slot_tool:
            checked = subprocess.run([slot_tool, "check", self.server.dir], capture_output=True,
                                     check=False)
            if checked.returncode != 0:
                raise RuntimeError("cairn-slot check: %d\n%s%s" % (
                    checked.returncode, checked.stdout.decode(), checked.stderr.decode()))
        self.server.start()

    def raw(self, step):
        """What came back to bytes sent before; the silence is short, Side.send came first."""
        try:
            # A pause ends when Redis's timer looks, every 100 ms.
            data, closed = self.at(step.conn).drain(
                Side.patience * (0.25 if b"PAUSE" in step.args else 0.06))
        finally:
            self.drop(step.conn)
        return ("raw", data), data + (b"<closed>" if closed else b"")


class Round:
    """Runs steps on both servers until the first mismatch."""

    slot_tool = None  # path of cairn-slot

    def __init__(self, targets, proto, rows):
        self.sides = [Side(port, proto, server) for port, server in targets]
        self.rows = rows
        self.queued = {}  # connection -> steps queued since MULTI

    def compare(self, index, step, pair):
        queue = self.transaction(step, pair[0])
        if self.agrees(step, *pair) or (queue is not None and self.exec_agrees(queue, *pair)):
            return None
        return index, step, pair[0][1], pair[1][1]

    def agrees(self, step, theirs, ours):
        return same(step.comparison(), theirs, ours) or \
            accepted(self.rows, step, theirs[1], ours[1])

    def exec_agrees(self, queue, theirs, ours):
        """EXEC's elements are compared each in its command's way."""
        items = [reply[1] for reply, _ in (theirs, ours)]
        return all(isinstance(i, list) and len(i) == len(queue) for i in items) and all(
            self.agrees(step, (a, rebuilt(a)), (b, rebuilt(b)))
            for step, a, b in zip(queue, *items))

    def transaction(self, step, theirs):
        """Tracks MULTI; the steps that an EXEC answers."""
        if not isinstance(step.args, list) or not step.args:
            return None
        name = text(step.args[0]).upper()
        queue = self.queued.get(step.conn)
        if theirs[1] == b"<closed>":
            self.queued.pop(step.conn, None)
        elif name == "MULTI" and theirs[1] == b"+OK\r\n":
            self.queued[step.conn] = []
        elif queue is not None and theirs[1] == b"+QUEUED\r\n":
            queue.append(step)
        elif queue is not None and name in ("EXEC", "DISCARD", "RESET"):
            del self.queued[step.conn]
            return queue if name == "EXEC" else None
        return None

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
            if found or pair[0][1] in (b"<closed>", b"<silent>"):
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
        if step.kind == "checkpoint":
            self.sides[1].checkpoint()
            return None
        if step.kind == "restart":
            for side in self.sides:
                for conn in list(side.connections):
                    side.drop(conn)
            self.queued = {}
            if self.sides[1].server is not None:
                self.sides[1].restart(step.args, self.slot_tool)
            return None
        if step.kind == "raw":
            for side in self.sides:
                side.send(step.conn, step.args)
        if step.kind == "scan" and step.conn in self.queued:
            return self.batch(index, [Step(step.args, "kind", step.conn)])
        if step.kind == "state":
            step.compare = "near"
        pair = [getattr(side, step.kind)(step) for side in self.sides]
        return self.compare(index, step, pair)


def stream(module, seed, count):
    rng = random.Random(seed)
    found = []
    for step in module.steps(rng):
        found.append(step if isinstance(step, Step) else Step(step))
        if len(found) >= count:
            return found
    return found


def shrink(targets, proto, rows, steps, seconds=15):
    """Drops steps while the last one still mismatches."""
    end = time.monotonic() + seconds

    def shows(candidate):
        found = Round(targets, proto, rows).run(candidate, random.Random(0), alone=True)
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


def again(targets, proto, rows, steps, seed):
    """The round once more, with more patience: on a busy machine an answer may be late."""
    Side.patience = 15
    try:
        return Round(targets, proto, rows).run(steps, random.Random(seed))
    finally:
        Side.patience = 1


def report(name, proto, seed, found, steps, targets, rows):
    index, step, theirs, ours = found
    at = len(os.path.commonprefix([theirs, ours]))
    if at > 200:
        theirs, ours = theirs[at - 100:], ours[at - 100:]
    print("\nMISMATCH --replay %s:%d:%d at command %d\n  %r\n  redis %.600r\n  cairn %.600r" % (
        name, proto, seed, index, step, theirs, ours))
    short = shrink(targets, proto, rows, steps[:index + 1])
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
    options.add_argument("--slot-tool", help="path of cairn-slot; without, files are not checked")
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


def compare(args, targets):
    rows = load_differences()
    Round.slot_tool = args.slot_tool
    names = [m.name for m in pkgutil.iter_modules([os.path.join(HERE, "generators")])]
    groups = [n for n in names if not args.group or n in args.group]
    modules = {n: importlib.import_module("generators." + n) for n in names}
    failures = commands = 0
    start = time.monotonic()
    for name, proto, seed in plan(args, groups):
        steps = stream(modules[name], seed, getattr(modules[name], "ROUND", ROUND))
        found = Round(targets, proto, rows).run(steps, random.Random(seed))
        if found and found[1].kind == "raw":
            found = again(targets, proto, rows, steps, seed)
            if not found:
                print("late, the same after a longer silence: --replay %s:%d:%d" % (name, proto,
                                                                                    seed))
        commands += len(steps) if found is None else found[0] + 1
        if found:
            failures += 1
            report(name, proto, seed, found, steps, targets, rows)
            if failures >= args.failures:
                break
    print("%d commands of %d groups compared in %.1f s, %d mismatches" % (
        commands, len(groups), time.monotonic() - start, failures))
    return 1 if failures or not commands else 0


def main():
    args = arguments()
    if args.ports:
        return compare(args, [(int(p), None) for p in args.ports.split(",")])
    with running(redis_binary(), "redis", REDIS) as redis, \
            running(args.cairn, "cairn", CAIRN) as cairn:
        return compare(args, [(redis.port, redis), (cairn.port, cairn)])


if __name__ == "__main__":
    sys.exit(main())
