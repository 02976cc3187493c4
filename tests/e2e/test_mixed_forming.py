#!/usr/bin/env python3
"""How clusters of Cairn and Debian's redis-server come to be and fall apart: joining from either
side, slots and keys on the move, each other's nodes.conf, partitions, replicas of the wrong kind.
Failovers are in test_mixed_cluster.py. Some last long, and run in the long form only."""
import binascii
import os
import re
import shutil
import signal
import time
import unittest

from harness import cluster
from harness.case import main
from harness.mixed import (MixedCase, Network, address, agree, ask, cli, facts, is_ok,
                           nodes_view, pairs, seen, settled, slots_view)
from harness.servers import LONG, free_port
from harness.tools import keyslot


LIBRARY = "#!lua name=lib\nredis.register_function{function_name='f', flags={'no-writes'}, " \
    "callback=function() return string.rep('long ', 500) end} -- " + "packed " * 300


def number_of(server, slot):
    """The port that a node sends a client to for a slot."""
    for first, last, primary, *_ in ask(server, "CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return primary[1]
    return None


class Joining(MixedCase):
    def test_redis_cli_makes_and_grows_a_cluster_of_both_kinds(self):
        for first, second in (("C", "R"), ("R", "C")) if LONG else (("R", "C"),):
            with self.subTest(first=first):
                servers = self.started(first + second + first)
                said = cli("--cluster", "create", *map(address, servers), "--cluster-yes")
                self.assertIn("[OK] All 16384 slots covered", said)
                settled(servers)
                for server in servers:
                    ask(server, "FUNCTION", "LOAD", LIBRARY)
                # A node of each kind joins by way of each kind, as a primary and as a replica.
                more = self.started("CRCR")
                cli("--cluster", "add-node", address(more[0]), address(servers[0]))
                settled(servers + more[:1])
                cli("--cluster", "add-node", address(more[1]), address(servers[1]))
                for i, replica, entry in ((2, more[2], servers[1]), (3, more[3], servers[0])):
                    primary = next(s for s in servers if s.kind == replica.kind)
                    settled(servers + more[:i])
                    cli("--cluster", "add-node", address(replica), address(entry),
                        "--cluster-slave", "--cluster-master-id", cluster.my_id(primary))
                self.settle(servers + more)
                # The new primaries have got the functions of the node that they came by, packed
                # by the other kind; the replicas those of their primaries.
                for server in more:
                    self.assertEqual(ask(server, "FCALL_RO", "f", 0), b"long " * 500)
                for server in servers + more:
                    self.assertIn("[OK] All 16384 slots covered",
                                  cli("--cluster", "check", address(server)))
                self.keys_move(servers[1], servers[0])
                # And the empty ones leave again.
                for gone, entry in ((more[0], servers[1]), (more[1], servers[0])):
                    cli("--cluster", "del-node", address(entry), cluster.my_id(gone))
                rest = servers + more[2:]
                ids = {cluster.my_id(s) for s in rest}
                for server in rest:
                    cluster.until(lambda s=server: set(seen(s)) == ids, "two have left")

    def keys_move(self, one, other):
        """redis-cli reshards from one kind to the other, and back."""
        keys = {}
        low = int(next(n for n in seen(one).values() if "myself" in n.flags).slots[0]
                  .split("-")[0])
        for i in range(20000):
            slot = binascii.crc_hqx(b"%d" % i, 0) % 16384
            if low <= slot < low + 10:
                keys["{%d}string" % i] = "value-%d" % i
                keys["{%d}list" % i] = ["a", "b" * 300, str(i)]
        for key, value in keys.items():
            if isinstance(value, str):
                ask(one, "SET", key, value)
            else:
                ask(one, "RPUSH", key, *value)
        for source, target in ((one, other), (other, one)):
            cli("--cluster", "reshard", address(source), "--cluster-from", cluster.my_id(source),
                "--cluster-to", cluster.my_id(target), "--cluster-slots", 10, "--cluster-yes")
            # The slots that go back are the lowest of all that it has: perhaps others.
            for key, value in keys.items():
                holder = next(s for s in (target, source)
                              if number_of(source, ask(source, "CLUSTER", "KEYSLOT", key))
                              == s.port)
                if isinstance(value, str):
                    self.assertEqual(ask(holder, "GET", key).decode(), value)
                else:
                    found = [v.decode() for v in ask(holder, "LRANGE", key, 0, -1)]
                    self.assertEqual(found, value)
            if source is one:
                self.assertEqual(ask(target, "DBSIZE"), len(keys))

    def test_slots_move_from_either_side(self):
        c, r = self.joined("CR")
        for server, first, last in self.dealt([c, r]):
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        settled([c, r])
        ids = {s: cluster.my_id(s) for s in (c, r)}
        for source, target, slot in ((c, r, 5), (r, c, 9000), (r, c, 5), (c, r, 9000)):
            ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
            ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
            ask(target, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
            ask(source, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
            settled([c, r])
            self.assertEqual(number_of(c, slot), target.port)
        ask(c, "CLUSTER", "DELSLOTS", 0)
        cluster.until(lambda: facts(c)["cluster_slots_assigned"] == "16383", "a slot is gone")
        # Who lost sight of an owner does not forget it, so the other one may still see it there.
        ask(r, "CLUSTER", "DELSLOTS", 0)
        ask(r, "CLUSTER", "ADDSLOTS", 0)
        cluster.until(lambda: number_of(c, 0) == r.port and number_of(r, 0) == r.port,
                      "redis-server has taken it")
        settled([c, r])

    @unittest.skipUnless(LONG, "in the long form")
    def test_names_and_announced_addresses_travel(self):
        c, r = self.joined("CR", cluster_announce_hostname="first.example",
                           cluster_preferred_endpoint_type="hostname")
        for server, first, last in self.dealt([c, r]):
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        settled([c, r])

        def names(server):
            """The host that clients are sent to, by port."""
            return {node[1]: node[0] for _, _, node in ask(server, "CLUSTER", "SLOTS")}

        for name in ("c.example", "a-much-longer-name." + "x" * 60 + ".example", ""):
            ask(c, "CONFIG", "SET", "cluster-announce-hostname", name)
            ask(r, "CONFIG", "SET", "cluster-announce-hostname", name and "r." + name)
            wanted = {c.port: name.encode() or b"?",
                      r.port: (name and "r." + name).encode() or b"?"}
            for server in (c, r):
                cluster.until(lambda s=server: names(s) == wanted, "names are %r" % wanted)
        for server in (c, r):
            ask(server, "CONFIG", "SET", "cluster-preferred-endpoint-type", "ip")
        settled([c, r])
        # Announced ports are those that others tell.
        for server, other in ((c, r), (r, c)):
            port = free_port()
            ask(server, "CONFIG", "SET", "cluster-announce-port", port)
            me = cluster.my_id(server)
            cluster.until(lambda o=other: seen(o)[me].port == port, "the port is told")
            ask(server, "CONFIG", "SET", "cluster-announce-port", 0)
            cluster.until(lambda o=other: seen(o)[me].port == server.port, "and taken back")
        ask(c, "CONFIG", "SET", "cluster-announce-ip", "127.0.0.1")
        ask(r, "CONFIG", "SET", "cluster-announce-ip", "127.0.0.1")
        settled([c, r])

    def test_equal_epochs_are_sorted_out(self):
        for kinds in ("CR", "CRC", "RCR") if LONG else ("CRC",):
            with self.subTest(kinds=kinds):
                servers = self.started(kinds)
                for server in servers:
                    ask(server, "CLUSTER", "SET-CONFIG-EPOCH", 7)
                for server, first, last in self.dealt(servers):
                    ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
                for one, other in zip(servers, servers[1:]):
                    self.meet(one, other)
                self.know(servers)
                nodes = settled(servers)
                epochs = {name: node[4] for name, node in nodes.items()}
                self.assertEqual(len(set(epochs.values())), len(servers), epochs)
                # The largest id has kept what all had.
                self.assertEqual(epochs[max(epochs)], 7)

    def test_one_that_is_forgotten_can_come_back(self):
        servers = self.joined("CRC")
        c, r, gone = servers
        gone_id = cluster.my_id(gone)
        for server in (c, r):
            ask(server, "CLUSTER", "FORGET", gone_id)
        ask(gone, "CLUSTER", "RESET", "SOFT")
        for server in (c, r):
            cluster.until(lambda s=server: gone_id not in seen(s), "it is forgotten")
        time.sleep(1)  # gossip that would bring it back
        for server in (c, r):
            self.assertNotIn(gone_id, seen(server))
        self.meet(c, gone)
        self.meet(r, gone)
        self.know(servers)


@unittest.skipUnless(LONG, "in the long form")
class StandingStill(MixedCase):
    def test_nodes_that_stand_still_are_replaced_and_come_back(self):
        primaries, replicas = self.formed("CCRR")
        servers = primaries + replicas
        frozen = [primaries[1], primaries[2]]  # half of the voters: nobody may be elected
        for server in frozen:
            server.process.send_signal(signal.SIGSTOP)
        try:
            for server in (primaries[0], primaries[3]):
                cluster.until(lambda s=server: not is_ok(s), "there is no majority")
            time.sleep(2)
            for server in (replicas[1], replicas[2]):
                self.assertEqual(self.role(server), "slave")
            frozen.pop().process.send_signal(signal.SIGCONT)  # the Redis one
            self.becomes(replicas[1], "master")
        finally:
            for server in frozen:
                server.process.send_signal(signal.SIGCONT)
        self.becomes(primaries[1], "slave")
        self.settle(servers)


@unittest.skipUnless(LONG, "in the long form")
class Partitions(MixedCase):
    def network(self, kinds):
        """(network, primaries, replicas)."""
        network = Network()
        self.addCleanup(network.close)
        servers = []
        for kind in kinds + kinds:
            server = self.make(kind, **network.options())
            network.attach(server)
            servers.append(server.launch())
        for server in servers:
            server.wait_ready()
        for other in servers[1:]:
            ask(servers[0], "CLUSTER", "MEET", "127.0.0.1", other.port,
                network.gates[other].port)
        self.know(servers)
        primaries, replicas = servers[:len(kinds)], servers[len(kinds):]
        for server, first, last in self.dealt(primaries):
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for primary, replica in zip(primaries, replicas):
            self.follow(replica, primary)
        self.settle(servers)
        return network, primaries, replicas

    def cut_off(self, kinds, at):
        network, primaries, replicas = self.network(kinds)
        servers = primaries + replicas
        alone, heir = primaries[at], replicas[at]
        network.split([alone], [s for s in servers if s is not alone])
        self.becomes(heir, "master")
        # It says so, and no longer takes writes.
        cluster.until(lambda: not is_ok(alone), "who is alone knows it")
        self.assertIn("CLUSTERDOWN", self.error(alone.client(), "SET", self.key_of(alone), "x"))
        self.assertEqual(self.role(alone), "master")
        for server in servers:
            if server is not alone:
                cluster.until(lambda s=server: is_ok(s), "the others go on")
        network.heal()
        self.becomes(alone, "slave")
        self.settle(servers)

    def key_of(self, server):
        """A key in a slot that a node thinks it has."""
        line = next(line for line in seen(server).values() if "myself" in line.flags)
        first, _, last = line.slots[0].partition("-")
        for i in range(100000):
            key = "k%d" % i
            if int(first) <= ask(server, "CLUSTER", "KEYSLOT", key) <= int(last or first):
                return key
        raise AssertionError("no key")

    def test_a_cairn_primary_is_cut_off(self):
        self.cut_off("CRR", 0)

    def test_a_redis_primary_is_cut_off(self):
        self.cut_off("RCC", 0)

    def test_a_shard_is_cut_off_and_nobody_of_it_may_stand(self):
        network, primaries, replicas = self.network("CRC")
        servers = primaries + replicas
        inside = [primaries[0], replicas[0]]
        network.split(inside, [s for s in servers if s not in inside])
        for server in inside + [primaries[1], primaries[2]]:
            cluster.until(lambda s=server: not is_ok(s), "both sides lack slots or voters")
        time.sleep(2)
        self.assertEqual(self.role(replicas[0]), "slave")
        network.heal()
        self.settle(servers)
        # The others' late word that the primary failed may make its replica stand, as it does with
        # redis-server alone; but the two then leave it at that.
        epoch = max(line.epoch for line in seen(primaries[0]).values())
        time.sleep(5)
        nodes = self.settle(servers)
        self.assertEqual(max(node[4] for node in nodes.values()), epoch)

    def test_a_majority_is_needed_on_the_side_of_one_kind(self):
        """Cairn nodes on one side, redis-server on the other."""
        network, primaries, replicas = self.network("CCR")
        servers = primaries + replicas
        cairn = [s for s in servers if s.kind == "cairn"]
        redis = [s for s in servers if s.kind == "redis"]
        network.split(cairn, redis)
        for server in redis:
            cluster.until(lambda s=server: not is_ok(s), "redis-server alone is a minority")
        for server in primaries[:2]:
            cluster.until(lambda s=server: not is_ok(s), "a third of the slots is out of reach")
            ask(server, "CONFIG", "SET", "cluster-require-full-coverage", "no")
            cluster.until(lambda s=server: is_ok(s), "the majority may go on with the rest")
        network.heal()
        self.settle(servers)


class Files(MixedCase):
    def exchanged(self, server):
        """A node of the other kind in a directory of its own, on this one's nodes.conf."""
        other = self.make("R" if server.kind == "cairn" else "C",
                          **{k: v for k, v in server.options.items()
                             if k.startswith("cluster-") and k != "cluster-port"})
        other.port = server.port
        other.options["cluster-port"] = server.options["cluster-port"]
        shutil.copy(os.path.join(server.dir, "nodes.conf"), other.dir)
        return other

    def test_each_starts_on_the_file_of_the_other(self):
        primaries, _ = self.formed("CRC", replicas=False)
        before = settled(primaries)
        epochs = [facts(s)["cluster_current_epoch"] for s in primaries]
        for server in primaries:
            server.stop()
        others = [self.exchanged(s) for s in primaries]
        for server in others:
            server.launch()
        for server in others:
            server.wait_ready()
        self.assertEqual([cluster.my_id(s) for s in primaries], [cluster.my_id(s) for s in others])
        after = settled(others)
        self.assertEqual(before, after)
        self.assertEqual(epochs, [facts(s)["cluster_current_epoch"] for s in others])
        # Back again, on what the others have written.
        for server in others:
            server.stop()
        for server, other in zip(primaries, others):
            shutil.copy(os.path.join(other.dir, "nodes.conf"), server.dir)
            server.launch()
        for server in primaries:
            server.wait_ready()
        self.assertEqual(before, settled(primaries))

    @unittest.skipUnless(LONG, "in the long form")
    def test_hostnames_votes_and_replicas_survive_the_exchange(self):
        primaries, replicas = self.formed("CR", cluster_announce_hostname="node.example")
        servers = primaries + replicas
        before = self.settle(servers)
        c, r = primaries
        # A directory may change hands as well: what the other kind keeps beside is no concern.
        for server in (c, r):
            server.kill()
            again = self.exchanged(server)
            again.start()
            self.assertEqual(cluster.my_id(again), cluster.my_id(server))
            lines = cluster.saved(again)
            self.assertEqual({k: (v[3], v[5]) for k, v in before.items()},
                             {k: (v.primary, tuple(v.slots)) for k, v in lines.items()})
            with open(os.path.join(again.dir, "nodes.conf")) as f:
                self.assertEqual(f.read().count(",node.example"), len(servers))
            again.kill()


class TheWrongKind(MixedCase):
    """A redis-server can follow a Cairn node, but not the other way round. What happens must be
    told, and harm nobody."""

    def lonely(self, primary_kind, replica_kind):
        primary, voter, replica = self.joined(primary_kind + replica_kind + replica_kind)
        for server, first, last in self.dealt([primary, voter]):
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        settled([primary, voter])
        self.follow(replica, primary)
        return primary, voter, replica

    def logged(self, server, pattern):
        with open(server.log, errors="replace") as f:
            return [line for line in f if re.search(pattern, line)]

    def test_redis_server_follows_cairn(self):
        primary, *voters, replica = self.joined("CRCR")
        dealt = self.dealt([primary] + voters)
        for server, first, last in dealt:
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        settled([primary] + voters)
        self.follow(replica, primary)
        cluster.until(lambda: self.linked(replica) and is_ok(replica), "it follows")
        _, first, last = dealt[0]
        keys = [k for k in ("key%d" % i for i in range(200))
                if first <= keyslot(k.encode()) <= last]
        with primary.client() as c, replica.client() as r:
            for key in keys:
                c.call("SET", key, "v-" + key)
            self.assertEqual(c.call("WAIT", 1, 10000), 1)
            r.call("READONLY")
            self.assertEqual([r.call("GET", k) for k in keys], [b"v-" + k.encode() for k in keys])
        # It takes the role over with all that it has acknowledged.
        primary.kill()
        cluster.until(lambda: self.role(replica) == "master", "it is elected")
        with replica.client() as r:
            self.assertEqual([r.call("GET", k) for k in keys], [b"v-" + k.encode() for k in keys])

    def test_cairn_can_not_follow_redis_server(self):
        primary, voter, replica = self.lonely("R", "C")
        cluster.until(lambda: self.logged(replica, "no Cairn node but, it seems, a redis-server"),
                      "the replica says why")
        lines = len(self.logged(replica, "."))
        cpu = replica.cpu_seconds(), time.monotonic()
        time.sleep(5)
        self.assertLess(len(self.logged(replica, ".")) - lines, 14)
        self.assertLess((replica.cpu_seconds() - cpu[0]) / (time.monotonic() - cpu[1]), 0.25)
        self.assertFalse(self.linked(replica))
        # Clients are not sent to it, whoever is asked.
        for server in (primary, voter, replica):
            self.assertNotIn(replica.port, [node[1] for _, _, *nodes in ask(
                server, "CLUSTER", "SLOTS") for node in nodes])
        primary.kill()
        time.sleep(6)
        self.assertEqual(self.role(replica), "slave")
        # It is given another primary, and goes there.
        primary.start()
        self.follow(replica, voter)
        cluster.until(lambda: self.linked(replica), "it follows one of its kind")


if __name__ == "__main__":
    main()
