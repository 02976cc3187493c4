#!/usr/bin/env python3
"""Wrong, absurd and hostile bytes on a live node's bus, from strangers and in a member's name: no
crash, no change of roles, slots or epochs, and no log that grows with them."""
import os
import random
import struct
import time

from harness import bus, cluster
from harness.case import main
from harness.mixed import MixedCase, ask, facts, seen, settled
from harness.servers import LONG

NOBODY = "e" * 40
NEW = "f" * 40
EVERY_SLOT = b"\xff" * 2048
HUGE = (1 << 64) - 1
GOSSIPED = (bus.PING, bus.PONG, bus.MEET)


def malformed(sender):
    """(what, message) that no node may act on."""
    def message(what, kind, body=b"", **more):
        return what, bus.header(kind, sender, body, **more)

    entry = bus.gossip(NEW)
    for kind in GOSSIPED:
        yield message("more gossip than bytes", kind, entry, count=60000)
        yield message("gossip cut", kind, entry[:50], count=1)
        yield message("gossip beyond the count", kind, entry * 3, count=1)
        yield message("extensions without the flag", kind, bus.extension(0, b"a\0"), extensions=1)
        for length in (0, 1, 7, 9, 15, 24, 65536, 65552, (1 << 32) - 8):
            yield message("extension of length %d" % length, kind,
                          bus.extension(0, b"name\0", length), extensions=1, mflags=bus.EXT_DATA)
        yield message("65535 extensions", kind, bus.extension(0, b"a\0"), extensions=65535,
                      mflags=bus.EXT_DATA)
        yield message("an extension cut in its head", kind, b"\0\0\0\x10\0", extensions=1,
                      mflags=bus.EXT_DATA)
    for kind in (bus.FAIL, bus.UPDATE, bus.MODULE, bus.PUBLISH, bus.PUBLISHSHARD):
        for size in (0, 1, 7, 8, 12, 39, 41, 2095, 2097):
            body = b"\xff" * size
            yield message("type %d, body of %d" % (kind, size), kind, body)
    for kind in (bus.AUTH_REQUEST, bus.AUTH_ACK, bus.MFSTART):
        yield message("a body where none is", kind, b"x" * 40, current=9, slots=EVERY_SLOT)
    wrap = struct.pack(">II", 0xffffffff, 9)
    for kind in (bus.PUBLISH, bus.PUBLISHSHARD):
        yield message("lengths that wrap", kind, wrap + b"x" * 8)
        yield message("a channel of 4 GiB", kind, struct.pack(">II", 0xfffffff0, 0))
    yield message("a module's length that wraps", bus.MODULE, b"m" * 8 +
                  struct.pack(">I", 0xffffffff) + b"\0" * 20)
    yield message("another version", bus.PING, version=2)
    for kind in (11, 255, 0x8004, 0xffff):
        yield message("type %d" % kind, kind, b"x" * 16)
    for name in ("E" * 40, "\0" * 40, "e" * 39 + "\0", "../" + "a" * 37):
        yield "sender %r" % name, bus.header(bus.PING, name, config=HUGE, slots=EVERY_SLOT)
    yield message("an address without an end", bus.PING, ip=b"1" * 46)
    yield message("an address of control bytes", bus.PING, ip=b"1\n2\r\x1b[31m")
    yield "a length below the header's", bus.header(bus.PING, sender, length=100)
    yield "a length of 4 GiB", bus.header(bus.PING, sender, length=(1 << 32) - 1)
    yield "no signature", b"GET / HTTP/1.1\r\n\r\n" * 200


def hostile():
    """(what, message) well formed, of a node that nobody knows."""
    for kind in GOSSIPED[:2]:
        yield "a stranger claims all", bus.header(kind, NOBODY, current=HUGE, config=HUGE,
                                                  slots=EVERY_SLOT)
        yield "a stranger tells of nodes", bus.header(
            kind, NOBODY, bus.gossip(NEW, flags=0xffff), count=1)
    yield "a stranger tells of a failure", bus.header(bus.FAIL, NOBODY, NEW.encode())
    yield "a stranger's update", bus.header(
        bus.UPDATE, NOBODY, struct.pack(">Q", HUGE) + NEW.encode() + EVERY_SLOT, config=HUGE)
    for kind in (bus.AUTH_REQUEST, bus.AUTH_ACK, bus.MFSTART):
        yield "type %d" % kind, bus.header(kind, NOBODY, current=HUGE, config=HUGE, mflags=3,
                                           slots=EVERY_SLOT)


class Bytes(MixedCase):
    def setUp(self):
        (self.primary, self.other, self.redis), _ = self.formed("CCR", replicas=False)
        self.servers = [self.primary, self.other, self.redis]
        self.before = self.state()
        self.logged = os.path.getsize(self.primary.log)

    def state(self):
        nodes = settled(self.servers)
        return ({name: node[:6] for name, node in nodes.items()},
                [facts(s)["cluster_current_epoch"] for s in self.servers])

    def unharmed(self, log_bytes=20000):
        self.assertIsNone(self.primary.process.poll())
        self.assertEqual(self.state(), self.before)
        self.assertLess(os.path.getsize(self.primary.log) - self.logged, log_bytes)

    def each(self, messages, again=3):
        for what, message in messages:
            for _ in range(again):
                with self.subTest(what), bus.Peer(self.primary) as peer:
                    peer.send(message)
                    # It either hangs up or goes on with what comes next.
                    peer.send(bus.header(bus.PING, NOBODY))
                    self.assertIn(peer.answer(), (None, bus.PONG))

    def test_malformed_messages_of_strangers_and_members(self):
        self.each(malformed(NOBODY))
        self.unharmed()
        self.each(malformed(cluster.my_id(self.other)))
        self.unharmed()
        self.assertEqual(set(seen(self.redis)), set(seen(self.primary)))

    def test_strangers_change_nothing(self):
        self.each(hostile())
        self.unharmed()

    def test_who_claims_absurd_epochs_in_a_members_name_is_logged_and_ignored(self):
        name = cluster.my_id(self.other)
        for current, config in ((HUGE, HUGE), (HUGE, 0), (1 << 62, 1 << 62), (1 << 40, 5)):
            for kind in (bus.PONG, bus.AUTH_REQUEST, bus.AUTH_ACK, bus.UPDATE):
                body = struct.pack(">Q", HUGE) + name.encode() + EVERY_SLOT
                with bus.Peer(self.primary) as peer:
                    for _ in range(20):
                        peer.send(bus.header(kind, name, body if kind == bus.UPDATE else b"",
                                             current=current, config=config, slots=EVERY_SLOT))
                    peer.send(bus.header(bus.PING, NOBODY))
                    self.assertIn(peer.answer(), (None, bus.PONG))
        self.unharmed()
        with open(self.primary.log, errors="replace") as f:
            told = [line for line in f if "is not credible" in line]
        self.assertEqual(len(told), 1, told)

    def test_gossip_of_a_member_is_believed_within_reason(self):
        """Flags that are nobody's to tell, ids that are none, itself as the one to be forgotten."""
        name, me = cluster.my_id(self.other), cluster.my_id(self.primary)
        entries = [bus.gossip(NEW, flags=0xffff), bus.gossip("Z" * 40), bus.gossip("\0" * 40),
                   bus.gossip(NEW[:-1] + "1", ip=b"1" * 46), bus.gossip(me, flags=0xffff),
                   bus.gossip(NEW[:-1] + "2", port=0, bus_port=0)]
        forget = b"".join(bus.extension(2, who.encode() + struct.pack(">Q", HUGE))
                          for who in (name, me, NEW))
        shard = bus.extension(3, b"Z" * 40) + bus.extension(0, b"no end" * 43)
        slots = next(line for line in seen(self.primary).values() if line.id == name)
        with bus.Peer(self.primary) as peer:
            peer.send(bus.header(bus.PONG, name, b"".join(entries) + forget + shard,
                                 count=len(entries), extensions=5, mflags=bus.EXT_DATA,
                                 config=slots.epoch, current=slots.epoch,
                                 slots=self.bits(slots)))
            peer.send(bus.header(bus.PING, NOBODY))
            # None: the member itself spoke meanwhile, so its own link took the place of this one.
            self.assertIn(peer.answer(), (None, bus.PONG))
        cluster.until(lambda: set(self.before[0]) == set(seen(self.redis)), "nobody is gone")
        for line in seen(self.primary).values():
            self.assertEqual("myself" in line.flags, line.id == me)
            self.assertRegex(line.id, "^[0-9a-f]{40}$")
        self.assertIsNone(self.primary.process.poll())
        # What it saved of all this starts again.
        self.primary.stop()
        self.primary.start()
        self.assertEqual(cluster.my_id(self.primary), me)

    def bits(self, line):
        found = bytearray(2048)
        for word in line.slots:
            first, _, last = word.partition("-")
            for slot in range(int(first), int(last or first) + 1):
                found[slot // 8] |= 1 << slot % 8
        return bytes(found)

    def test_random_damage(self):
        rng = random.Random(20260)
        name = cluster.my_id(self.other)
        deadline = time.monotonic() + (10 if LONG else 3)
        while time.monotonic() < deadline:
            with bus.Peer(self.primary) as peer:
                for _ in range(50):
                    kind = rng.randrange(11)
                    message = bytearray(bus.header(kind, NOBODY, bus.gossip(NEW) * rng.randrange(3),
                                                   count=rng.randrange(3)))
                    for _ in range(rng.randrange(6)):
                        message[rng.randrange(8, len(message))] = rng.randrange(256)
                    message[40:80] = NOBODY.encode()  # nobody's name: damage must not make one
                    if not peer.send(bytes(message)):
                        break
        self.assertEqual(ask(self.primary, "PING"), b"PONG")
        self.unharmed(200000)
        self.assertIn(name, seen(self.redis))


if __name__ == "__main__":
    main()
