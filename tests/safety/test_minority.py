#!/usr/bin/env python3
"""Random partitions: a primary on the minority's side accepts no write later than NODE_TIMEOUT and
one tick after it lost the majority, the majority elects and serves, and never do both accept."""
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
sys.path.insert(0, HERE)

from harness import case, cluster  # noqa: E402
from harness.servers import LONG  # noqa: E402

import network  # noqa: E402
from nodes import Nodes  # noqa: E402
from pinned import Pinned  # noqa: E402

TIMEOUT_MS = 1000
TICK_S = 0.1
PARTITIONS = 100 if LONG else 3


class Minority(case.Case):
    def setUp(self):
        self.nodes = Nodes("cairn", case.BINARIES.cairn, TIMEOUT_MS)
        self.addCleanup(self.nodes.close)
        self.nodes.form()
        self.rng = random.Random(int(os.environ.get("CAIRN_TEST_SEED", "1")))
        self.writers = []
        self.addCleanup(lambda: [w.stop() for w in self.writers])

    def pinned(self, server, address, name):
        writer = Pinned(server, address, name, ask_position=True)
        self.writers.append(writer)
        return writer

    def partition(self, number):
        """One of them; how long after the cut the last accepted write was sent, and how long the
        shard had no primary (None: its replica was on the wrong side)."""
        tag = self.rng.choice(self.nodes.TAGS)
        primary = self.nodes.primary(tag)
        replica = self.nodes.replicas_of(primary)[0]
        primaries = [self.nodes.primary(t) for t in self.nodes.TAGS]
        rest = [s for s in self.nodes.nodes if s not in primaries]
        minority = [primary] + [s for s in rest if self.rng.random() < 0.25]
        inside = {s.address for s in minority}
        outside = {s.address for s in self.nodes.nodes} - inside
        # Both ways, or only one: the node hears nothing, or is not heard.
        way = self.rng.choice(("both", "both", "deaf", "mute"))
        drops = network.between(inside, outside)
        if way != "both":
            drops = {d for d in drops if (d[0] in outside) == (way == "deaf")}
        here = self.pinned(primary, self.nodes.net.client_address(), "%shere%d" % (tag, number))
        there = self.pinned(replica, self.nodes.net.client_address(), "%sthere%d" % (tag, number))
        cluster.until(lambda: len(here.acked()) > 20, "the primary takes writes")
        time.sleep(self.rng.random() * TIMEOUT_MS / 1000)
        self.nodes.net.drop(drops)
        cut = time.monotonic()
        elects = replica not in minority
        if elects:
            cluster.until(there.acked, "the majority elects and serves (%s)" % way)
        time.sleep(max(0.0, cut + 1.5 * TIMEOUT_MS / 1000 - time.monotonic()))
        here.stop()
        there.stop()
        self.assertEqual(here.last_fate(), b"unknown", "of the minority's last write (%s)" % way)
        self.nodes.net.drop(set())
        self.judge(here, there, cut, way)
        self.nodes.settle()
        last = max(w.began for w in here.acked())
        first = min((w.ended for w in there.acked()), default=None)
        return last - cut, elects and first - last

    def judge(self, here, there, cut, way):
        limit = cut + TIMEOUT_MS / 1000 + TICK_S
        late = here.acked(limit)
        self.assertEqual([(w.key, w.began - cut) for w in late], [],
                         "sent so many seconds after the cut (%s), and accepted" % way)
        taken = there.acked()
        if taken:
            both = here.acked(min(w.ended for w in taken))
            self.assertEqual([(w.key, w.began - cut) for w in both], [],
                             "accepted after the other side had accepted (%s)" % way)

    def test_random_partitions(self):
        windows, gaps = [], []
        for number in range(PARTITIONS):
            window, gap = self.partition(number)
            windows.append(window)
            if gap:
                gaps.append(gap)
        print("%d partitions, NODE_TIMEOUT %d ms: the last accepted write was sent %.0f to %.0f ms "
              "after the cut; then nobody accepted for %s ms" % (
                  len(windows), TIMEOUT_MS, 1000 * min(windows), 1000 * max(windows),
                  "%.0f to %.0f" % (1000 * min(gaps), 1000 * max(gaps)) if gaps else "-"))


if __name__ == "__main__":
    network.enter()
    case.main()
