#!/usr/bin/env python3
"""Slot digests: equal on all nodes of a shard at equal LSN, and told where they are not."""
import os
import random
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.shard import replication, until, wait_equal, wait_linked  # noqa: E402
from harness.tools import keyslot  # noqa: E402

SLOTS = 16384


def digests(server, *args):
    """{slot: (digest, keys)} and the one LSN that all are of."""
    with server.client() as c:
        reply = c.call("CLUSTER", "SLOT-DIGEST", *(args or ("SLOTSRANGE", 0, SLOTS - 1)))
    found, lsns = {}, set()
    for slot, flat in reply:
        fields = dict(zip(flat[::2], flat[1::2]))
        found[slot] = (fields[b"digest"], fields[b"keys"])
        lsns.add(fields[b"lsn"])
    assert len(lsns) == 1, lsns
    return found, lsns.pop()


def write(client, rng, i, kinds=24):
    """One write of some kind; most to collections that are stored element by element. The last
    of the kinds is FLUSHALL, once in a while."""
    try:
        write_some(client, rng, i, kinds)
    except Exception as e:
        if "WRONGTYPE" not in str(e) and "no such key" not in str(e):
            raise


def write_some(client, rng, i, kinds):
    key, dice = "k%d" % rng.randrange(150), rng.randrange(kinds)
    words = ["w%d" % rng.randrange(400) for _ in range(1 + rng.randrange(30))]
    if dice < 6:
        client.call("SET", key, "v%d-%d" % (i, rng.randrange(1 << 30)))
    elif dice == 6:
        client.call("SET", "t" + key, i, "PX", 1 + rng.randrange(3000))
    elif dice == 7:
        client.call("DEL", key, "h" + key, "z" + key)
    elif dice < 11:
        client.call("HSET", "h" + key, *sum(([w, "x" * rng.randrange(60)] for w in words), []))
    elif dice < 13:
        client.call("SADD", "s" + key, *words)
        client.call("SREM", "s" + key, *words[:9])
    elif dice < 16:
        client.call("RPUSH", "l" + key, *words)
        client.call("LTRIM", "l" + key, 3, -1)
    elif dice < 19:
        client.call("ZADD", "z" + key, *sum(([rng.randrange(99), w] for w in words), []))
    elif dice == 19:
        client.call("XADD", "x" + key, "MAXLEN", 300, "*", "f", "y" * rng.randrange(99))
    elif dice == 20:
        client.call("SETRANGE", "r" + key, rng.randrange(20000), "part")
    elif dice == 21 and client.call("EXISTS", "h" + key):
        client.call("RENAME", "h" + key, "h" + key)
        client.call("COPY", "h" + key, "{h%s}2" % key, "REPLACE")
    elif dice == 22:
        client.call("SET", rng.choice("hszl") + key, "a string now")
    elif dice == 23 and rng.randrange(60) == 0:
        client.call("FLUSHALL")


# Stores wait for twice this time for a replica that went away.
SOON = {"cluster-node-timeout": 500}


class SlotDigest(case.ToolCase):
    def replica(self, primary):
        return self.server({"replicaof": ["127.0.0.1", primary.port], **SOON})

    def checkpoint(self, primary, *replicas):
        """All at a checkpoint of the same LSN; returns what they say of it. Under load one may be
        amid a checkpoint of its own just then, and takes part in the next one."""
        def same():
            with primary.client() as c:
                c.call("SET", "checkpoint", random.random())
                c.call("SAVE")
            lsn = digests(primary, 0)[1]
            until(lambda: all(digests(s, 0)[1] >= lsn for s in replicas), 60, "checkpoints")
            found = [digests(s) for s in (primary,) + replicas]
            return found if len({lsn for _, lsn in found}) == 1 else None
        return until(same, 100, "a checkpoint of all nodes at one LSN")

    def test_nodes_under_load_agree(self):
        primary = self.server(SOON)
        first = self.replica(primary)
        second = self.replica(primary)
        wait_linked(first, second)
        stop = threading.Event()

        def load(seed):
            rng, i = random.Random(seed), 0
            with primary.client() as c:
                while not stop.is_set():
                    i += 1
                    write(c, rng, i)

        threads = [threading.Thread(target=load, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(2):
                found = self.checkpoint(primary, first, second)
                self.assertEqual(found[0], found[1])
                self.assertEqual(found[0], found[2])
                if turn == 0:
                    first.kill()
                    first.start()
                    wait_linked(first)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        wait_equal(primary, first, second)
        for server in (first, second):
            facts = until(lambda s=server: (lambda r: r if int(r["digest_checks"]) > 0 else None)(
                replication(s)), 30, "a comparison")
            self.assertEqual((facts["digest_slots_differ"], facts["digest_mismatches"]),
                             ("0", "0"))
        found = self.checkpoint(primary, first, second)
        kept = {slot: d for slot, d in found[0][0].items() if d[1] > 0}
        self.assertGreater(len(kept), 10)
        # The tool makes the same numbers from the files alone, and finds the kept ones right.
        for server in (primary, first, second):
            made = {o["slot"]: (o["digest"].encode(), o["keys"])
                    for o in self.slot("digest", "--at", "checkpoint", "--format", "json",
                                       server.dir).json if "slot" in o}
            self.assertEqual(made, kept)
            self.slot("check", "--deep", server.dir)

    def test_a_copy_and_a_restart_keep_them(self):
        rng = random.Random(7)
        primary = self.server({"memtable-max": "1mb", **SOON})
        with primary.client() as c:
            for i in range(1500):
                write(c, rng, i)
            # Nothing that goes by itself meanwhile.
            for i in range(150):
                c.call("DEL", "tk%d" % i)
            c.call("SAVE")
        before = digests(primary)
        primary.stop()
        primary.start()
        self.assertEqual(digests(primary), before)
        replica = self.replica(primary)
        wait_linked(replica)
        found = self.checkpoint(primary, replica)
        self.assertEqual(found[0], found[1])
        with primary.client() as c:
            c.call("FLUSHALL")
        found = self.checkpoint(primary, replica)
        self.assertEqual(found[0], found[1])
        self.assertEqual(sum(keys for _, keys in found[0][0].values()), 1)

    def test_a_store_that_holds_something_else_is_reported(self):
        primary = self.server(SOON)
        replica = self.replica(primary)
        wait_linked(replica)
        with primary.client() as c:
            for i in range(200):
                c.call("SET", "key:%d" % i, "value-%d" % i)
        self.checkpoint(primary, replica)
        until(lambda: int(replication(replica)["digest_checks"]) > 0, 30, "a comparison")
        self.assertEqual(replication(replica)["digest_slots_differ"], "0")
        replica.stop()
        subprocess.run([case.BINARIES.hiredis, os.path.join(replica.dir, "keyspace.mdb"), "key:7",
                        "VALUE-7"], check=True)
        result = self.slot("check", replica.dir, code=3)
        self.assertIn("digest", result.text)
        replica.start()
        wait_linked(replica)
        # Nobody looks at what lies still; the next write of that key meets it.
        with primary.client() as c:
            c.call("DEL", "key:7")
        self.checkpoint(primary, replica)
        facts = until(lambda: (lambda r: r if r["digest_slots_differ"] == "1" else None)(
            replication(replica)), 30, "the report")
        self.assertGreater(int(facts["digest_last_lsn"]), 0)
        self.assertIn("differs from the primary's at LSN", replica.tail(200))
        self.assertEqual(facts["master_link_status"], "up")

    def test_slots_without_a_digest_get_one_while_writes_go_on(self):
        """A store from before digests, written to and killed while they are built."""
        rng = random.Random(11)
        server = self.server({"memtable-max": "1mb", "checkpoint-interval": 1})
        with server.client() as c:
            for i in range(0, 9000, 100):
                c.call("MSET", *sum((["key:%d" % j, "v%d" % j] for j in range(i, i + 100)), []))
            c.call("HSET", "large", *["f%d" % (i // 2) if i % 2 == 0 else "x" * 90
                                      for i in range(60000)])
            for i in range(500):
                write(c, rng, i, 23)
        server.stop()
        subprocess.run([case.BINARIES.hiredis, os.path.join(server.dir, "keyspace.mdb")],
                       check=True)
        # Slots are built in their order, so these are places on the way.
        slots = sorted(keyslot(b"key:%d" % i) for i in range(9000))
        for place in slots[1500:9000:2500]:
            server.start()
            with server.client() as c:
                def reached():
                    write(c, rng, place, 23)
                    return digests(server, place)[0][place][0] is not None
                until(reached, 60, "the digest of slot %d" % place)
                self.assertIsNone(digests(server, slots[-1])[0][slots[-1]][0])
            server.kill()
        server.start()
        with server.client() as c:
            def complete():
                write(c, rng, 0, 23)
                return digests(server, slots[-1])[0][slots[-1]][0] is not None
            until(complete, 60, "digests of all slots")
            c.call("SAVE")
        until(lambda: "the digests of" in server.tail(1000), 30, "the line in the log")
        self.assertNotIn(None, [d for d, _ in digests(server)[0].values()])
        server.stop()
        self.assertNotIn("no digest", self.slot("check", "--deep", server.dir).text)

    def test_a_primary_from_before_digests_is_asked_without_them(self):
        """A word that it does not know is a syntax error to it."""
        asked = []

        def serve():
            client, _ = listener.accept()
            with client, client.makefile("rb") as stream:
                while len(asked) < 2:
                    count = int(stream.readline()[1:])
                    words = [stream.read(int(stream.readline()[1:]) + 2)[:-2]
                             for _ in range(count)]
                    asked.append(words)
                    client.sendall(b"-ERR syntax error\r\n")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve)
            thread.start()
            self.server({"replicaof": ["127.0.0.1", listener.getsockname()[1]]})
            thread.join(30)
        self.assertEqual([words[0] for words in asked], [b"WALSTREAM", b"WALSTREAM"])
        self.assertIn(b"DIGESTS", asked[0])
        self.assertEqual([w for w in asked[0] if w != b"DIGESTS"], asked[1])


if __name__ == "__main__":
    case.main()
