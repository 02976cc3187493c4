#!/usr/bin/env python3
"""kill -9 before each change of a file that a node makes while it rejoins its shard: the next start
finishes it, everything that it gave up is in the archive, and nobody ever reads a state in between.

The three ways back: by its log alone; when its store has gone beyond the fork; when it comes from
another shard altogether (then nothing is kept: an operator gave its data up)."""
import glob
import os
import shutil
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
sys.path.insert(0, HERE)

from harness import case  # noqa: E402
from harness.servers import LONG, info  # noqa: E402
from harness.shard import content, linked, until, wait_equal, wait_linked  # noqa: E402

PROBES = ["probe:%d" % i for i in range(10)]
LOST = 150


class Reader(threading.Thread):
    """Reads the probes all the time, in one command, from whoever answers at the port."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.seen, self.going = server, {}, True
        self.start()

    def run(self):
        client = None
        while self.going:
            try:
                if client is None:
                    client = self.server.client(timeout=2)
                values = tuple(client.call("MGET", *PROBES))
                self.seen[values] = self.seen.get(values, 0) + 1
                time.sleep(0.002)
            except Exception:  # it is down, or says that it does not serve now
                if client is not None:
                    client.close()
                client = None
                time.sleep(0.005)
        if client is not None:
            client.close()

    def stop(self):
        self.going = False
        self.join(10)
        return self.seen


def steps():
    """Before which change it is killed: before each in the long form, else before ever fewer."""
    n = 1
    while True:
        yield n
        n = n + 1 if LONG else 2 * n + 1


class Rejoin(case.ToolCase):
    def probes(self, client, word):
        """All of them get a value at once."""
        client.pipeline([("MULTI",), ("MSET", *[w for p in PROBES for w in (p, word)]), ("EXEC",)])

    def shimmed(self):
        server = self.server(start=False)
        server.faults = os.path.join(server.dir + ".faults")
        self.addCleanup(lambda: os.path.exists(server.faults) and os.unlink(server.faults))
        server.env = dict(os.environ, LD_PRELOAD=case.BINARIES.shim, CAIRN_FAULTS=server.faults)
        self.arm(server, None)
        return server

    def arm(self, server, n):
        with open(server.faults, "w") as f:
            f.write("change kill %d\n" % n if n else "")

    def diverge(self, client):
        """What will be given up: probes, strings, a list's elements, a deletion."""
        self.probes(client, "lost")
        for i in range(LOST):
            client.call("SET", "lost:%d" % i, "x%d" % i)
        client.call("RPUSH", "list", "lost")
        client.call("DEL", "shared:1")

    def shard(self):
        """(the old primary, dead and with a tail of its own, and its successor)."""
        old, new = self.shimmed(), self.server(start=False)
        old.start()
        new.options["replicaof"] = ["127.0.0.1", old.port]
        new.start()
        wait_linked(new)
        with old.client() as c, new.client() as d:
            for i in range(100):
                c.call("SET", "shared:%d" % i, "y" * 100)
            c.call("RPUSH", "list", "shared")
            self.probes(c, "shared")
            self.assertEqual(c.call("WAIT", 1, 20000), 1)
            d.call("REPLICAOF", "NO", "ONE")
            self.probes(d, "new")
            for i in range(50):
                d.call("SET", "new:%d" % i, i)
            until(lambda: info(c, "replication")["connected_slaves"] == "0", text="it is alone")
            self.diverge(c)
        return old, new

    def archived(self, server):
        """{key: last value} of the archives; fails when one is damaged."""
        found = {}
        for path in sorted(glob.glob(os.path.join(server.dir, "divergent", "*.wal"))):
            for record in self.wal("dump", "--format", "json", "--value-max", 0, path).json:
                if "key" in record:
                    found[record["key"]] = record.get("value")
        return found

    def assert_complete(self, server):
        found = self.archived(server)
        for i in range(LOST):
            self.assertEqual(found.get("lost:%d" % i), "x%d" % i)
        for probe in PROBES:
            self.assertEqual(found.get(probe), "lost")
        self.assertIn("list", found)
        self.assertIn("shared:1", found)

    def assert_tidy(self, server):
        """Nothing half done is left."""
        left = os.listdir(server.dir)
        for name in ("rewind", "copy", "refetch"):
            self.assertNotIn(name, left)
        folder = os.path.join(server.dir, "divergent")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        # An archive, and beside it what its records replaced.
        kept = {n[:-4] for n in names if n.endswith(".wal")}
        self.assertEqual([n for n in names if not n.endswith(".wal")
                          and not (n.endswith(".fork") and n[:-5] in kept)], [])

    def rejoin(self, old, new, words, archives=True):
        """All steps. words: what readers may find the probes to be. archives: it has a history in
        common with the shard, so what came after that is given up and kept."""
        saved = old.dir + ".saved"
        self.addCleanup(shutil.rmtree, saved, ignore_errors=True)
        shutil.copytree(old.dir, saved)
        wanted = content(new)
        old.options["replicaof"] = ["127.0.0.1", new.port]
        reader = Reader(old)
        self.addCleanup(reader.stop)
        killed = 0
        for n in steps():
            shutil.rmtree(old.dir)
            shutil.copytree(saved, old.dir)
            self.arm(old, n)
            old.launch()
            until(lambda: old.process.poll() is not None or linked(old), 60,
                  "it is killed or there, change %d" % n)
            self.arm(old, None)
            time.sleep(0.05)  # the change may be one that it makes once it is there
            done = old.process.poll() is None
            if not done:
                self.assertEqual(old.process.returncode, -9, old.tail())
                killed += 1
                old.start()
                wait_linked(old)
            wait_equal(old, new)
            self.assertEqual(content(old), wanted, "after change %d" % n)
            if archives:
                self.assert_complete(old)
            self.assert_tidy(old)
            old.kill()
            if done:
                break
        seen = reader.stop()
        allowed = {tuple([w.encode()] * len(PROBES)) for w in words}
        self.assertEqual(set(seen) - allowed, set(), "a state in between was served")
        self.assertIn(tuple([b"new"] * len(PROBES)), seen)
        print("%s: killed before %d changes, the last of them number %d" % (
            self.id().rsplit(".", 1)[1], killed, n))
        self.assertGreater(killed, 3)

    def test_by_its_log_alone(self):
        old, new = self.shard()
        old.kill()
        self.rejoin(old, new, ("lost", "shared", "new"))

    def test_when_its_store_is_beyond_the_fork(self):
        old, new = self.shard()
        with old.client() as c:
            until(lambda: c.call("SAVE") == b"OK", text="a checkpoint")
        old.kill()
        self.rejoin(old, new, ("lost", "new"))

    def test_when_it_comes_from_another_shard(self):
        old, new = self.shimmed(), self.server()
        old.start()
        with old.client() as c, new.client() as d:
            c.call("SET", "shared:1", "1")
            self.diverge(c)
            self.probes(d, "new")
            for i in range(500):
                d.call("SET", "new:%d" % i, "z" * 100)
        old.kill()
        self.rejoin(old, new, ("lost", "new"), archives=False)


if __name__ == "__main__":
    case.main()
