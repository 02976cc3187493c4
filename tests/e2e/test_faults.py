#!/usr/bin/env python3
"""A running node whose disk fails, fills up or is slow, and whose clock is set: nothing is said to
be stored that is not, reads go on, clients and the log are told, and a restart finds what was
acknowledged."""
import errno
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.link import Link  # noqa: E402
from harness.resp import Closed, encode  # noqa: E402
from harness.servers import info  # noqa: E402
from harness.shard import content, replication, until, wait_equal, wait_linked  # noqa: E402


class Faults(case.Case):
    def faulty(self, options=None):
        server = self.server(options, start=False)
        server.faults = os.path.join(server.dir, "faults")
        self.set(server)
        server.env = dict(os.environ, LD_PRELOAD=case.BINARIES.shim, CAIRN_FAULTS=server.faults)
        return server.start()

    def set(self, server, *lines):
        with open(server.faults + ".new", "w") as f:
            f.write("".join(line + "\n" for line in lines))
        os.rename(server.faults + ".new", server.faults)

    def tried(self, client, *args):
        """The reply, the error's text, or None when the connection was closed without one."""
        try:
            return client.call(*args)
        except Closed:
            return None
        except Exception as e:
            return str(e)

    def test_a_failed_sync_or_write_of_the_log(self):
        for call in ("fdatasync", "pwrite"):
            server = self.faulty({"appendfsync": "always"})
            with server.client() as c, server.client() as d:
                for i in range(50):
                    self.assertEqual(c.call("SET", "k%d" % i, i), b"OK")
                self.set(server, "%s errno %d" % (call, errno.EIO))
                self.assertNotEqual(self.tried(c, "SET", "lost", "1"), b"OK")
                self.assertEqual(d.call("GET", "k3"), b"3")
                # What may be lost is not shown, to nobody, and costs nobody a connection.
                with server.client() as e:
                    self.assertRegex(self.tried(e, "GET", "lost") or "gone", "^MISCONF ")
                    self.assertRegex(self.tried(e, "MGET", "k3", "lost") or "gone", "^MISCONF ")
                    self.assertEqual(e.call("GET", "k4"), b"4")
                self.set(server)  # the disk is well again, the log stays closed: it may have holes
                for words in (["SET", "x", "1"], ["DEL", "k1"], ["FLUSHALL"], ["BGSAVE"]):
                    self.assertRegex(self.tried(d, *words), "^MISCONF ", words)
                self.assertEqual(d.pipeline([["MULTI"], ["SET", "x", "1"]]), [b"OK", b"QUEUED"])
                self.assertRegex(self.tried(d, "EXEC"), "^EXECABORT .*MISCONF")
                self.assertEqual(info(d)["aof_last_write_status"], "err")
                self.assertEqual(info(d)["wal_state"], "failed")
            self.assertIn("no write is acknowledged from now on", server.tail(100))
            self.assertNotEqual(server.stop(), 0)
            server.start()
            with server.client() as c:
                for i in range(50):
                    self.assertEqual(c.call("GET", "k%d" % i), b"%d" % i)
                self.assertEqual(c.call("SET", "x", "1"), b"OK")

    def test_a_full_disk_and_room_again(self):
        server = self.faulty({"appendfsync": "always"})
        with server.client() as c, server.client() as d:
            self.assertEqual(c.call("SET", "a", "1"), b"OK")
            self.set(server, "pwrite errno %d" % errno.ENOSPC)
            c.send(encode(["SET", "a", "2"]))  # waits for room
            end = time.monotonic() + 20
            while info(d)["wal_state"] != "stalled":
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            self.assertRegex(self.tried(d, "SET", "b", "1"), "^MISCONF disk full")
            self.assertIsNone(d.call("GET", "b"))
            self.set(server)
            self.assertEqual(c.read()[1], b"+OK\r\n")
            end = time.monotonic() + 20
            while self.tried(d, "SET", "b", "2") != b"OK":
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            self.assertEqual(d.call("MGET", "a", "b"), [b"2", b"2"])
        text = server.tail(100)
        self.assertIn("no space left", text)
        self.assertIn("there is space again", text)
        server.kill()
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("MGET", "a", "b"), [b"2", b"2"])

    def test_a_replicas_disk_fills_up_during_a_copy(self):
        primary, replica = self.server(), self.faulty()
        with primary.client() as c, replica.client() as r:
            r.call("SET", "old", "1")
            for i in range(400):
                c.call("SET", "k:%d" % i, random.Random(i).randbytes(20000))
            c.call("SAVE")
            link = Link(primary.port)
            self.addCleanup(link.close)
            link.rate = 4000000
            r.call("REPLICAOF", "127.0.0.1", link.port)
            until(lambda: link.bytes > 2000000, text="part of a copy")
            self.set(replica, "pwrite errno %d" % errno.ENOSPC)
            link.rate = 0
            until(lambda: re.search("(?i)no space left", replica.tail(100)), text="why")
            # The old dataset is there and serves, the primary does not notice, and it is tried on.
            until(lambda: replication(replica)["master_link_status"] == "down", text="link down")
            self.assertEqual(r.call("GET", "old"), b"1")
            self.assertIsNone(r.call("GET", "k:1"))
            self.assertEqual(c.call("SET", "later", "1"), b"OK")
            self.set(replica)
            wait_linked(replica)
            wait_equal(primary, replica)
            self.assertEqual(content(primary), content(replica))
        self.assertEqual(replica.stop(), 0)
        replica.options["replicaof"] = ["127.0.0.1", primary.port]
        replica.start()
        wait_linked(replica)
        self.assertEqual(content(primary), content(replica))

    def test_a_slow_disk_holds_up_only_those_who_wait_for_it(self):
        server = self.faulty({"appendfsync": "always"})
        with server.client() as c, server.client() as d:
            c.call("SET", "a", "1")
            self.set(server, "fdatasync delay 2000")
            begin = time.monotonic()
            c.send(encode(["SET", "a", "2"]))
            time.sleep(0.1)
            d.call("GET", "other")
            self.assertLess(time.monotonic() - begin, 1)
            # A value that is not safe yet is not shown either.
            self.assertEqual(d.call("GET", "a"), b"2")
            self.assertGreater(time.monotonic() - begin, 1.5)
            self.assertEqual(c.read()[1], b"+OK\r\n")

    def test_everysec_loses_no_more_than_it_says_on_a_slow_disk(self):
        server = self.faulty({"appendfsync": "everysec"})
        with server.client() as c:
            c.call("SET", "a", "1")
            self.set(server, "fdatasync delay 4000")
            slowest, end = 0, time.monotonic() + 7
            while time.monotonic() < end:
                begin = time.monotonic()
                c.call("SET", "a", "x" * 100)
                slowest = max(slowest, time.monotonic() - begin)
            # Writers wait rather than have more than about a second's worth unsynced.
            self.assertGreater(slowest, 1)
            self.set(server)

    def test_the_wall_clock_is_set(self):
        server = self.faulty({"timeout": "30"})
        with server.client() as c, server.client() as d:
            c.call("SET", "short", "1", "PX", "1")
            c.call("SET", "long", "1", "EX", "7200")
            time.sleep(0.05)
            self.assertIsNone(c.call("GET", "short"))
            self.set(server, "clock -86400")
            time.sleep(1.5)
            # Gone is gone, clients stay, waits end.
            self.assertIsNone(c.call("GET", "short"))
            self.assertEqual(d.call("PING"), b"PONG")
            begin = time.monotonic()
            c.call("CLIENT", "PAUSE", "300", "WRITE")
            self.set(server, "clock -172800")
            self.assertEqual(c.call("SET", "a", "1"), b"OK")
            self.assertEqual(c.call("WAIT", "1", "100"), 0)
            self.assertLess(time.monotonic() - begin, 10)
            self.set(server, "clock 86400")
            time.sleep(1.5)
            self.assertIsNone(c.call("GET", "long"))
            self.assertEqual(d.call("PING"), b"PONG")
            self.assertLess(int(info(c, "server")["uptime_in_seconds"]), 60)
        text = server.tail(100)
        # By a day, less the moment that passed meanwhile.
        self.assertRegex(text, r"The system clock was set back by (86400|86399\.)")
        self.assertIn("The system clock was set forward by", text)


if __name__ == "__main__":
    case.main()
