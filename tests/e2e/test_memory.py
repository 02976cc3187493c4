#!/usr/bin/env python3
"""A dataset several times larger than the memory the node may use is written, read and restarted.

The node runs in a memory cgroup where this machine has a writable one (then even its page cache
counts), and its own memory (RssAnon) is measured against what its settings promise in any case."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.memory_group import MemoryGroup  # noqa: E402
from harness.servers import LONG  # noqa: E402

MEMTABLE_MB = 8 if LONG else 4
LIMIT_MB = 256 if LONG else 36
VALUE = 1000
KEYS = LIMIT_MB * 4 * 1024 * 1024 // VALUE
READS = KEYS // (4 if LONG else 20)
# Three memtables for short times, buffers of a few clients, the program itself.
OWN_KB = (3 * MEMTABLE_MB + 24) * 1024


def name_of(key):
    """Some hundred keys in a row have one slot, so they stand together in the store."""
    return "{%d}:%d" % (key // 500, key)


def value_of(key, version=0):
    rng = random.Random(key * 31 + version)
    return b"%d:%d:" % (key, version) + rng.randbytes(VALUE)


class LargerThanMemory(case.Case):
    def setUp(self):
        self.group = MemoryGroup(LIMIT_MB << 20, versions=(1,))
        self.addCleanup(self.group.close)
        self.peak = 0

    def note(self, server):
        self.peak = max(self.peak, server.status_kb("RssAnon"))

    def write(self, server, client, keys, version=0):
        for at in range(0, len(keys), 200):
            replies = client.pipeline([["SET", name_of(k), value_of(k, version)]
                                       for k in keys[at:at + 200]])
            self.assertEqual(set(replies), {b"OK"})
            if at % 4000 == 0:
                self.note(server)

    def read(self, server, client, keys, versions):
        for at in range(0, len(keys), 200):
            chunk = keys[at:at + 200]
            replies = client.pipeline([["GET", name_of(k)] for k in chunk])
            for k, reply in zip(chunk, replies):
                self.assertEqual(reply, value_of(k, versions.get(k, 0)), "key:%d" % k)
            self.note(server)

    def test_it_is_written_read_and_restarted_within_its_memory(self):
        rng = random.Random(7)
        server = self.server({"memtable-max": "%dmb" % MEMTABLE_MB, "appendfsync": "everysec"},
                             start=False)
        server.start(self.group.prefix())
        keys = list(range(KEYS))
        if LONG:  # each checkpoint then reads and writes pages from all over the file
            rng.shuffle(keys)
        changed = {k: 1 for k in rng.sample(keys, KEYS // 20)}
        with server.client() as c:
            self.write(server, c, keys)
            self.write(server, c, list(changed), 1)
            self.read(server, c, rng.sample(keys, READS), changed)
            self.assertEqual(c.call("DBSIZE"), KEYS)
        server.kill()
        server.start(self.group.prefix())
        with server.client() as c:
            self.read(server, c, rng.sample(keys, READS) + list(changed), changed)
            self.assertEqual(c.call("DBSIZE"), KEYS)
        print("%d MB of values, limit %d MB (%s), own memory at most %d MB of %d" % (
            KEYS * VALUE >> 20, LIMIT_MB, "cgroup" if self.group.path else "no cgroup here",
            self.peak >> 10, OWN_KB >> 10))
        self.assertLess(self.peak, OWN_KB)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    case.main()
