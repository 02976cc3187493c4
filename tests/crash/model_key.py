"""What all types of tests/crash/model.py have in common: one key and its plain model, how large it
is to become, and what any key lives through."""
import time

FAR = 4000000000000  # a time that does not come, ms
SOON = 25            # ms until what expires soon does
# Sizes that a collection is driven to and kept about for a while. Its form changes at some 2000
# bytes on the way up and at 500 bytes or 64 elements on the way down; a leaf of a sorted set holds
# 24 elements, an inner node 120 children.
SIZES = [0, 1, 3, 12, 23, 25, 40, 63, 65, 100, 130, 300, 700]
LENGTHS = [0, 0, 3, 9, 20, 70, 70, 150, 300, 900, 3000]
# Runs what it is given, one command after the other, and returns their replies.
SCRIPT = """local at, replies = 1, {}
while at <= #ARGV do
  local n = tonumber(ARGV[at])
  replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, at + n))
  at = at + n + 1
end
return replies"""


def b(value):
    return str(value).encode()


class Model:
    """One key: its value as Python has it, and when it expires (ms, -1: never). A type has grow and
    shrink, which change it towards more or fewer elements, and whole, which compares all."""
    name = counter = None

    def __init__(self, client, rng):
        self.client, self.rng = client, rng
        self.key, self.other = "{m}" + self.name, "{m}other " + self.name
        self.value, self.at = self.empty(), -1
        self.together = None  # commands that go out in one piece, with the replies they must have
        self.aim, self.length = 0, 0
        self.used = {}

    @staticmethod
    def empty():
        return {}

    # --- talking ---

    def expect(self, wanted, *command):
        """The command has this reply, now or with those that it is sent together with."""
        self.used[command[0]] = self.used.get(command[0], 0) + 1
        if self.together is not None:
            self.together.append((wanted, command))
            return
        self.compare(wanted, self.client.call(*command), command)

    @staticmethod
    def compare(wanted, found, command):
        assert found == wanted, "%r: %r, the model says %r" % (command, found, wanted)

    def ask(self, *command):
        """The reply of a command that the model can not foresee."""
        self.used[command[0]] = self.used.get(command[0], 0) + 1
        self.send_together()
        return self.client.call(*command)

    def send_together(self):
        """What is held back, as a transaction, a script, or a pipeline."""
        if not self.together:
            return
        rows, self.together = self.together, []
        commands = [list(command) for _, command in rows]
        how = self.rng.randrange(3)
        if how == 0:
            found = self.client.pipeline([["MULTI"]] + commands + [["EXEC"]])[-1]
        elif how == 1:
            found = self.client.call("EVAL", SCRIPT, 1, self.key,
                                     *[x for c in commands for x in [len(c)] + c])
        else:
            found = self.client.pipeline(commands)
        assert isinstance(found, list) and len(found) == len(rows), repr(found)[:500]
        for (wanted, command), reply in zip(rows, found):
            self.compare(wanted, reply, command)

    # --- what is drawn ---

    def value_bytes(self):
        """Of the length that is the rule at present, and now and then of another."""
        length = self.length if self.rng.random() < 0.9 else self.rng.choice(LENGTHS)
        return b(self.rng.randrange(10000)) + b"x" * length

    def index(self, count):
        """A place among count: each near an end comes often, however many there are."""
        near = min(count, 40)
        return self.rng.choice([self.rng.randrange(count), self.rng.randrange(near),
                                count - 1 - self.rng.randrange(near),
                                max(0, count // 2 - self.rng.randrange(min(count, 3)))])

    def some(self):
        return self.rng.choice([1, 1, 1, 3, 8, 30])

    # --- steps ---

    def count(self):
        return len(self.value)

    def exists(self):
        return self.count() > 0

    def step(self):
        if self.rng.random() < 0.03:
            self.aim, self.length = self.rng.choice(SIZES), self.rng.choice(LENGTHS)
        dice = self.rng.random()
        if dice < 0.02:
            self.lifetime()
        elif dice < 0.024:
            self.clear()
        elif dice < 0.044:
            self.elsewhere()
        elif dice < 0.15:
            self.together = []
            for _ in range(self.rng.randrange(2, 7)):
                self.change()
            self.send_together()
            self.together = None
        else:
            self.change()
        self.expect(self.at if self.exists() else -2, "PEXPIRETIME", self.key)
        self.expect(self.count(), self.counter, self.key)

    def change(self):
        """Mostly towards the size that is aimed at."""
        up = self.count() < self.aim if self.rng.random() < 0.75 else self.rng.random() < 0.5
        if up:
            self.grow()
        else:
            self.shrink()
        if not self.exists():
            self.at = -1

    def clear(self):
        """All goes: deleted, overwritten by another type, or at its time."""
        how = self.rng.randrange(4)
        if how == 0:
            self.expect(int(self.exists()), self.rng.choice(["DEL", "UNLINK"]), self.key)
        elif how == 1:
            self.expect(b"OK", "SET", self.key, "x")
            self.expect(1, "DEL", self.key)
        elif how == 2:
            self.expect(b"OK", self.rng.choice(["FLUSHALL", "FLUSHDB"]))
            self.gone_elsewhere()
        elif self.exists():
            at = int(time.time() * 1000) + SOON
            self.expect(1, "PEXPIREAT", self.key, at)
            time.sleep((SOON + 10) / 1000)
        self.value, self.at = self.empty(), -1

    def gone_elsewhere(self):
        """The other keys of a type are gone."""

    def lifetime(self):
        if self.rng.random() < 0.3:
            self.expect(int(self.exists() and self.at != -1), "PERSIST", self.key)
            self.at = -1
        else:
            at = FAR + self.rng.randrange(1000000)
            self.expect(int(self.exists()), "PEXPIREAT", self.key, at)
            self.at = at if self.exists() else -1

    def elsewhere(self):
        """The value under another name, as another's copy, from a payload: it stays the same."""
        if not self.exists():
            return
        away = "{m}away"
        how = self.rng.randrange(3)
        if how == 0:
            self.expect(b"OK", "RENAME", self.key, away)
        elif how == 1:
            self.expect(1, "COPY", self.key, away, "REPLACE")
            self.expect(1, self.rng.choice(["DEL", "UNLINK"]), self.key)
        else:
            payload = self.ask("DUMP", self.key)
            self.expect(b"OK", "RESTORE", away, max(self.at, 0), payload, "ABSTTL", "REPLACE")
            self.expect(1, "DEL", self.key)
        self.expect(1, "RENAMENX", away, self.key)
        self.whole()
