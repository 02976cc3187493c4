"""Models of lists, sets and sorted sets for tests/crash/model.py."""
from model_key import Model, b


class List(Model):
    name, counter = "list", "LLEN"

    def __init__(self, client, rng):
        super().__init__(client, rng)
        self.away = []  # the list at the other key

    @staticmethod
    def empty():
        return []

    def gone_elsewhere(self):
        self.away = []

    def draw(self):
        """Mostly one that is not there."""
        if self.value and self.rng.random() < 0.2:
            return self.value[self.index(len(self.value))]
        return self.value_bytes()

    def grow(self):
        dice = self.rng.random()
        if dice < 0.5:
            self.push()
        elif dice < 0.75:
            self.insert()
        elif dice < 0.82 and self.together is None:
            self.sweep()
        else:
            self.move()

    def sweep(self):
        """One place after the other from near the head or the tail on: what is wrong at a single
        one of them is met as well."""
        at, step = self.rng.randrange(25), self.rng.choice([1, -1])
        self.together = []
        for _ in range(30):
            if at >= len(self.value):
                break
            place = at if step > 0 else len(self.value) - 1 - at
            dice = self.rng.random()
            if dice < 0.6:
                self.insert(self.value[place])
            elif dice < 0.8:
                self.remove(self.value[place], 1)
            else:
                self.value[place] = self.value_bytes()
                self.expect(b"OK", "LSET", self.key, place, self.value[place])
            at += 1
        self.send_together()
        self.together = None
        self.whole()

    def push(self):
        values = [self.draw() for _ in range(self.some())]
        name = self.rng.choice(["RPUSH", "LPUSH", "RPUSHX", "LPUSHX"])
        if self.value or not name.endswith("X"):
            if name[0] == "R":
                self.value += values
            else:
                self.value[:0] = values[::-1]
        self.expect(len(self.value), name, self.key, *values)

    def insert(self, wanted=None):
        value, side = self.draw(), self.rng.choice(["BEFORE", "AFTER"])
        if wanted is None and (self.rng.random() < 0.05 or not self.value):
            self.expect(-1 if self.value else 0, "LINSERT", self.key, side, "not there", value)
            return
        if wanted is None:
            wanted = self.value[self.index(len(self.value))]
        self.value.insert(self.value.index(wanted) + (side == "AFTER"), value)
        self.expect(len(self.value), "LINSERT", self.key, side, wanted, value)

    def take(self, values, left):
        return values.pop(0 if left else -1)

    def move(self):
        """From an end to an end, of the same list or of the other."""
        here, there = (self.value, self.key), (self.away, self.other)
        source, target = self.rng.choice([(here, here), (here, there), (there, here),
                                          (there, here)])
        left, to_left = self.rng.random() < 0.5, self.rng.random() < 0.5
        name = "LMOVE"
        if not left and to_left and self.rng.random() < 0.5:
            name = "RPOPLPUSH"
        value = self.take(source[0], left) if source[0] else None
        if value is not None:
            target[0].insert(0 if to_left else len(target[0]), value)
        sides = ["LEFT" if left else "RIGHT", "LEFT" if to_left else "RIGHT"]
        self.expect(value, name, source[1], target[1], *(sides if name == "LMOVE" else []))

    def shrink(self):
        dice = self.rng.random()
        if dice < 0.2 and self.value:
            at, value = self.index(len(self.value)), self.draw()
            self.value[at] = value
            self.expect(b"OK", "LSET", self.key,
                        at if self.rng.random() < 0.5 else at - len(self.value), value)
            self.expect(value, "LINDEX", self.key, at)
        elif dice < 0.3:
            self.trim()
        elif dice < 0.5 and self.value:
            self.remove(self.value[self.index(len(self.value))],
                        self.rng.choice([0, 1, 2, -1, -2]))
        elif dice < 0.6:
            self.move()
        elif dice < 0.9:
            self.pop()
        else:
            self.look()

    def pop(self):
        n, left = self.some(), self.rng.random() < 0.5
        gone = [self.take(self.value, left) for _ in range(min(n, len(self.value)))]
        if self.rng.random() < 0.3:
            self.expect([b(self.key), gone] if gone else None, "LMPOP", 1, self.key,
                        "LEFT" if left else "RIGHT", "COUNT", n)
        elif n == 1 and self.rng.random() < 0.7:
            self.expect(gone[0] if gone else None, "LPOP" if left else "RPOP", self.key)
        else:
            self.expect(gone or None, "LPOP" if left else "RPOP", self.key, n)

    def trim(self):
        """A few at the ends mostly, now and then a piece out of the middle, or nothing left."""
        count = len(self.value)
        first, last = self.rng.randrange(5), count - 1 - self.rng.randrange(5)
        if count and self.rng.random() < 0.15:
            first, last = self.index(count), self.index(count)
        self.value = self.value[first:last + 1] if last >= first else []
        self.expect(b"OK", "LTRIM", self.key, first, last if last >= 0 else -100000)

    def remove(self, wanted, most):
        order = range(len(self.value)) if most >= 0 else range(len(self.value) - 1, -1, -1)
        gone = [i for i in order if self.value[i] == wanted][:abs(most) or None]
        self.value = [v for i, v in enumerate(self.value) if i not in set(gone)]
        self.expect(len(gone), "LREM", self.key, most, wanted)

    def look(self):
        if self.value:
            at, to = self.index(len(self.value)), self.index(len(self.value))
            self.expect(self.value[at:to + 1], "LRANGE", self.key, at, to)
            self.expect(self.value.index(self.value[at]), "LPOS", self.key, self.value[at])

    def whole(self):
        self.expect(self.value, "LRANGE", self.key, 0, -1)
        self.expect(self.away, "LRANGE", self.other, 0, -1)
        while len(self.away) > 200:
            gone, self.away = self.away[:150], self.away[150:]
            self.expect(gone, "LPOP", self.other, 150)


class Set(Model):
    name, counter = "set", "SCARD"

    def __init__(self, client, rng):
        super().__init__(client, rng)
        self.away = set()

    @staticmethod
    def empty():
        return set()

    def gone_elsewhere(self):
        self.away = set()

    def members(self):
        """Numbers or names, of so many that some are there and some are not."""
        spread = max(8, 2 * self.aim)
        number = self.rng.random() < 0.5
        return {b(self.rng.randrange(spread)) if number else
                b"m%d" % self.rng.randrange(spread) + b"x" * self.length
                for _ in range(self.some())}

    def grow(self):
        members, dice = self.members(), self.rng.random()
        if dice < 0.7:
            self.expect(len(members - self.value), "SADD", self.key, *members)
            self.value |= members
        elif dice < 0.85:
            self.move(self.away, self.other, self.value, self.key)
        else:
            self.expect(len(members - self.away), "SADD", self.other, *members)
            self.away |= members
            self.value = self.value | self.away
            self.expect(len(self.value), "SUNIONSTORE", self.key, self.key, self.other)
            self.at = -1
        for member in list(members)[:2]:
            self.expect(int(member in self.value), "SISMEMBER", self.key, member)

    def move(self, source, source_key, target, target_key):
        member = sorted(source)[self.index(len(source))] if source else b"x"
        self.expect(int(member in source), "SMOVE", source_key, target_key, member)
        if member in source:
            source.discard(member)
            target.add(member)

    def shrink(self):
        members, dice = self.members(), self.rng.random()
        if dice < 0.15:
            n = self.some()
            gone = self.ask("SPOP", self.key, n)
            assert set(gone) <= self.value and len(set(gone)) == len(gone) == min(
                n, len(self.value)), "SPOP: %r" % gone
            self.value -= set(gone)
        elif dice < 0.25:
            self.move(self.value, self.key, self.away, self.other)
        elif dice < 0.3:
            self.value = self.value - self.away
            self.expect(len(self.value), "SDIFFSTORE", self.key, self.key, self.other)
            self.at = -1
        elif dice < 0.33 and self.away:
            self.value = self.value & self.away
            self.expect(len(self.value), "SINTERSTORE", self.key, self.key, self.other)
            self.at = -1
        else:
            if self.value and self.rng.random() < 0.5:
                order = sorted(self.value)
                members |= {order[self.index(len(order))] for _ in members}
            self.expect(len(members & self.value), "SREM", self.key, *members)
            self.value -= members
        asked = list(members)
        self.expect([int(m in self.value) for m in asked], "SMISMEMBER", self.key, *asked)

    def whole(self):
        for key, value in ((self.key, self.value), (self.other, self.away)):
            found = self.ask("SMEMBERS", key)
            assert len(found) == len(value) and set(found) == value, "the content differs"
        if len(self.away) > 200:
            self.expect(1, "DEL", self.other)
            self.away = set()


class Zset(Model):
    name, counter = "zset", "ZCARD"

    def member(self):
        n = self.rng.randrange(max(8, 2 * self.aim))
        return b"m%d" % n + b"y" * (self.length + (200 if n % 17 == 0 else 0))

    def known(self):
        """One that is there, mostly near an end of the order."""
        order = self.order()
        return order[self.index(len(order))] if order else self.member()

    def score(self):
        return self.rng.choice([self.rng.randrange(4), self.rng.randrange(-1000, 1000),
                                self.rng.randrange(10 ** 9), self.rng.randrange(-9, 9) + 0.5])

    @staticmethod
    def text(score):
        return b(int(score)) if score == int(score) else repr(score).encode()

    def order(self):
        return sorted(self.value, key=lambda m: (self.value[m], m))

    def pairs(self, members):
        return [x for m in members for x in (m, self.text(self.value[m]))]

    def grow(self):
        dice = self.rng.random()
        if dice < 0.25:
            member, by = self.rng.choice([self.member(), self.known()]), self.score()
            self.value[member] = self.value.get(member, 0) + by
            self.expect(self.text(self.value[member]), *self.rng.choice([
                ("ZINCRBY", self.key, by, member), ("ZADD", self.key, "INCR", by, member)]))
        else:
            self.add()
        self.look()

    def add(self):
        flag = self.rng.choice([None, None, None, "NX", "XX", "GT", "LT"])
        changes = self.rng.random() < 0.3
        new = {self.rng.choice([self.member, self.member, self.known])(): self.score()
               for _ in range(self.some())}
        added = changed = 0
        for m, s in new.items():
            there = m in self.value
            if (flag == "NX" and there) or (flag == "XX" and not there) or \
                    (there and flag == "GT" and s <= self.value[m]) or \
                    (there and flag == "LT" and s >= self.value[m]):
                continue
            added += not there
            changed += there and self.value[m] != s
            self.value[m] = s
        words = ([flag] if flag else []) + (["CH"] if changes else [])
        self.expect(added + (changed if changes else 0), "ZADD", self.key, *words,
                    *[x for m, s in new.items() for x in (s, m)])

    def look(self):
        order = self.order()
        if not order:
            return
        at, to = self.index(len(order)), self.index(len(order))
        self.expect(at, "ZRANK", self.key, order[at])
        self.expect(len(order) - 1 - at, "ZREVRANK", self.key, order[at])
        self.expect(self.text(self.value[order[to]]), "ZSCORE", self.key, order[to])
        self.expect(self.pairs(order[at:to + 1]), "ZRANGE", self.key, at, to, "WITHSCORES")
        low, high = self.value[order[min(at, to)]], self.value[order[max(at, to)]]
        self.expect(sum(low <= s <= high for s in self.value.values()), "ZCOUNT", self.key, low,
                    high)

    def shrink(self):
        order, dice, n = self.order(), self.rng.random(), self.some()
        if dice < 0.4:
            members = {self.rng.choice([self.member, self.known])() for _ in range(n)}
            gone = [m for m in members if m in self.value]
            self.expect(len(gone), "ZREM", self.key, *members)
        elif dice < 0.6:
            gone = order[:n] if dice < 0.5 else order[::-1][:n]
            side = "MIN" if dice < 0.5 else "MAX"
            if self.rng.random() < 0.7:
                self.expect(self.pairs(gone), "ZPOP" + side, self.key, n)
            else:
                self.expect([b(self.key), [[m, self.text(self.value[m])] for m in gone]]
                            if gone else None, "ZMPOP", 1, self.key, side, "COUNT", n)
        elif dice < 0.75 or not order:
            at = self.index(len(order)) if order else 0
            gone = order[at:at + n]
            self.expect(len(gone), "ZREMRANGEBYRANK", self.key, at, at + n - 1)
        elif dice < 0.9:
            low = self.value[order[self.index(len(order))]]
            high = low + self.rng.choice([0, 0, 1, 20])
            gone = [m for m in order if low <= self.value[m] <= high]
            self.expect(len(gone), "ZREMRANGEBYSCORE", self.key, low, high)
        else:
            self.store(order)
            return
        for m in gone:
            self.value.pop(m, None)
        self.look()

    def store(self, order):
        """The key anew, from a part of itself or from itself with other scores."""
        if self.rng.random() < 0.5:
            at = self.rng.randrange(5)
            kept = order[at:len(order) - self.rng.randrange(5)]
            self.value = {m: self.value[m] for m in kept}
            self.expect(len(kept), "ZRANGESTORE", self.key, self.key, at, at + len(kept) - 1
                        if kept else -100000)
        else:
            weight = 1 if any(abs(s) > 10 ** 12 for s in self.value.values()) else 2
            self.value = {m: s * weight for m, s in self.value.items()}
            self.expect(len(self.value), "ZUNIONSTORE", self.key, 1, self.key, "WEIGHTS", weight)
        self.at = -1

    def whole(self):
        self.expect(self.pairs(self.order()), "ZRANGE", self.key, 0, -1, "WITHSCORES")
