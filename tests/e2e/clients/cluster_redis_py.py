"""A workload on redis-py's RedisCluster, to be run by Debian's python3: PORT...

Writes rising numbers to keys of its own and reads them back. A line on standard input is answered
with what has happened so far, as JSON; the end of standard input ends it."""
import json
import logging
import os
import random
import re
import sys
import threading
import time

from redis.cluster import ClusterNode, RedisCluster

KEYS = 120


class Load:
    def __init__(self, ports):
        self.ports = ports
        self.name = "py%d" % os.getpid()
        self.sent, self.acked = [0] * KEYS, [0] * KEYS
        self.done, self.lost, self.wrong, self.errors = 0, 0, [], {}
        self.gap, self.last = 0.0, time.monotonic()
        self.client = None

    def note(self, error):
        text = "%s: %s" % (type(error).__name__, re.sub(r"[0-9.:]+", "N", str(error))[:80])
        self.errors[text] = self.errors.get(text, 0) + 1

    def key(self, i):
        # Every fourth key shares a slot with its neighbours, for commands of several keys.
        return "%s:{%d}:%d" % (self.name, i - i % 4 if i % 8 < 4 else i, i)

    def check(self, i, value):
        found = 0 if value is None else int(value)
        if found > self.sent[i]:
            self.wrong.append("%s is %r, newest is %d" % (self.key(i), value, self.sent[i]))
        elif found < self.acked[i]:
            self.lost += self.acked[i] - found
        self.acked[i] = found

    def step(self, rng):
        i = rng.randrange(KEYS)
        self.sent[i] += 1
        if i % 3 == 0:
            self.client.hset(self.key(i), "n", self.sent[i])
        else:
            self.client.set(self.key(i), self.sent[i])
        self.acked[i] = self.sent[i]
        now = time.monotonic()
        self.gap, self.last = max(self.gap, now - self.last), now
        j = rng.randrange(KEYS)
        if j % 3 == 0:
            self.check(j, self.client.hget(self.key(j), "n"))
        elif j % 8 < 4:
            group = [k for k in range(j - j % 4, j - j % 4 + 4) if k % 3 != 0]
            for k, value in zip(group, self.client.mget([self.key(k) for k in group])):
                self.check(k, value)
        else:
            self.check(j, self.client.get(self.key(j)))
        self.done += 1

    def run(self):
        rng = random.Random(os.getpid())
        while True:
            try:
                if self.client is None:
                    self.client = RedisCluster(
                        startup_nodes=[ClusterNode("127.0.0.1", p) for p in self.ports],
                        socket_timeout=3, socket_connect_timeout=3)
                self.step(rng)
                time.sleep(0.002)
            except Exception as error:  # whatever the library lets through
                self.note(error)
                time.sleep(0.02)

    def report(self):
        return json.dumps({"done": self.done, "lost": self.lost, "wrong": self.wrong[:10],
                           "errors": self.errors, "gap": self.gap})


def main():
    logging.disable(logging.CRITICAL)  # the library logs redirections as errors
    load = Load([int(p) for p in sys.argv[1:]])
    threading.Thread(target=load.run, daemon=True).start()
    for _ in sys.stdin:
        print(load.report(), flush=True)


if __name__ == "__main__":
    main()
