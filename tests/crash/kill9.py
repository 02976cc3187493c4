#!/usr/bin/env python3
"""kill -9 at random moments under load, then a restart: each client's keys must hold exactly the
effects of a prefix of what it sent, and the prefix holds everything acknowledged.

Four clients write pipelined, each to keys of its own: strings, counters, lists, hashes, deletes,
pairs by MULTI/EXEC and by MSET. One history per client makes the check strict: a lost command, a
command done twice, half a transaction, or a later command without an earlier one all show. Every
mode of appendfsync must pass, since the frame is given to the kernel before the reply leaves.
Checkpoints run all the time (small memtable, BGSAVE), and one start in four is killed as well."""
import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

from harness.resp import Client, Closed, encode, plain  # noqa: E402
from harness.servers import LONG, Server, free_port  # noqa: E402

MODES = ["always", "everysec", "no"]
LIST_MAX = 600
UNIQUE_MAX = 3000  # keys written once by each client, before the oldest goes


class Writer:
    """One client: the state its acknowledged commands made, and what was sent beyond it."""

    def __init__(self, name, rng):
        self.name, self.rng = name, rng
        self.state = {}    # key -> bytes, int (a counter), list or dict, as of base
        self.sent = []     # (commands, effect) in order; an effect changes a state in place
        self.acked = 0     # of self.sent
        self.seq = 0
        self.unique = collections.deque()
        self.total = 0
        self.problem = None

    def operation(self):
        """(commands, replies expected of them, effect): effect is a list of (key, change)."""
        self.seq += 1
        rng, value = self.rng, b"%s-%d" % (self.name.encode(), self.seq)
        key = "%s:%%s:%d" % (self.name, rng.randrange(200))
        dice = rng.random()
        if dice < 0.20:
            # A key of its own: no later write covers the loss of this one.
            if len(self.unique) > UNIQUE_MAX:
                name = "%s:u:%d" % (self.name, self.unique.popleft())
                return [["DEL", name]], [(name, lambda _: None)]
            self.unique.append(self.seq)
            name = "%s:u:%d" % (self.name, self.seq)
            return [["SET", name, value]], [(name, lambda _, v=value: v)]
        if dice < 0.35:
            data = value + b"x" * rng.choice([0, 50, 100, 3000])
            return [["SET", key % "s", data]], [(key % "s", lambda _, v=data: v)]
        if dice < 0.50:
            counter = "%s:n:%d" % (self.name, rng.randrange(5))
            return [["INCR", counter]], [(counter, lambda old: (old or 0) + 1)]
        if dice < 0.65:
            name = "%s:l:%d" % (self.name, rng.randrange(4))
            if rng.random() < 0.05:
                return [["LTRIM", name, -LIST_MAX, -1]], [(name, lambda o: (o or [])[-LIST_MAX:]
                                                           or None)]
            return [["RPUSH", name, value]], [(name, lambda o, v=value: (o or []) + [v])]
        if dice < 0.80:
            name, field = "%s:h:%d" % (self.name, rng.randrange(3)), b"f%d" % rng.randrange(400)
            return [["HSET", name, field, value]], [
                (name, lambda o, f=field, v=value: {**(o or {}), f: v})]
        if dice < 0.85:
            return [["DEL", key % "s"]], [(key % "s", lambda _: None)]
        pair = ["%s:p:%d:%s" % (self.name, rng.randrange(5), end) for end in "ab"]
        effect = [(name, lambda _, v=value: v) for name in pair]
        if dice < 0.92:
            return [["MSET", pair[0], value, pair[1], value]], effect
        return [["MULTI"], ["SET", pair[0], value], ["SET", pair[1], value], ["EXEC"]], effect

    def run(self, port, stop):
        """Writes until the connection breaks; every reply that came is one acknowledged."""
        try:
            client = Client(port, timeout=60)
            while not stop.is_set():
                batch = [self.operation() for _ in range(self.rng.choice([1, 1, 8, 32, 128]))]
                self.sent += batch
                client.send(b"".join(encode(c) for commands, _ in batch for c in commands))
                for commands, _ in batch:
                    for command in commands:
                        value = plain(client.read()[0])
                        if isinstance(value, Exception):
                            raise ValueError("%r was answered %s" % (command, value))
                    self.acked += 1
        except (Closed, OSError):
            pass
        except ValueError as e:
            self.problem = str(e)

    def apply(self, state, effect):
        for key, change in effect:
            state[key] = change(state.get(key))
            if state[key] is None:
                del state[key]

    def check(self, observed):
        """None, or what is wrong. On success the observed state is the new base."""
        self.total += self.acked
        for _, effect in self.sent[:self.acked]:
            self.apply(self.state, effect)
        wrong = {k for k in set(observed) | set(self.state)
                 if observed.get(k) != self.state.get(k)}
        first = sorted(wrong)
        for _, effect in self.sent[self.acked:] + [(None, [])]:
            if not wrong:
                self.state, self.sent, self.acked = observed, [], 0
                return None
            self.apply(self.state, effect)
            for key, _ in effect:
                good = observed.get(key) == self.state.get(key)
                (wrong.discard if good else wrong.add)(key)
        # Report against the acknowledged state: it shows the loss best.
        return "%s: %d acknowledged, %d sent, no prefix fits; keys that differ from the " \
            "acknowledged state: %s" % (self.name, self.acked, len(self.sent), [
                (k, shorten(observed.get(k))) for k in first[:4]])


def shorten(value):
    shown = repr(value)
    return shown if len(shown) < 200 else shown[:100] + " ... " + shown[-100:]


def read_keys(client, names):
    """key -> value for every key with one of the prefixes."""
    found = {}
    keys = []
    cursor = b"0"
    while True:
        cursor, some = client.call("SCAN", cursor, "COUNT", 5000)
        keys += some
        if cursor == b"0":
            break
    keys = sorted(set(keys))
    readers = {b"s": "GET", b"u": "GET", b"n": "GET", b"p": "GET", b"l": "LRANGE", b"h": "HGETALL"}
    commands = []
    for key in keys:
        verb = readers[key.split(b":")[1]]
        commands.append([verb, key] + ([0, -1] if verb == "LRANGE" else []))
    for at in range(0, len(commands), 200):
        for command, value in zip(commands[at:at + 200],
                                  client.pipeline(commands[at:at + 200])):
            key = command[1].decode()
            if isinstance(value, Exception):
                raise RuntimeError("%s: %s" % (key, value))
            if command[0] == "HGETALL":
                value = dict(zip(value[::2], value[1::2]))
            elif key.split(":")[1] == "n":
                value = int(value)
            found[key] = value
    per_writer = {name: {} for name in names}
    for key, value in found.items():
        per_writer[key.split(":")[0]][key] = value
    return per_writer


class Run:
    def __init__(self, args):
        self.args = args
        self.rng = random.Random(args.seed)
        self.dir = tempfile.mkdtemp(prefix="cairn-kill9-")
        self.writers = [Writer("w%d" % i, random.Random(self.rng.getrandbits(64)))
                        for i in range(4)]
        self.restarts = []
        self.server = None

    def start(self, mode):
        options = {"appendfsync": mode, "memtable-max": self.args.memtable_max}
        self.server = Server(self.args.cairn, "cairn", options, directory=self.dir,
                             port=free_port())
        if self.rng.random() < 0.25:
            # A start that is killed on its way, perhaps in the middle of its recovery.
            self.server.launch()
            time.sleep(self.rng.random() * 0.05)
            self.server.kill()
        begin = time.monotonic()
        self.server.start()
        self.restarts.append(time.monotonic() - begin)

    def check(self):
        with self.server.client() as client:
            observed = read_keys(client, [w.name for w in self.writers])
        problems = [w.problem for w in self.writers if w.problem]
        problems += [p for p in (w.check(observed[w.name]) for w in self.writers) if p]
        return problems

    def load(self):
        """Runs the writers and kills the server after a random time."""
        stop = threading.Event()
        threads = [threading.Thread(target=w.run, args=(self.server.port, stop))
                   for w in self.writers]
        for t in threads:
            t.start()
        end = time.monotonic() + self.rng.uniform(0.02, self.args.seconds)
        while time.monotonic() < end:
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))
            if self.rng.random() < 0.3:
                try:
                    with self.server.client(timeout=5) as c:
                        c.call("BGSAVE")
                except Exception:
                    pass  # one that runs already, or a server that is stopping, is fine
        self.server.kill()
        stop.set()
        for t in threads:
            t.join()

    def rounds(self):
        for n in range(self.args.rounds):
            mode = self.args.mode or MODES[n % len(MODES)]
            self.start(mode)
            problems = self.check()
            if problems:
                print("round %d (appendfsync %s, seed %d): after the restart" % (
                    n, mode, self.args.seed))
                print("\n".join(problems))
                return 1
            self.load()
        self.start("always")
        problems = self.check()
        print("\n".join(problems))
        return 1 if problems else 0

    def main(self):
        begin = time.monotonic()
        failed = 1
        try:
            failed = self.rounds()
        finally:
            if self.server is not None:
                if failed:
                    print(self.server.tail())
                self.server.kill()
            if failed:
                print("directory kept: " + self.dir)
            else:
                shutil.rmtree(self.dir, ignore_errors=True)
        ordered = sorted(self.restarts)
        print("%d rounds, %d acknowledged writes, 0 lost; restart median %.0f ms, longest %.0f ms; "
              "%.0f s" % (self.args.rounds, sum(w.total for w in self.writers),
                          ordered[len(ordered) // 2] * 1000, ordered[-1] * 1000,
                          time.monotonic() - begin) if not failed else "FAILED")
        return failed


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--rounds", type=int, default=200 if LONG else 20)
    options.add_argument("--seconds", type=float, default=1.5, help="longest load of a round")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--mode", choices=MODES, help="default: each in turn")
    options.add_argument("--memtable-max", default="1mb")
    return Run(options.parse_args()).main()


if __name__ == "__main__":
    sys.exit(main())
