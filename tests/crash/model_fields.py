"""Models of hashes, streams and strings for tests/crash/model.py."""
import time

from model_key import FAR, LENGTHS, SOON, Model, b


class Hash(Model):
    name, counter = "hash", "HLEN"

    def __init__(self, client, rng):
        super().__init__(client, rng)
        self.times = {}

    def field(self):
        """One that may be there, with a long name now and then."""
        n = self.rng.randrange(max(8, 2 * self.aim))
        return b"f%d" % n + b"z" * (80 if n % 13 == 0 else 0)

    def fields(self):
        found = list({self.field() for _ in range(self.some())})
        if self.value and self.rng.random() < 0.4:
            order = list(self.value)
            found = list(set(found) | {order[self.index(len(order))]})
        return found

    def grow(self):
        dice, fields = self.rng.random(), self.fields()
        if dice < 0.45:
            values = {f: self.value_bytes() for f in fields}
            self.expect(sum(f not in self.value for f in fields), "HSET", self.key,
                        *[x for p in values.items() for x in p])
            self.put(values)
        elif dice < 0.6:
            self.put_timed(fields)
        elif dice < 0.68:
            value, f = self.value_bytes(), fields[0]
            self.expect(int(f not in self.value), "HSETNX", self.key, f, value)
            if f not in self.value:
                self.value[f] = value
        elif dice < 0.76:
            self.count_up(b"n%d" % self.rng.randrange(4))
        elif dice < 0.9:
            self.set_times(fields)
        else:
            self.expect([-2 if f not in self.value else 1 if f in self.times else -1
                         for f in fields], "HPERSIST", self.key, "FIELDS", len(fields), *fields)
            self.drop_times(fields)
        self.look(fields)

    def put(self, values):
        self.value.update(values)
        self.drop_times(values)

    def put_timed(self, fields):
        """HSETEX: all or none, with a time, without, or with the one that was."""
        rule = self.rng.choice([None, None, "FNX", "FXX"])
        how = self.rng.choice([None, "PXAT", "KEEPTTL"])
        values = {f: self.value_bytes() for f in fields}
        at = FAR + self.rng.randrange(100000)
        there = sum(f in self.value for f in fields)
        done = rule is None or there == (len(fields) if rule == "FXX" else 0)
        words = ([rule] if rule else []) + ([how] if how else []) + ([at] if how == "PXAT" else [])
        self.expect(int(done), "HSETEX", self.key, *words, "FIELDS", len(fields),
                    *[x for p in values.items() for x in p])
        if not done:
            return
        self.value.update(values)
        if how == "PXAT":
            self.times.update({f: at for f in fields})
        elif how is None:
            self.drop_times(fields)

    def count_up(self, f):
        by = self.rng.randrange(-1000, 1000)
        if not self.value.get(f, b"0").lstrip(b"-").isdigit():
            self.expect(1, "HDEL", self.key, f)
            self.forget([f])
            self.at = self.at if self.value else -1
        if self.rng.random() < 0.5:
            self.value[f] = b(int(self.value.get(f, 0)) + by)
            self.expect(int(self.value[f]), "HINCRBY", self.key, f, by)
        else:
            self.value[f] = b(int(self.value.get(f, 0)) + by)
            self.expect(self.value[f], "HINCRBYFLOAT", self.key, f, by)

    def set_times(self, fields):
        """With a condition or without."""
        rule = self.rng.choice([None, None, "NX", "XX", "GT", "LT"])
        at = FAR + self.rng.randrange(100000)
        wanted = []
        for f in fields:
            old = self.times.get(f)
            if f not in self.value:
                wanted.append(-2)
            elif (rule == "NX" and old is not None) or (rule in ("XX", "GT") and old is None) or \
                    (rule == "GT" and at <= old) or \
                    (rule == "LT" and old is not None and at >= old):
                wanted.append(0)
            else:
                wanted.append(1)
                self.times[f] = at
        self.expect(wanted, "HPEXPIREAT", self.key, at, *([rule] if rule else []), "FIELDS",
                    len(fields), *fields)

    def look(self, fields):
        self.expect([self.value.get(f) for f in fields], "HMGET", self.key, *fields)
        self.expect(int(fields[0] in self.value), "HEXISTS", self.key, fields[0])
        self.expect(len(self.value.get(fields[0], b"")), "HSTRLEN", self.key, fields[0])

    def drop_times(self, fields):
        for f in fields:
            self.times.pop(f, None)

    def forget(self, fields):
        self.drop_times(fields)
        for f in fields:
            self.value.pop(f, None)

    def shrink(self):
        fields, dice = self.fields(), self.rng.random()
        there = [f for f in fields if f in self.value]
        if dice < 0.05 and self.together is None:
            self.pass_away(fields, there)
        elif dice < 0.15:
            wanted = [2 if f in self.value else -2 for f in fields]
            self.expect(wanted, "HPEXPIREAT", self.key, 1, "FIELDS", len(fields), *fields)
        elif dice < 0.3:
            self.expect([self.value.get(f) for f in fields], "HGETDEL", self.key, "FIELDS",
                        len(fields), *fields)
        elif dice < 0.4:
            self.get_timed(fields, there)
            return
        else:
            self.expect(len(there), "HDEL", self.key, *fields)
        self.forget(fields)

    def get_timed(self, fields, there):
        how = self.rng.choice([None, "PXAT", "PERSIST"])
        at = FAR + self.rng.randrange(100000)
        words = ([how] if how else []) + ([at] if how == "PXAT" else [])
        self.expect([self.value.get(f) for f in fields], "HGETEX", self.key, *words, "FIELDS",
                    len(fields), *fields)
        if how == "PXAT":
            self.times.update({f: at for f in there})
        elif how == "PERSIST":
            self.drop_times(there)

    def pass_away(self, fields, there):
        """Some go at their time."""
        at = int(time.time() * 1000) + SOON
        self.ask("HPEXPIREAT", self.key, at, "FIELDS", len(fields), *fields)
        time.sleep((SOON + 10) / 1000)
        for f in there[:3]:
            self.expect(None, "HGET", self.key, f)
        # Hidden fields are counted until they are removed.
        end = time.monotonic() + 30
        left = len(self.value) - len(there)
        while there and self.ask("HLEN", self.key) != left and time.monotonic() < end:
            time.sleep(0.01)

    def step(self):
        super().step()
        if not self.value:
            self.times = {}

    def clear(self):
        super().clear()
        self.times = {}

    def whole(self):
        found = self.ask("HGETALL", self.key)
        assert len(found) == 2 * len(self.value), "%d fields" % (len(found) // 2)
        assert dict(zip(found[::2], found[1::2])) == self.value, "the content differs"
        names = list(self.value)
        if names:
            self.expect([self.times.get(f, -1) for f in names], "HPEXPIRETIME", self.key, "FIELDS",
                        len(names), *names)


class Stream(Model):
    """Entries, one group, what is pending in it. Emptied streams stay, as in Redis."""
    name, counter = "stream", "XLEN"

    def __init__(self, client, rng):
        super().__init__(client, rng)
        self.reset()

    def reset(self):
        self.next, self.there, self.pending, self.given = 1, False, {}, 0
        self.consumers = set()

    def exists(self):
        return self.there

    @staticmethod
    def ids(numbers):
        return [b"%d-1" % i for i in numbers]

    def entries(self, numbers):
        return [[b"%d-1" % i, [b"f", self.value[i]] if i in self.value else None]
                for i in numbers]

    def grow(self):
        dice = self.rng.random()
        if dice < 0.6 or not self.there:
            self.add()
        elif dice < 0.9:
            self.read()
        else:
            self.move_group()

    def add(self):
        for _ in range(self.some()):
            value, keep = self.value_bytes(), None
            words = []
            if self.rng.random() < 0.05:
                keep = self.rng.randrange(200)
                words = ["MAXLEN", keep]
            self.value[self.next] = value
            self.expect(b"%d-1" % self.next, "XADD", self.key, *words, "%d-1" % self.next, "f",
                        value)
            if keep is not None:
                self.drop(sorted(self.value)[:max(0, len(self.value) - keep)])
            self.next += 1
        if not self.there:
            self.there = True
            self.expect(b"OK", "XGROUP", "CREATE", self.key, "g", "0")

    def drop(self, numbers):
        for i in numbers:
            self.value.pop(i, None)

    def read(self):
        """What is new to the group, or once more what is pending for the consumer."""
        consumer, count = self.rng.choice([b"c", b"d", b"e"]), self.rng.choice([1, 10, 40])
        self.consumers.add(consumer)
        if self.rng.random() < 0.3:
            again = [i for i in sorted(self.pending) if self.pending[i] == consumer][:count]
            self.expect([[b(self.key), self.entries(again)]], "XREADGROUP", "GROUP", "g", consumer,
                        "COUNT", count, "STREAMS", self.key, "0")
            return
        take = [i for i in sorted(self.value) if i > self.given][:count]
        self.expect([[b(self.key), self.entries(take)]] if take else None, "XREADGROUP", "GROUP",
                    "g", consumer, "COUNT", count, "STREAMS", self.key, ">")
        for i in take:
            self.given = i
            self.pending[i] = consumer

    def move_group(self):
        dice, consumer = self.rng.random(), self.rng.choice([b"c", b"d", b"e"])
        if dice < 0.3:
            self.expect(int(consumer not in self.consumers), "XGROUP", "CREATECONSUMER", self.key,
                        "g", consumer)
            self.consumers.add(consumer)
        elif dice < 0.5:
            gone = [i for i, c in self.pending.items() if c == consumer]
            self.expect(len(gone), "XGROUP", "DELCONSUMER", self.key, "g", consumer)
            self.consumers.discard(consumer)
            for i in gone:
                del self.pending[i]
        elif dice < 0.7:
            self.given = self.rng.randrange(self.next)
            self.expect(b"OK", "XGROUP", "SETID", self.key, "g", "%d-1" % self.given)
        elif dice < 0.8:
            self.expect(1, "XGROUP", "DESTROY", self.key, "g")
            self.expect(b"OK", "XGROUP", "CREATE", self.key, "g", "0")
            self.pending, self.given, self.consumers = {}, 0, set()
        else:
            self.next += 5
            self.expect(b"OK", "XSETID", self.key, "%d-1" % (self.next - 1))

    def some_ids(self):
        known = sorted(self.rng.choice([self.value, self.pending]))
        found = set(self.rng.sample(range(1, self.next), min(self.next - 1, self.some())))
        for _ in range(self.some() if known else 0):
            found.add(known[self.index(len(known))])
        return sorted(found)

    def shrink(self):
        ids, dice = self.some_ids() if self.there else [], self.rng.random()
        if not ids:
            return
        if dice < 0.3:
            self.expect(sum(i in self.pending for i in ids), "XACK", self.key, "g", *self.ids(ids))
            for i in ids:
                self.pending.pop(i, None)
        elif dice < 0.6:
            self.expect(sum(i in self.value for i in ids), "XDEL", self.key, *self.ids(ids))
            self.drop(ids)
        elif dice < 0.75:
            self.claim(ids)
        elif dice < 0.85:
            keep = self.rng.choice([self.rng.randrange(300), max(0, len(self.value) - 3)])
            gone = sorted(self.value)[:max(0, len(self.value) - keep)]
            self.expect(len(gone), "XTRIM", self.key, "MAXLEN", keep)
            self.drop(gone)
        else:
            gone = [i for i in self.value if i < ids[0]]
            self.expect(len(gone), "XTRIM", self.key, "MINID", "%d-1" % ids[0])
            self.drop(gone)

    def claim(self, ids):
        """Another consumer takes over; what was deleted is pending no more."""
        consumer = self.rng.choice([b"c", b"d", b"e"])
        self.consumers.add(consumer)
        if self.rng.random() < 0.5:
            taken = [i for i in ids if i in self.pending and i in self.value]
            gone = [i for i in ids if i in self.pending and i not in self.value]
            self.expect(self.entries(taken), "XCLAIM", self.key, "g", consumer, 0, *self.ids(ids))
        else:
            seen = [i for i in sorted(self.pending) if i >= ids[0]]
            cursor = b"0-0" if len(seen) <= 20 else b"%d-1" % seen[20]
            seen = seen[:20]
            taken, gone = [i for i in seen if i in self.value], \
                [i for i in seen if i not in self.value]
            self.expect([cursor, self.entries(taken), self.ids(gone)], "XAUTOCLAIM", self.key, "g",
                        consumer, 0, "%d-1" % ids[0], "COUNT", 20)
        for i in taken:
            self.pending[i] = consumer
        for i in gone:
            del self.pending[i]

    def clear(self):
        super().clear()
        self.reset()

    def whole(self):
        order = sorted(self.value)
        self.expect(self.entries(order), "XRANGE", self.key, "-", "+")
        if order:
            at = self.index(len(order))
            self.expect(self.entries(order[at:][:7]), "XRANGE", self.key, "%d-1" % order[at], "+",
                        "COUNT", 7)
            self.expect(self.entries(order[:at][::-1][:7]), "XREVRANGE", self.key,
                        "(%d-1" % order[at], "-", "COUNT", 7)
        if self.there:
            rows = self.ask("XPENDING", self.key, "g", "-", "+", 100000)
            assert [(r[0], r[1]) for r in rows] == [
                (b"%d-1" % i, c) for i, c in sorted(self.pending.items())], "pending differs"
            rows = self.ask("XINFO", "CONSUMERS", self.key, "g")
            assert {r[1] for r in rows} == self.consumers, "the consumers differ"


class String(Model):
    """Lengths about those of the parts that a long one is kept in, 16320 bytes each."""
    name, counter = "string", "STRLEN"
    PART = 16320

    @staticmethod
    def empty():
        return b""

    def place(self):
        """Anywhere, or near a part's end."""
        if self.rng.random() < 0.5:
            return max(0, self.PART * self.rng.randrange(4) + self.rng.randrange(-3, 4))
        return self.rng.randrange(len(self.value) + 1000)

    def change(self):
        if len(self.value) > 5 * self.PART:
            self.replace()
        elif self.rng.random() < 0.8:
            self.grow()
        else:
            self.shrink()
        if not self.exists():
            self.at = -1

    def grow(self):
        dice = self.rng.random()
        value = self.value_bytes() * self.rng.choice([1, 1, 7])
        if dice < 0.3:
            if self.rng.random() < 0.3:  # up to a part's end, or a byte past it
                value = b"e" * (self.PART - len(self.value) % self.PART + self.rng.randrange(2))
            self.value += value
            self.expect(len(self.value), "APPEND", self.key, value)
        elif dice < 0.65:
            at = self.place()
            self.value = self.value[:at].ljust(at, b"\0") + value + self.value[at + len(value):]
            self.expect(len(self.value), "SETRANGE", self.key, at, value)
        elif dice < 0.9:
            bit = 8 * self.place() + self.rng.randrange(8)
            old, to = self.set_bit(bit, self.rng.randrange(2))
            if self.rng.random() < 0.5:
                self.expect(old, "SETBIT", self.key, bit, to)
            else:
                self.expect([old], "BITFIELD", self.key, "SET", "u1", bit, to)
        else:
            self.number()

    def set_bit(self, bit, to):
        """The bit as it was, and to."""
        bits = bytearray(self.value)
        bits.extend(b"\0" * (bit // 8 + 1 - len(bits)))
        old = bits[bit // 8] >> (7 - bit % 8) & 1
        bits[bit // 8] ^= (old ^ to) << (7 - bit % 8)
        self.value = bytes(bits)
        return old, to

    def number(self):
        """It is one for a while."""
        n = self.rng.randrange(-10 ** 12, 10 ** 12)
        self.expect(b"OK", "SET", self.key, n)
        self.at = -1
        for _ in range(3):
            by = self.rng.randrange(-1000, 1000)
            n += by
            self.expect(n, "INCRBY", self.key, by)
        self.value = b(n)

    def replace(self):
        """By a new value, of a length that may be a part's, with a time or without."""
        length = self.rng.choice([self.length, self.rng.choice(LENGTHS),
                                  self.PART + self.rng.randrange(-2, 3)])
        value, dice = b"r" * (length + 1), self.rng.random()
        if dice < 0.3:
            self.expect(b"OK", "SET", self.key, value, "PXAT", FAR)
            self.at = FAR
        elif dice < 0.6:
            self.expect(b"OK", "SET", self.key, value, "KEEPTTL")
        elif dice < 0.8:
            self.expect(self.value or None, "GETSET", self.key, value)
            self.at = -1
        else:
            self.expect(b"OK", "MSET", self.key, value, self.other, value)
            self.at = -1
        self.value = value

    def shrink(self):
        dice = self.rng.random()
        if dice < 0.3:
            self.replace()
        elif dice < 0.35:
            self.expect(self.value or None, "GETDEL", self.key)
            self.value = b""
        elif dice < 0.5:
            self.expect(self.value or None, "GETEX", self.key, "PXAT", FAR + 1)
            self.at = FAR + 1 if self.value else -1
        else:
            at = self.place()
            self.expect(self.value[at:at + 100], "GETRANGE", self.key, at, at + 99)
            self.expect(bin(int.from_bytes(self.value, "big")).count("1"), "BITCOUNT", self.key)

    def whole(self):
        self.expect(self.value or None, "GET", self.key)
