#!/usr/bin/env python3
"""Each type against a plain model: random operations with checkpoints, restarts and kill -9 in
between. Every reply is that of the model; after every step the number of elements, the key's time
to live and what the step touched are compared, and the whole content with all times after every
checkpoint, restart and kill, and now and then.

    tests/crash/model.py --cairn build/debug/cairn-server [--types hash,list] [--seed 1] [--steps N]

Collections grow and shrink in waves across the border between one record and one per element."""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

from harness.servers import LONG, Server  # noqa: E402

FAR = 4000000000000  # a time that does not come, ms
SOON = 25            # ms until what expires soon does


def b(value):
    return str(value).encode()


class Model:
    """One key: its value as Python has it, and when it expires (ms, -1: never)."""

    def __init__(self, client, rng):
        self.client, self.rng, self.key = client, rng, "{m}" + self.name
        self.value, self.at, self.growing, self.size = self.empty(), -1, True, 0

    @staticmethod
    def empty():
        return {}

    def expect(self, wanted, *command):
        found = self.client.call(*command)
        assert found == wanted, "%r: %r, the model says %r" % (command, found, wanted)

    def value_bytes(self):
        """Short ones mostly, some of pages."""
        n = self.rng.randrange(10000)
        return b(n) + b"x" * self.rng.choice([0, 0, 0, 3, 70, 70, 3000 if n % 20 == 0 else 9])

    def count(self):
        return len(self.value)

    def step(self):
        dice = self.rng.random()
        if self.rng.random() < 0.01:
            self.growing = not self.growing
        if dice < 0.02:
            self.lifetime()
        elif dice < 0.023:
            self.clear()
        else:
            (self.grow if self.rng.random() < (0.8 if self.growing else 0.3) else self.shrink)()
        if not self.exists():
            self.at = -1
        self.expect(self.at if self.exists() else -2, "PEXPIRETIME", self.key)
        self.expect(self.count(), self.counter, self.key)

    def exists(self):
        return self.count() > 0

    def clear(self):
        if self.rng.random() < 0.5:
            self.expect(int(self.exists()), "DEL", self.key)
        elif self.exists():
            at = int(time.time() * 1000) + SOON
            self.expect(1, "PEXPIREAT", self.key, at)
            time.sleep((SOON + 10) / 1000)
        self.value, self.at = self.empty(), -1

    def lifetime(self):
        if self.rng.random() < 0.3:
            self.expect(int(self.exists() and self.at != -1), "PERSIST", self.key)
            self.at = -1
        else:
            at = FAR + self.rng.randrange(1000000)
            self.expect(int(self.exists()), "PEXPIREAT", self.key, at)
            self.at = at if self.exists() else -1


class Hash(Model):
    name, counter = "hash", "HLEN"

    def __init__(self, client, rng):
        super().__init__(client, rng)
        self.times = {}

    def field(self):
        return b"f%d" % self.rng.randrange(400 if self.growing else 60)

    def grow(self):
        dice = self.rng.random()
        fields = list({self.field() for _ in range(self.rng.choice([1, 1, 4, 60]))})
        if dice < 0.6:
            values = {f: self.value_bytes() for f in fields}
            new = sum(f not in self.value for f in fields)
            self.expect(new, "HSET", self.key, *[x for p in values.items() for x in p])
            self.value.update(values)
            self.drop_times(fields)
        elif dice < 0.7 and self.exists():
            at = FAR + self.rng.randrange(100000)
            self.expect([1 if f in self.value else -2 for f in fields], "HPEXPIREAT", self.key, at,
                        "FIELDS", len(fields), *fields)
            self.times.update({f: at for f in fields if f in self.value})
        elif dice < 0.75 and self.exists():
            self.expect([-2 if f not in self.value else 1 if f in self.times else -1
                         for f in fields], "HPERSIST", self.key, "FIELDS", len(fields), *fields)
            self.drop_times(fields)
        else:
            self.expect(self.value.get(fields[0]), "HGET", self.key, fields[0])

    def drop_times(self, fields):
        for f in fields:
            self.times.pop(f, None)

    def forget(self, fields):
        self.drop_times(fields)
        for f in fields:
            self.value.pop(f, None)

    def shrink(self):
        fields = list({self.field() for _ in range(self.rng.choice([1, 4, 60, 200]))})
        dice = self.rng.random()
        there = [f for f in fields if f in self.value]
        if dice < 0.05 and self.exists():  # some go at their time
            at = int(time.time() * 1000) + SOON
            self.client.call("HPEXPIREAT", self.key, at, "FIELDS", len(fields), *fields)
            time.sleep((SOON + 10) / 1000)
            for f in there[:3]:
                self.expect(None, "HGET", self.key, f)
            if there:
                # Hidden fields are counted until they are removed.
                end = time.monotonic() + 30
                left = len(self.value) - len(there)
                while self.client.call("HLEN", self.key) != left and time.monotonic() < end:
                    time.sleep(0.01)
        elif dice < 0.15 and self.exists():
            wanted = [2 if f in self.value else -2 for f in fields]
            self.expect(wanted, "HPEXPIREAT", self.key, 1, "FIELDS", len(fields), *fields)
        else:
            self.expect(len(there), "HDEL", self.key, *fields)
        self.forget(fields)

    def clear(self):
        super().clear()
        self.times = {}

    def whole(self):
        found = self.client.call("HGETALL", self.key)
        assert len(found) == 2 * len(self.value), "%d fields" % (len(found) // 2)
        assert dict(zip(found[::2], found[1::2])) == self.value, "the content differs"
        names = list(self.value)
        if names:
            self.expect([self.times.get(f, -1) for f in names], "HPEXPIRETIME", self.key, "FIELDS",
                        len(names), *names)


class List(Model):
    name, counter = "list", "LLEN"

    @staticmethod
    def empty():
        return []

    def grow(self):
        values = [self.value_bytes() for _ in range(self.rng.choice([1, 1, 5, 80]))]
        dice = self.rng.random()
        if dice < 0.35:
            self.value += values
            self.expect(len(self.value), "RPUSH", self.key, *values)
        elif dice < 0.7:
            self.value[:0] = values[::-1]
            self.expect(len(self.value), "LPUSH", self.key, *values)
        elif self.value:
            at = self.rng.randrange(len(self.value))
            if dice < 0.85:
                at = self.value.index(self.value[at])
                wanted = self.value[at]
                self.value.insert(at, values[0])
                self.expect(len(self.value), "LINSERT", self.key, "BEFORE", wanted, values[0])
            else:
                self.value[at] = values[0]
                self.expect(b"OK", "LSET", self.key, at, values[0])
                self.expect(values[0], "LINDEX", self.key, at - len(self.value))

    def shrink(self):
        n, dice = self.rng.choice([1, 1, 7, 100]), self.rng.random()
        if not self.value:
            self.expect(None, "LPOP", self.key)
        elif dice < 0.4:
            gone, self.value = self.value[:n], self.value[n:]
            self.expect(gone, "LPOP", self.key, n)
        elif dice < 0.7:
            keep = max(0, len(self.value) - n)
            gone, self.value = self.value[keep:][::-1], self.value[:keep]
            self.expect(gone, "RPOP", self.key, n)
        elif dice < 0.8:
            first, last = self.rng.randrange(5), len(self.value) - 1 - self.rng.randrange(n)
            self.value = self.value[first:last + 1] if last >= 0 else []
            self.expect(b"OK", "LTRIM", self.key, first, last if last >= 0 else -100000)
        else:
            wanted = self.rng.choice(self.value)
            gone = self.value.count(wanted)
            self.value = [v for v in self.value if v != wanted]
            self.expect(gone, "LREM", self.key, 0, wanted)

    def whole(self):
        self.expect(self.value, "LRANGE", self.key, 0, -1)


class Set(Model):
    name, counter = "set", "SCARD"

    @staticmethod
    def empty():
        return set()

    def members(self):
        spread = 500 if self.growing else 80
        return {b(self.rng.randrange(spread)) if self.rng.random() < 0.7
                else b"m%d" % self.rng.randrange(spread)
                for _ in range(self.rng.choice([1, 3, 50]))}

    def grow(self):
        members = self.members()
        self.expect(len(members - self.value), "SADD", self.key, *members)
        self.value |= members
        member = next(iter(members))
        self.expect(1, "SISMEMBER", self.key, member)

    def shrink(self):
        members = self.members()
        if self.rng.random() < 0.2:
            gone = set(self.client.call("SPOP", self.key, 5))
            assert gone <= self.value and len(gone) == min(5, len(self.value)), "SPOP: %r" % gone
            self.value -= gone
            return
        self.expect(len(members & self.value), "SREM", self.key, *members)
        self.value -= members

    def whole(self):
        found = self.client.call("SMEMBERS", self.key)
        assert len(found) == len(self.value) and set(found) == self.value, "the content differs"


class Zset(Model):
    name, counter = "zset", "ZCARD"

    def member(self):
        n = self.rng.randrange(600 if self.growing else 80)
        return b"m%d" % n + b"y" * (200 if n % 17 == 0 else 0)

    def order(self):
        return sorted(self.value, key=lambda m: (self.value[m], m))

    def grow(self):
        new = {self.member(): self.rng.choice([self.rng.randrange(8), self.rng.randrange(10 ** 6)])
               for _ in range(self.rng.choice([1, 1, 4, 60]))}
        if self.rng.random() < 0.2:
            member, by = next(iter(new)), self.rng.randrange(100)
            self.value[member] = self.value.get(member, 0) + by
            self.expect(b(self.value[member]), "ZINCRBY", self.key, by, member)
        else:
            self.expect(sum(m not in self.value for m in new), "ZADD", self.key,
                        *[x for m, s in new.items() for x in (s, m)])
            self.value.update(new)
        member = self.rng.choice(list(new))
        if member in self.value:
            self.expect(self.order().index(member), "ZRANK", self.key, member)

    def shrink(self):
        members, dice = {self.member() for _ in range(self.rng.choice([1, 4, 60]))}, \
            self.rng.random()
        order = self.order()
        if dice < 0.6:
            self.expect(sum(m in self.value for m in members), "ZREM", self.key, *members)
            gone = members
        elif dice < 0.8:
            gone = order[:len(members)] if dice < 0.7 else order[::-1][:len(members)]
            self.expect([x for m in gone for x in (m, b(self.value[m]))],
                        "ZPOPMIN" if dice < 0.7 else "ZPOPMAX", self.key, len(members))
        else:
            at = self.rng.randrange(len(order) + 1)
            gone = order[at:at + len(members)]
            self.expect(len(gone), "ZREMRANGEBYRANK", self.key, at, at + len(members) - 1)
        for m in gone:
            self.value.pop(m, None)

    def whole(self):
        self.expect([x for m in self.order() for x in (m, b(self.value[m]))], "ZRANGE", self.key,
                    0, -1, "WITHSCORES")


class Stream(Model):
    """Entries, one group, what is pending in it. Emptied streams stay, as in Redis."""
    name, counter = "stream", "XLEN"

    def __init__(self, client, rng):
        super().__init__(client, rng)
        self.reset()

    def reset(self):
        self.next, self.there, self.pending, self.given = 1, False, {}, 0

    def exists(self):
        return self.there

    def grow(self):
        dice = self.rng.random()
        if dice < 0.6 or not self.there:
            for _ in range(self.rng.choice([1, 1, 30])):
                value = self.value_bytes()
                self.value[self.next] = value
                self.expect(b"%d-1" % self.next, "XADD", self.key, "%d-1" % self.next, "f", value)
                self.next += 1
            if not self.there:
                self.there = True
                self.expect(b"OK", "XGROUP", "CREATE", self.key, "g", "0")
            return
        take = [i for i in sorted(self.value) if i > self.given][:self.rng.choice([1, 10])]
        consumer = self.rng.choice(["c", "d"])
        found = self.client.call("XREADGROUP", "GROUP", "g", consumer, "COUNT", max(1, len(take)),
                                 "STREAMS", self.key, ">")
        wanted = [[b(self.key), [[b"%d-1" % i, [b"f", self.value[i]]] for i in take]]]
        assert found == (wanted if take else None), "XREADGROUP: %r" % (found,)
        for i in take:
            self.given = i
            self.pending[i] = consumer.encode()

    def shrink(self):
        if not self.there:
            return
        ids = self.rng.sample(range(1, self.next), min(self.next - 1, self.rng.choice([1, 5, 40])))
        names, dice = ["%d-1" % i for i in ids], self.rng.random()
        if not ids:
            return
        if dice < 0.4:
            self.expect(sum(i in self.pending for i in ids), "XACK", self.key, "g", *names)
            for i in ids:
                self.pending.pop(i, None)
        elif dice < 0.7:
            self.expect(sum(i in self.value for i in ids), "XDEL", self.key, *names)
            for i in ids:
                self.value.pop(i, None)
        else:
            keep = self.rng.randrange(300)
            gone = sorted(self.value)[:max(0, len(self.value) - keep)]
            self.expect(len(gone), "XTRIM", self.key, "MAXLEN", keep)
            for i in gone:
                del self.value[i]

    def clear(self):
        super().clear()
        self.reset()

    def whole(self):
        self.expect([[b"%d-1" % i, [b"f", v]] for i, v in sorted(self.value.items())], "XRANGE",
                    self.key, "-", "+")
        if self.there:
            rows = self.client.call("XPENDING", self.key, "g", "-", "+", 100000)
            assert [(r[0], r[1]) for r in rows] == [
                (b"%d-1" % i, c) for i, c in sorted(self.pending.items())], "pending differs"


class String(Model):
    name, counter = "string", "STRLEN"

    @staticmethod
    def empty():
        return b""

    def grow(self):
        dice, value = self.rng.random(), self.value_bytes() * self.rng.choice([1, 1, 7])
        if dice < 0.4:
            self.value += value
            self.expect(len(self.value), "APPEND", self.key, value)
        elif dice < 0.8:
            at = self.rng.randrange(len(self.value) + 1000)
            self.value = self.value[:at].ljust(at, b"\0") + value + self.value[at + len(value):]
            self.expect(len(self.value), "SETRANGE", self.key, at, value)
        else:
            bit, before = self.rng.randrange(8 * len(self.value) + 800), bytearray(self.value)
            before.extend(b"\0" * (bit // 8 + 1 - len(before)))
            old, to = before[bit // 8] >> (7 - bit % 8) & 1, self.rng.randrange(2)
            before[bit // 8] ^= (old ^ to) << (7 - bit % 8)
            self.value = bytes(before)
            self.expect(old, "SETBIT", self.key, bit, to)

    def shrink(self):
        value = self.value_bytes()
        if self.rng.random() < 0.2:
            self.expect(b"OK", "SET", self.key, value, "PXAT", FAR)
            self.value, self.at = value, FAR
        elif self.value:
            at = self.rng.randrange(len(self.value))
            self.expect(self.value[at:at + 100], "GETRANGE", self.key, at, at + 99)

    def whole(self):
        self.expect(self.value or None, "GET", self.key)


TYPES = {c.name: c for c in (Hash, List, Set, Zset, Stream, String)}


class Run:
    def __init__(self, args, name):
        self.args, self.rng = args, random.Random("%d %s" % (args.seed, name))
        self.node = Server(args.cairn, "cairn", {"appendfsync": "no", "memtable-max": "1mb",
                                                 "enable-debug-command": "yes"})
        self.node.start()
        self.client = self.node.client()
        self.model = TYPES[name](self.client, self.rng)
        self.lives = 0

    def event(self):
        dice = self.rng.random()
        if dice < 0.5:
            self.client.call("SAVE" if dice < 0.25 else "BGSAVE")
        elif dice < 0.6:
            self.client.call("DEBUG", "RELOAD" if dice < 0.55 else "LOADAOF")
        else:
            self.client.close()
            if dice < 0.7:
                assert self.node.stop() == 0, "the end was not clean"
            else:
                self.node.kill()
            self.node.start()
            self.client = self.model.client = self.node.client()
            self.lives += 1
        self.model.whole()

    def run(self):
        done, begin = 0, time.monotonic()
        try:
            while done < self.args.steps:
                self.model.step()
                if self.rng.random() < self.args.events:
                    self.event()
                elif done % 25 == 0:
                    self.model.whole()
                done += 1
            self.model.whole()
        except Exception as e:
            self.node.keep = True
            print("%s, seed %d, step %d: %s" % (self.model.name, self.args.seed, done,
                                                str(e)[:2000]))
            return 1
        finally:
            self.client.close()
            self.node.close()
        print("%s, seed %d: %d steps, %d restarts and kills, %.1f s" % (
            self.model.name, self.args.seed, done, self.lives, time.monotonic() - begin))
        return 0


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--types", type=lambda s: s.split(","), default=list(TYPES))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--steps", type=int, default=100000 if LONG else 1500, help="of each type")
    options.add_argument("--events", type=float, default=0.01, help="checkpoints, restarts, kills")
    args = options.parse_args()
    return 1 if sum(Run(args, name).run() for name in args.types) else 0


if __name__ == "__main__":
    sys.exit(main())
