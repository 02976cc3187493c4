#!/usr/bin/env python3
"""Primaries and replicas as processes: copies, continuing, roles, what may be lost and what not."""
import collections
import os
import random
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.link import Link  # noqa: E402
from harness.resp import Client, Closed  # noqa: E402
from harness.servers import LONG, Server, info, redis_binary  # noqa: E402
from harness.shard import content, linked, lsn, replication, until  # noqa: E402
from harness.shard import wait_equal, wait_linked  # noqa: E402


def fill(client, count, rng, prefix="k"):
    """Writes of every kind."""
    for i in range(count):
        key = "%s:%d" % (prefix, rng.randrange(max(count // 2, 1)))
        dice = rng.randrange(20)
        if dice == 0:
            client.call("DEL", key)
        elif dice == 1:
            client.call("SET", key, "v%d" % i, "PX", 3600000)
        elif dice < 5:
            client.call("HSET", "h" + key, *sum((["f%d" % rng.randrange(200), "x" * rng.randrange(
                60)] for _ in range(20)), []))
        elif dice == 5:
            client.call("SADD", "s" + key, *["m%d" % rng.randrange(400) for _ in range(40)])
            client.call("SREM", "s" + key, *["m%d" % rng.randrange(400) for _ in range(20)])
        elif dice < 8:
            client.call("RPUSH", "l" + key, *["e%d" % rng.randrange(1000)] * rng.randrange(1, 30))
        else:
            client.call("SET", key, "v%d-%d" % (i, rng.randrange(1 << 30)))


class Replication(case.ToolCase):
    def replica(self, primary, port=None, **options):
        return self.server({"replicaof": ["127.0.0.1", port or primary.port], **options})

    def pair(self, **options):
        primary = self.server(options)
        replica = self.replica(primary, **options)
        wait_linked(replica)
        return primary, replica

    def same(self, *servers):
        """What all of them hold, by what clients see and by what is on their disks."""
        wait_equal(*servers)
        first = content(servers[0])
        for other in servers[1:]:
            self.assertEqual(first, content(other))
            self.slot("diff", "--limit", 20, servers[0].dir, other.dir)
        return first

    # --- copies and continuing ---

    def test_an_empty_node_gets_a_full_copy(self):
        rng = random.Random(1)
        primary = self.server({"memtable-max": "1mb"})
        with primary.client() as c:
            fill(c, 3000, rng)
            c.call("SET", "big", b"x" * 3000000)
            c.call("SAVE")
            fill(c, 1000, rng)
        replica = self.replica(primary, **{"wal-segment-size": "1mb"})
        wait_linked(replica)
        self.assertIn(b"big", self.same(primary, replica))
        # The copy's log is allocated as the replica's directive says: its disk may be a small one.
        for file in os.scandir(os.path.join(replica.dir, "wal")):
            self.assertLessEqual(file.stat().st_size, 5000000)
        with primary.client() as c:
            self.assertEqual(info(c, "stats")["sync_full"], "1")
            self.assertEqual(c.call("DBSIZE"), replica.client().call("DBSIZE"))

    def test_copies_of_shards_without_records_or_without_checkpoints(self):
        primary, replica = self.pair()
        with primary.client() as c:
            c.call("SET", "a", "1")
        second = self.replica(primary)
        wait_linked(second)
        self.assertEqual(self.same(primary, replica, second), {b"a": (b"string", b"1", False)})

    def test_restarts_of_either_side_continue(self):
        rng = random.Random(2)
        primary, replica = self.pair()
        with primary.client() as c:
            fill(c, 500, rng)
        for server, end in ((replica, "stop"), (primary, "stop"), (replica, "kill"),
                            (primary, "kill"), (primary, "stop"), (replica, "kill")):
            getattr(server, end)()
            if server is replica:
                with primary.client() as c:
                    fill(c, 300, rng)
            server.start()
            if server is replica:
                wait_linked(replica)
            with primary.client() as c:
                fill(c, 100, rng)
            wait_linked(replica)
            self.same(primary, replica)
        with primary.client() as c:
            self.assertEqual(info(c, "stats")["sync_full"], "0")

    def test_a_node_of_another_history_is_replaced(self):
        primary, other = self.server(), self.server()
        with primary.client() as c:
            c.call("SET", "mine", "1")
        with other.client() as c:
            c.call("SET", "theirs", "1")
            c.call("REPLICAOF", "127.0.0.1", primary.port)
        wait_linked(other)
        self.assertEqual(set(self.same(primary, other)), {b"mine"})

    def test_a_chain_of_replicas(self):
        rng = random.Random(3)
        primary, middle = self.pair()
        last = self.replica(middle)
        wait_linked(last)
        with primary.client() as c:
            fill(c, 500, rng)
        self.same(primary, middle, last)
        middle.kill()
        with primary.client() as c:
            fill(c, 100, rng)
        middle.start()
        wait_linked(middle, last)
        self.same(primary, middle, last)
        self.assertEqual(replication(last)["role"], "slave")
        with middle.client() as c:
            self.assertEqual(info(c, "stats")["sync_full"], "0")

    def test_a_copy_goes_on_after_a_broken_link(self):
        primary = self.server({"memtable-max": "1mb"})
        with primary.client() as c:
            for i in range(400):
                c.call("SET", "k:%d" % i, random.Random(i).randbytes(20000))
            c.call("SAVE")
        link = Link(primary.port)
        self.addCleanup(link.close)
        link.rate = 4000000
        replica = self.replica(primary, port=link.port)
        until(lambda: link.bytes > 4000000, text="half a copy")
        link.cut()
        link.rate = 0
        before = link.bytes
        wait_linked(replica)
        self.same(primary, replica)
        self.assertLess(link.bytes - before, 7000000)

    def test_the_old_dataset_serves_during_a_copy(self):
        primary, replica = self.server({"memtable-max": "1mb"}), self.server()
        with replica.client() as c:
            c.call("SET", "old", "1")
        with primary.client() as c:
            for i in range(300):
                c.call("SET", "k:%d" % i, random.Random(i).randbytes(20000))
        link = Link(primary.port)
        self.addCleanup(link.close)
        link.rate = 4000000
        with replica.client() as c:
            c.call("REPLICAOF", "127.0.0.1", link.port)
            until(lambda: link.bytes > 2000000, text="part of a copy")
            self.assertEqual(c.call("GET", "old"), b"1")
            replica.kill()
        replica.options["replicaof"] = ["127.0.0.1", link.port]
        replica.start()
        with replica.client() as c:
            self.assertEqual(c.call("GET", "old"), b"1")
        link.rate = 0
        wait_linked(replica)
        self.assertNotIn(b"old", self.same(primary, replica))

    def test_a_copy_is_not_taken_before_it_has_what_the_primary_had(self):
        # All of it is in the log: the store, which is copied, is empty.
        primary, replica = self.server(), self.server()
        with primary.client() as c, replica.client() as r:
            r.call("SET", "old", "1")
            for i in range(300):
                c.call("SET", "k:%d" % i, random.Random(i).randbytes(20000))
            link = Link(primary.port)
            self.addCleanup(link.close)
            link.rate = 3000000
            r.call("REPLICAOF", "127.0.0.1", link.port)
            states = set()
            while not linked(replica):
                at_once = r.pipeline([("MULTI",), ("DBSIZE",), ("GET", "old"), ("EXEC",)])[-1]
                states.add(tuple(at_once))
            self.assertEqual(r.call("DBSIZE"), 300)
            self.assertEqual(states - {(1, b"1"), (300, None)}, set())
            self.assertIn((1, b"1"), states)
        self.same(primary, replica)

    # --- roles ---

    def test_a_deposed_primary_goes_back_and_archives(self):
        primary = self.server()
        link = Link(primary.port)
        self.addCleanup(link.close)
        replica = self.replica(primary, port=link.port)
        wait_linked(replica)
        with primary.client() as c:
            c.call("SET", "shared", "1")
            self.assertEqual(c.call("WAIT", 1, 5000), 1)
            link.refusing = True
            link.cut()
            for i in range(20):
                c.call("SET", "lost:%d" % i, i)
        primary.kill()
        with replica.client() as c:
            c.call("REPLICAOF", "NO", "ONE")
            c.call("SET", "after", "1")
        primary.options["replicaof"] = ["127.0.0.1", replica.port]
        primary.start()
        wait_linked(primary)
        found = self.same(replica, primary)
        self.assertEqual(set(found), {b"shared", b"after"})
        state = replication(primary)
        self.assertEqual(state["divergent_records"], "20")
        files = os.listdir(os.path.join(primary.dir, "divergent"))
        self.assertEqual(sorted(name.rsplit(".")[-1] for name in files), ["fork", "wal"])
        with replica.client() as c:
            self.assertEqual(info(c, "stats")["sync_full"], "0")

    def test_roles_change_at_random(self):
        rng = random.Random(4)
        nodes = list(self.pair())
        primary, lost_in_all = 0, 0
        for _ in range(100 if LONG else 12):
            other = 1 - primary
            if rng.randrange(3) == 0:
                victim = rng.choice(nodes)
                victim.stop() if rng.randrange(2) == 0 else victim.kill()
                victim.start()
                wait_linked(nodes[other])
            with nodes[primary].client() as c:
                fill(c, 50, rng)
            if rng.randrange(2) == 0:
                wait_equal(*nodes)
            with nodes[other].client() as c:
                c.call("REPLICAOF", "NO", "ONE")
                fill(c, 20, rng)
            nodes[other].options.pop("replicaof", None)
            nodes[primary].options["replicaof"] = ["127.0.0.1", nodes[other].port]
            with nodes[primary].client() as c:
                if rng.randrange(2) == 0:
                    c.call("SET", "stray", rng.randrange(1000))
                before = info(c, "replication")
                c.call("REPLICAOF", "127.0.0.1", nodes[other].port)
            wait_linked(nodes[primary])
            self.same(*nodes)
            # It gave up what came after the fork, all of it and no more.
            fork = int(replication(nodes[other])["second_repl_offset"]) - 1
            lost = int(replication(nodes[primary])["divergent_records"]) - int(
                before["divergent_records"])
            self.assertEqual(lost, int(before["master_repl_offset"]) - fork)
            lost_in_all += lost
            primary = other
        self.assertGreater(lost_in_all, 0)
        # Only the first sync was a full copy.
        for node, copies in zip(nodes, (0, 1)):
            with open(node.log, encoding="utf-8") as f:
                self.assertEqual(f.read().count("sync started: a full copy"), copies)

    def test_failover_hands_over_without_loss(self):
        primary, replica = self.pair()
        stop, acked, errors = threading.Event(), [], []

        def write():
            n = 0
            servers = [primary, replica]
            client = servers[0].client()
            while not stop.is_set():
                try:
                    client.call("SET", "w:%d" % n, n)
                    acked.append(n)
                    n += 1
                except Exception as e:  # redirected by hand
                    errors.append(str(e))
                    servers.reverse()
                    client = servers[0].client()
                    time.sleep(0.005)

        thread = threading.Thread(target=write)
        thread.start()
        time.sleep(0.3)
        with primary.client() as c:
            c.call("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 5000)
        until(lambda: replication(replica)["role"] == "master", text="the replica is primary")
        wait_linked(primary)
        time.sleep(0.3)
        stop.set()
        thread.join()
        found = self.same(primary, replica)
        for n in acked:
            self.assertIn(b"w:%d" % n, found)
        self.assertTrue(errors)
        self.assertEqual(replication(primary)["divergent_records"], "0")

    def test_failover_is_refused_or_given_up(self):
        primary, replica = self.pair()
        with primary.client() as c, replica.client() as r:
            self.assertIn("not a replica", self.error(c, "FAILOVER", "TO", "127.0.0.1", 1))
            self.assertIn("when server is a replica", self.error(r, "FAILOVER"))
            self.assertIn("No failover", self.error(c, "FAILOVER", "ABORT"))
            self.assertIn("requires both", self.error(c, "FAILOVER", "FORCE"))
            os.kill(replica.process.pid, signal.SIGSTOP)
            c.call("SET", "a", "1")
            c.call("FAILOVER", "TIMEOUT", 300)
            self.assertEqual(replication(primary)["master_failover_state"], "waiting-for-sync")
            c.call("SET", "b", "1")  # waits, and is taken after the attempt has timed out
            self.assertEqual(replication(primary)["master_failover_state"], "no-failover")
            os.kill(replica.process.pid, signal.SIGCONT)
        self.same(primary, replica)

    def test_the_role_survives_config_rewrite(self):
        primary = self.server()
        path = os.path.join(primary.dir, "other.conf")
        replica = self.server(start=False)
        with open(path, "w", encoding="utf-8") as f:
            f.write("port %d\ndir %s\n" % (replica.port, replica.dir))
        replica.arguments = lambda: [replica.binary, path]
        replica.start()
        with replica.client() as c:
            c.call("REPLICAOF", "127.0.0.1", primary.port)
            c.call("CONFIG", "REWRITE")
        wait_linked(replica)
        replica.stop()
        replica.start()
        wait_linked(replica)
        with replica.client() as c:
            c.call("REPLICAOF", "NO", "ONE")
            c.call("CONFIG", "REWRITE")
        replica.stop()
        replica.start()
        self.assertEqual(replication(replica)["role"], "master")

    # --- what clients see ---

    def test_replies_of_a_replica(self):
        primary, replica = self.pair()
        with primary.client() as c, replica.client() as r:
            c.call("SET", "a", "1")
            wait_equal(primary, replica)
            self.assertIn("READONLY", self.error(r, "SET", "a", "2"))
            self.assertIn("READONLY", self.error(r, "DEL", "a"))
            self.assertEqual(r.call("GET", "a"), b"1")
            self.assertIn("WAIT cannot", self.error(r, "WAIT", 0, 0))
            role = r.call("ROLE")
            self.assertEqual(role[:4], [b"slave", b"127.0.0.1", primary.port, b"connected"])
            role = c.call("ROLE")
            self.assertEqual(role[0], b"master")
            self.assertEqual(role[2][0][:2], [b"127.0.0.1", b"%d" % replica.port])
            self.assertIn(b"flags=S", c.call("CLIENT", "LIST", "TYPE", "replica"))
            self.assertNotIn(b"flags=S", c.call("CLIENT", "LIST", "TYPE", "normal"))
            primary.kill()
            until(lambda: replication(replica)["master_link_status"] == "down", text="link down")
            self.assertEqual(r.call("GET", "a"), b"1")
            r.call("CONFIG", "SET", "replica-serve-stale-data", "no")
            until(lambda: "MASTERDOWN" in self._try(r, "GET", "a"), text="MASTERDOWN")
            self.assertNotIn("MASTERDOWN", self._try(r, "INFO", "server"))

    @staticmethod
    def _try(client, *args):
        try:
            return str(client.call(*args))
        except Exception as e:
            return str(e)

    def test_wait_and_waitaof(self):
        primary, replica = self.pair()
        with primary.client() as c:
            c.call("SET", "a", "1")
            self.assertEqual(c.call("WAIT", 1, 5000), 1)
            self.assertEqual(c.call("WAITAOF", 1, 1, 5000), [1, 1])
            os.kill(replica.process.pid, signal.SIGSTOP)
            c.call("SET", "a", "2")
            began = time.monotonic()
            self.assertEqual(c.call("WAIT", 1, 300), 0)
            self.assertGreater(time.monotonic() - began, 0.25)
            self.assertEqual(c.call("WAITAOF", 1, 1, 200), [1, 0])
            threading.Timer(0.3, os.kill, (replica.process.pid, signal.SIGCONT)).start()
            self.assertEqual(c.call("WAIT", 1, 0), 1)
            self.assertEqual(c.call("WAIT", 2, 100), 1)

    def test_waiting_costs_nothing_until_an_ack_comes(self):
        primary, replica = self.pair()

        def wakeups():
            with open("/proc/%d/status" % primary.process.pid) as f:
                return int(f.read().split("voluntary_ctxt_switches:")[1].split()[0])

        with primary.client() as c:
            c.call("SET", "a", "1")
            self.assertEqual(c.call("WAIT", 1, 5000), 1)
            os.kill(replica.process.pid, signal.SIGSTOP)
            c.call("SET", "a", "2")
            before, began = wakeups(), time.monotonic()
            self.assertEqual(c.call("WAIT", 1, 1500), 0)
            self.assertLess(wakeups() - before, 300)  # looking every half millisecond: 3000
            self.assertLess(time.monotonic() - began, 3)
            # Other clients' turns do not make it miss the ack.
            waiting, other = primary.client(), primary.client()
            waiting.send(b"WAIT 1 0\r\n")
            for i in range(50):
                other.call("PING")
            os.kill(replica.process.pid, signal.SIGCONT)
            self.assertEqual(waiting.read()[1], b":1\r\n")
            # Nobody knows when it ends: its client's end must be seen meanwhile.
            clients = int(info(c, "clients")["connected_clients"])
            waiting.send(b"WAIT 5 0\r\n")
            time.sleep(0.1)
            waiting.close()
            until(lambda: int(info(c, "clients")["connected_clients"]) == clients - 1,
                  text="the client that went away is gone")
            # A change of role ends the wait.
            other.send(b"WAIT 5 0\r\n")
            time.sleep(0.1)
            c.call("REPLICAOF", "127.0.0.1", replica.port)
            self.assertIn(b"WAIT cannot be used", other.read()[1])
            other.close()

    def test_min_replicas(self):
        primary, replica = self.pair()
        with primary.client() as c:
            c.call("CONFIG", "SET", "min-replicas-to-write", 2)
            self.assertIn("NOREPLICAS", self._try(c, "SET", "a", "0"))
            self.assertIn("NOREPLICAS", self._try(c, "EVAL", "return redis.call('incr','a')", 0))
            c.call("CONFIG", "SET", "min-replicas-to-write", 1, "min-replicas-max-lag", 1)
            until(lambda: self._try(c, "SET", "a", "1") == "b'OK'", text="a write goes through")
            os.kill(replica.process.pid, signal.SIGSTOP)
            until(lambda: "NOREPLICAS" in self._try(c, "SET", "a", "2"), text="NOREPLICAS")
            self.assertIn(c.call("GET", "a"), (b"1", b"2"))
            os.kill(replica.process.pid, signal.SIGCONT)
            until(lambda: self._try(c, "SET", "a", "3") == "b'OK'", text="a write goes through")

    def test_expiry_is_the_primarys(self):
        primary, replica = self.pair()
        with primary.client() as c, replica.client() as r:
            c.call("CONFIG", "SET", "hz", 1)
            c.call("SET", "a", "1", "PX", 300)
            wait_equal(primary, replica)
            self.assertEqual(r.call("GET", "a"), b"1")
            until(lambda: r.call("GET", "a") is None, text="hidden on the replica")
            until(lambda: c.call("DBSIZE") == 0 and r.call("DBSIZE") == 0, text="deleted")
            wait_equal(primary, replica)

    def test_passwords(self):
        primary = self.server({"requirepass": "secret"})
        wrong = self.replica(primary)
        right = self.replica(primary, masterauth="secret")
        wait_linked(right)
        time.sleep(0.5)
        self.assertEqual(replication(wrong)["master_link_status"], "down")
        with wrong.client() as c:
            c.call("CONFIG", "SET", "masterauth", "secret")
        wait_linked(wrong)

    def test_the_source_address_is_bound(self):
        primary = self.server()
        wait_linked(self.replica(primary, **{"bind-source-addr": "127.0.0.7"}))
        self.assertIn("ip=127.0.0.7,", replication(primary)["slave0"])

    def test_requests_that_are_refused(self):
        primary = self.server()
        with primary.client() as c:
            self.assertIn("version", self.error(c, "WALSTREAM", 99, "id", 1, "", 0, "0", "x"))
            self.assertIn("history", self.error(c, "WALSTREAM", 1, "id", 1, "", 0, "0", "x"))
            self.assertIn("Invalid master port",
                          self.error(c, "REPLICAOF", "127.0.0.1", "70000"))
            c.call("REPLICAOF", "127.0.0.1", primary.port)
            time.sleep(0.5)
            self.assertEqual(replication(primary)["master_link_status"], "down")
            c.call("REPLICAOF", "NO", "ONE")
            c.call("SET", "a", "1")

    def test_what_is_no_cairn_primary_changes_nothing(self):
        replica = self.server()
        redis = Server(redis_binary(), "redis").start()
        self.addCleanup(redis.close)
        with replica.client() as c:
            c.call("SET", "mine", "1")
            c.call("REPLICAOF", "127.0.0.1", redis.port)
            until(lambda: "is no Cairn node but, it seems, a redis-server" in replica.tail(),
                  text="why")
        for answer, why in ((b"+CONTINUE 7\r\n", "continues at another LSN"),
                            (b"+CONTINUE 1\r\n" + b"\x00" * 64, "the stream is damaged"),
                            (b"+FULLCOPY\r\n" + b"\xff" * 64,
                             "the stream is damaged"),
                            (b"-ERR protocol version 1 is not spoken here\r\n",
                             "refuses: ERR protocol version"),
                            (b"what?\r\n", "the primary refuses: what?"),
                            (b"-ERR \x1b[31mred\xff\r\n", r"ERR \?\[31mred\?\n"),
                            (b"x" * 100000, "no line of text")):
            with socket.create_server(("127.0.0.1", 0)) as listener:
                with replica.client() as c:
                    c.call("REPLICAOF", "127.0.0.1", listener.getsockname()[1])
                near, _ = listener.accept()
                with near:
                    near.recv(65536)
                    size = os.path.getsize(replica.log)
                    near.sendall(answer)

                    def told():
                        with open(replica.log, encoding="utf-8", errors="replace") as f:
                            f.seek(size)
                            return re.search(why, f.read())

                    until(told, text="%r is told as %s" % (answer[:40], why))
            with replica.client() as c:
                self.assertEqual(c.call("GET", "mine"), b"1")
        with replica.client() as c:
            c.call("REPLICAOF", "NO", "ONE")
            self.assertEqual(c.call("DBSIZE"), 1)
            c.call("SET", "mine", "2")

    # --- faults ---

    def test_damaged_streams_apply_nothing_wrong(self):
        rng = random.Random(5)
        primary = self.server()
        link = Link(primary.port)
        self.addCleanup(link.close)
        replica = self.replica(primary, port=link.port)
        wait_linked(replica)

        def flip(data, offset):
            if rng.randrange(4) == 0:
                at = rng.randrange(len(data))
                return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1:]
            return data

        def drop(data, offset):
            return data[rng.randrange(len(data)):] if rng.randrange(4) == 0 else data

        def repeat(data, offset):
            return data + data if rng.randrange(4) == 0 else data

        def swap(data, offset):
            half = len(data) // 2
            return data[half:] + data[:half] if rng.randrange(4) == 0 else data

        for damage in (flip, drop, repeat, swap):
            link.damage = damage
            with primary.client() as c:
                for _ in range(5):
                    fill(c, 60, rng)
                    time.sleep(0.05)
            link.damage = None
            link.cut()
            wait_linked(replica)
            self.same(primary, replica)

    def test_a_stopped_replica_costs_no_memory(self):
        primary, replica = self.pair(**{"wal-keep-size": "1mb", "memtable-max": "4mb"})
        with primary.client() as c:
            c.call("SET", "a", "1")
            os.kill(replica.process.pid, signal.SIGSTOP)
            before = primary.status_kb("RssAnon")
            for i in range(120):
                c.call("MSET", *sum((["k:%d:%d" % (i, j), random.Random(j).randbytes(1000)]
                                     for j in range(200)), []))
            self.assertLess(primary.status_kb("RssAnon") - before, 24 * 1024)
            os.kill(replica.process.pid, signal.SIGCONT)
        self.same(primary, replica)
        with primary.client() as c:
            self.assertEqual(info(c, "stats")["sync_full"], "1")

    def test_kills_on_all_sides_under_load(self):
        rng = random.Random(6)
        rounds, seconds = (100000, 600) if LONG else (6, 3600)
        primary = self.server()
        links = [Link(primary.port) for _ in range(2)]
        replicas = [self.replica(primary, port=link.port) for link in links]
        for link in links:
            self.addCleanup(link.close)
        wait_linked(*replicas)
        stop, acked, done = threading.Event(), {}, collections.Counter()

        def write(worker):
            n = 0
            while not stop.is_set():
                try:
                    with Client(primary.port, timeout=10) as c:
                        while not stop.is_set():
                            n += 1
                            key = "w%d:%d" % (worker, n % 20000)
                            c.call("SET", key, n)
                            acked[key] = n
                except (OSError, Closed):
                    time.sleep(0.02)

        threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        end = time.monotonic() + seconds
        for _ in range(rounds):
            if time.monotonic() > end:
                break
            time.sleep(rng.uniform(0.2, 0.6))
            victim = rng.choice([primary] + replicas)
            dice = rng.randrange(4)
            done[("cut", "stop", "kill", "kill")[dice]] += 1
            if dice == 0:
                rng.choice(links).cut()
            elif dice == 1:
                os.kill(victim.process.pid, signal.SIGSTOP)
                time.sleep(rng.uniform(0.1, 0.5))
                os.kill(victim.process.pid, signal.SIGCONT)
            else:
                victim.kill()
                victim.start()
        stop.set()
        for t in threads:
            t.join()
        wait_linked(*replicas)
        found = self.same(primary, *replicas)
        for key, value in acked.items():  # a later one may have got there unacknowledged
            self.assertGreaterEqual(int(found[key.encode()][1]), value, key)
        if LONG:
            print(dict(done), "up to LSN", lsn(primary), flush=True)
        for replica in replicas:
            with open(replica.log, encoding="utf-8") as f:
                self.assertEqual(f.read().count("a full copy"), 1, replica.log)


if __name__ == "__main__":
    case.main()
