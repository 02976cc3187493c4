#!/usr/bin/env python3
"""What is large: collections of many elements, strings of many bytes, commands of many keys,
transactions of many commands. Times are the node's own (INFO commandstats and latencystats), so
that a busy machine decides as little as possible; the medians of a large collection are compared
with those of a small one."""
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import encode  # noqa: E402
from harness.servers import LONG, info  # noqa: E402

SMALL, LARGE = 1000, 1000000 if LONG else 100000
VALUE_MB = 512 if LONG else 24
MANY = 100000
# A large collection may cost so many times a small one, and so much more: the noise of a median.
RATIO, NOISE_US = 3, 6
# What costs microseconds, on a machine that may do something else meanwhile.
AT_ONCE_US = 20000
STEP = 1000


def pipeline(client, commands):
    """Sends all, reads all; the replies' first bytes."""
    client.send(b"".join(map(encode, commands)))
    return [client.read()[1][:1] for _ in commands]


class Scale(case.Case):
    def setUp(self):
        self.node = self.server({"appendfsync": "no", "hash-max-listpack-entries": 128})
        self.client = self.node.client(timeout=600)
        self.rng = random.Random(11)

    def fill(self, kind, count):
        """A hash, a set and a list of count elements under one hash tag."""
        for at in range(0, count, STEP):
            names = ["e%07d" % i for i in range(at, min(at + STEP, count))]
            self.client.call("HSET", "{x}h" + kind, *[x for n in names for x in (n, n)])
            self.client.call("SADD", "{x}s" + kind, *names)
            self.client.call("RPUSH", "{x}l" + kind, *names)

    def medians(self, kind, count):
        """{command: median in microseconds} of single commands at random places."""
        h, l, s = "{x}h" + kind, "{x}l" + kind, "{x}s" + kind
        element = lambda: "e%07d" % self.rng.randrange(count)  # noqa: E731
        index = lambda: self.rng.randrange(count // 2)  # noqa: E731
        cursor = self.client.call("HSCAN", h, "0", "COUNT", "10")[0]
        makers = [
            lambda: ["HSET", h, element(), "other"], lambda: ["HGET", h, element()],
            lambda: ["HLEN", h], lambda: ["HSCAN", h, cursor, "COUNT", "10"],
            lambda: ["HRANDFIELD", h], lambda: ["SADD", s, element()],
            lambda: ["SADD", s, "n" + element()], lambda: ["SISMEMBER", s, element()],
            lambda: ["SREM", s, element()], lambda: ["SRANDMEMBER", s, "3"], lambda: ["SPOP", s],
            lambda: ["SCARD", s], lambda: ["LINDEX", l, index()], lambda: ["LLEN", l],
            lambda: ["LSET", l, index(), "other"], lambda: ["LPUSH", l, "new"],
            lambda: ["RPOP", l], lambda: ["LRANGE", l, count // 2, count // 2 + 9]]
        self.client.call("CONFIG", "RESETSTAT")
        for make in makers:
            self.assertNotIn(b"-", pipeline(self.client, [make() for _ in range(400)]))
        prefix = "latency_percentiles_usec_"
        return {name[len(prefix):]: float(value.split(",")[0][len("p50="):])
                for name, value in info(self.client, "latencystats").items()
                if name.startswith((prefix + "h", prefix + "l", prefix + "r", prefix + "s"))}

    def took_us(self, *command):
        self.client.call("CONFIG", "RESETSTAT")
        self.client.call(*command)
        stat = info(self.client, "commandstats")["cmdstat_" + command[0].lower()]
        return float(stat.split("usec_per_call=")[1].split(",")[0])

    def least_us(self, commands):
        """The cheapest of a few commands: what the machine did meanwhile is not theirs."""
        return min(self.took_us(*command) for command in commands)

    def checkpoint(self):
        self.client.call("SAVE")

    def test_single_elements_cost_the_same_in_a_large_collection(self):
        self.fill("small", SMALL)
        self.fill("large", LARGE)
        for where in ("in memory", "in the store"):
            small, large = self.medians("small", SMALL), self.medians("large", LARGE)
            print("%s, us: %s" % (where, " ".join(
                "%s %.1f/%.1f" % (c, small[c], large[c]) for c in sorted(small))))
            for command, us in small.items():
                self.assertLessEqual(large[command], RATIO * us + NOISE_US, command)
            self.checkpoint()

    def test_whole_collections_go_at_once_and_are_reclaimed(self):
        copies = range(3)
        self.fill("a", LARGE)
        for i in copies:
            self.client.call("COPY", "{x}ha", "{x}h%d" % i)
            self.client.call("COPY", "{x}la", "{x}l%d" % i)
            self.client.call("COPY", "{x}sa", "{x}s%d" % i)
        self.checkpoint()
        costs = {
            "RENAME": self.least_us(["RENAME", "{x}h%d" % i, "{x}r%d" % i] for i in copies),
            "DEL": self.least_us(["DEL", "{x}r%d" % i] for i in copies),
            "UNLINK": self.least_us(["UNLINK", "{x}s%d" % i] for i in copies),
            "SET": self.least_us(["SET", "{x}l%d" % i, "v"] for i in copies),
        }
        print("us: %s" % costs)
        for command, us in costs.items():
            self.assertLess(us, AT_ONCE_US, command)
        self.assertEqual(self.client.call("DBSIZE"), 3 + len(copies))
        gone = 3 * len(copies) * LARGE
        end = time.monotonic() + 120
        reclaimed, pending = 0, "unknown"
        while time.monotonic() < end and (reclaimed < gone or pending != "0"):
            self.checkpoint()
            lines = info(self.client, "storage")
            reclaimed, pending = int(lines["reclaimed_elements"]), lines["reclaim_pending"]
        self.assertGreaterEqual(reclaimed, gone)
        self.assertEqual(pending, "0")

    def test_a_string_of_many_bytes(self):
        size = VALUE_MB << 20
        value = random.Random(3).randbytes(1 << 20) * VALUE_MB
        self.assertEqual(self.client.call("SET", "k", value), b"OK")
        middle = size // 2
        self.assertEqual(self.client.call("GETRANGE", "k", middle, middle + 9),
                         value[middle:middle + 10])
        self.assertEqual(self.client.call("SETRANGE", "k", middle, "0123456789"), size)
        value = value[:middle] + b"0123456789" + value[middle + 10:]
        if LONG:
            self.assertIn("proto-max-bulk-len", self.error(self.client, "APPEND", "k", "x"))
        else:
            self.assertEqual(self.client.call("APPEND", "k", "tail"), size + 4)
            value += b"tail"
        self.assertTrue(self.client.call("GET", "k") == value)
        # The request, the memtable, the log's record and its frame hold it at the same time.
        self.assertLess(self.node.status_kb("VmHWM"), (5 * VALUE_MB + 500) * 1024)
        self.assertLess(self.least_us([["SETRANGE", "k", at, "0"] for at in (5, 6, middle)]),
                        AT_ONCE_US)
        self.node.kill()
        self.node.start()
        self.client = self.node.client(timeout=600)
        self.assertEqual(self.client.call("GETRANGE", "k", middle, middle + 9), b"0123456789")
        self.assertEqual(self.client.call("STRLEN", "k"), len(value))
        for i in range(2):
            self.client.call("COPY", "k", "k%d" % i)
        self.checkpoint()
        self.assertLess(self.least_us([["DEL", "k"], ["DEL", "k0"], ["SET", "k1", "v"]]),
                        AT_ONCE_US)

    def test_names_of_many_bytes(self):
        for size in (511, 512, 513, 70000, 4 << 20):
            name, other = b"n" * size, b"n" * (size - 1) + b"m"
            self.client.call("SET", name, size)
            self.client.call("HSET", "h", name, "v", other, "w")
            self.assertEqual(self.client.call("MGET", name, other), [b"%d" % size, None])
            self.assertEqual(self.client.call("HGET", "h", other), b"w")
            self.assertEqual(self.client.call("RENAME", name, other), b"OK")
        self.checkpoint()
        self.assertEqual(sorted(map(len, self.client.call("KEYS", "n*"))),
                         [511, 512, 513, 70000, 4 << 20])
        self.assertEqual(self.client.call("HLEN", "h"), 10)

    def test_commands_of_many_keys_and_transactions_of_many_commands(self):
        self.client.call("MSET", *[x for i in range(MANY) for x in ("m%d" % i, i)])
        self.assertEqual(self.client.call("DBSIZE"), MANY)
        queued = pipeline(self.client, [["MULTI"]] + [
            ["SET", "m%d" % (i + MANY // 2), "t"] for i in range(MANY)])
        self.assertEqual(set(queued), {b"+"})
        self.assertEqual(len(self.client.call("EXEC")), MANY)
        self.assertEqual(self.client.call("DBSIZE"), MANY + MANY // 2)
        self.node.kill()
        self.node.start()
        self.client = self.node.client(timeout=600)
        self.assertEqual(self.client.call("DBSIZE"), MANY + MANY // 2)
        self.assertEqual(self.client.call("MGET", "m0", "m%d" % (MANY // 2)), [b"0", b"t"])
        self.assertEqual(self.client.call("DEL", *["m%d" % i for i in range(MANY)]), MANY)
        self.assertEqual(self.client.call("DBSIZE"), MANY // 2)


if __name__ == "__main__":
    case.main()
