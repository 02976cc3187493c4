"""Steps of a command stream, how their replies are compared, and what generators draw from."""
import re

# How the replies of a command are compared; all others byte by byte.
#   shape      types and lengths, errors exactly
#   unordered  as a multiset of elements           pairs  as a multiset of (field, value)
#   near       integers may differ a little (TTLs) kind   only the type has to agree
#   ignore     not at all
#   older      near, but for fields that redis-server 7.0 does not have
#   churn      exactly, but a walk's elements that came or went during it
#   refusal    but for the words, not the code, with which a user is refused something
#   users      but for the flag that 7.0 does not show
#   length     types and lengths of strings
COMPARE = {
    "KEYS": "unordered", "HKEYS": "unordered", "HVALS": "unordered", "HGETALL": "pairs",
    "CONFIG GET": "pairs", "SMEMBERS": "unordered", "SINTER": "unordered",
    "SUNION": "unordered", "SDIFF": "unordered", "SRANDMEMBER": "kind",
    "TTL": "near", "PTTL": "near", "EXPIRETIME": "near", "PEXPIRETIME": "near",
    "RANDOMKEY": "kind", "HRANDFIELD": "kind", "ZRANDMEMBER": "kind", "TIME": "kind",
    "INFO": "kind", "LASTSAVE": "kind", "CLIENT ID": "kind",
    "CLIENT LIST": "kind", "CLIENT INFO": "kind",
    "OBJECT IDLETIME": "near", "OBJECT FREQ": "kind", "MEMORY USAGE": "kind",
    "MEMORY STATS": "kind", "MEMORY DOCTOR": "kind", "COMMAND COUNT": "kind",
    "XPENDING": "near", "XINFO CONSUMERS": "older", "XINFO STREAM": "older",
    "LATENCY LATEST": "kind", "LATENCY RESET": "kind", "SLOWLOG GET": "kind",
    "SLOWLOG LEN": "kind", "HELLO": "hello", "FUNCTION LIST": "unordered",
    "FUNCTION DUMP": "kind",
}


class Step:
    """One action on both servers. kind: "call"; "scan": a whole iteration, args with the cursor
    "0" in its place; "sleep": args is milliseconds; "raw": args is bytes as sent, answered until
    the server closes or falls silent; "reconnect"; "state": the whole keyspace; "counted": what
    INFO counts; on Cairn alone "checkpoint" and "restart", args being "term", "kill", or "check",
    which has cairn-slot judge the files of the killed server. conn is the connection's index."""

    __slots__ = ("args", "compare", "conn", "kind")

    def __init__(self, args, compare=None, conn=0, kind="call"):
        self.args, self.compare, self.conn, self.kind = args, compare, conn, kind

    def comparison(self):
        if self.compare is not None:
            return self.compare
        if not isinstance(self.args, list):
            return "exact"
        words = [text(a).upper() for a in self.args[:2]]
        if words[1:] == ["HELP"]:
            return "kind"  # texts of our own
        return COMPARE.get(" ".join(words)) or COMPARE.get(words[0] if words else "") or "exact"

    def __repr__(self):
        if self.kind == "sleep":
            return "sleep %d ms" % self.args
        if self.kind not in ("call", "scan"):
            return self.kind + (" %r" % (self.args,) if self.args is not None else "")
        shown = " ".join(quoted(a) for a in self.args[:24])
        if len(self.args) > 24:
            shown += " ...(%d arguments)" % len(self.args)
        return ("[%d] " % self.conn if self.conn else "") + (
            "scan: " if self.kind == "scan" else "") + shown


def text(arg):
    return arg.decode("latin-1") if isinstance(arg, bytes) else str(arg)


def quoted(arg):
    shown = text(arg)
    if len(shown) > 120:
        shown = "%s...(%d bytes)" % (shown[:100], len(shown))
    if shown and all(32 < ord(c) < 127 and c not in "\"'\\" for c in shown):
        return shown
    return '"%s"' % "".join(
        c if 32 <= ord(c) < 127 and c not in '"\\' else "\\x%02x" % ord(c) for c in shown)


def canonical(reply, pairs=False):
    """The reply with its elements in an order of their own."""
    kind, value = reply
    if not isinstance(value, list):
        return reply
    items = [canonical(v) for v in value]
    if (pairs and items and not isinstance(items[0][1], list)) or kind in "%|":
        items = list(zip(items[::2], items[1::2]))
    return kind, sorted(items, key=repr)


def _numbers(reply):
    kind, value = reply
    if isinstance(value, list):
        return [n for v in value for n in _numbers(v)]
    try:
        return [int(value)]
    except (TypeError, ValueError):
        return [value]


def near(a, b):
    """Integers within what a busy machine may lose between the two servers; a reply of -1 or -2
    only equals itself."""
    mine, theirs = _numbers(a), _numbers(b)
    return len(mine) == len(theirs) and all(
        x == y or (isinstance(x, int) and isinstance(y, int) and x >= 0 and y >= 0
                   and abs(x - y) <= max(2, 10000 if max(x, y) > 20000 else 1500))
        for x, y in zip(mine, theirs))


NEWER = (b"inactive", b"active-time")


def older(reply):
    """The reply without the fields that came with 7.2."""
    kind, value = reply
    if not isinstance(value, list):
        return reply
    kept, skip = [], False
    for item in value:
        if skip or item[1] in NEWER:
            skip = not skip
        else:
            kept.append(older(item))
    return kind, kept


def shape(reply):
    """Types and lengths without the content; an error is its content."""
    kind, value = reply
    if isinstance(value, list):
        return kind, [shape(v) for v in value]
    return kind, value if kind == "-" else value is None


def refusal(reply):
    """What is refused to a user as its code alone; 7.2 names the user."""
    kind, value = reply
    if isinstance(value, list):
        return kind, [refusal(v) for v in value]
    if isinstance(value, bytes):
        value = REFUSED.sub(b"refused", value)
    return kind, value


REFUSED = re.compile(rb"((?i:user \w+|this user) has no permissions|No permissions|"
                     rb"ERR ACL failure in script|ERR The user executing the script)[^\r\n]*")


def users(reply):
    """Users without sanitize-payload, which 7.0 shows only where it was said."""
    kind, value = reply
    if isinstance(value, list):
        return kind, [users(v) for v in value if v[1] not in SANITIZE]
    if isinstance(value, bytes):
        value = re.sub(rb" (skip-)?sanitize-payload", b"", value)
    return kind, value


SANITIZE = (b"sanitize-payload", b"skip-sanitize-payload")
# Comparisons by what a reply becomes.
BY = {"shape": shape, "refusal": refusal, "users": users,
      "length": lambda reply: (reply[0], len(reply[1]) if isinstance(reply[1], bytes) else None)}


def same(how, a, b):
    """Whether two (reply, bytes) agree. how: a name of COMPARE."""
    (reply_a, raw_a), (reply_b, raw_b) = a, b
    if raw_a == raw_b or how == "ignore":
        return True
    if how in BY:
        return BY[how](reply_a) == BY[how](reply_b)
    if how in ("exact", "churn") or reply_a[0] != reply_b[0]:
        return False
    if how == "kind" or how == "hello":
        return reply_a[0] != "-" and (reply_a[1] is None) == (reply_b[1] is None)
    if how == "older":
        return near(older(reply_a), older(reply_b))
    if how == "near":
        return near(reply_a, reply_b)
    return canonical(reply_a, how == "pairs") == canonical(reply_b, how == "pairs")


class pick:
    """What arguments are drawn from: few keys, so that commands meet on them."""

    KEYS = ["k%d" % i for i in range(8)] + ["{t}a", "{t}b", "{t}c", "", "key with space",
                                            "long" * 200]

    # Floats on the edge of being one.
    FLOATS = ["-0", "-0.0", "+1", "1e0", "0x10", "0x1p3", "-0x1.8p1", "infinity", "-INF", "NaN",
              "nan(1)", "1.7976931348623157e308", "1e4932", "1.18973149535723176502e+4932",
              "1.19e4932", "3.6e-4951", "1e-4932", "1e-17", "1e-18", "0.1", "1e21", "1" * 30,
              "123456789012345678901234567890", "\t1", "1\n", "1\x00", ".", "-", "e", "1e", "1e+",
              "5.e1", "--1", "1,5", "1_0", "1f", "9223372036854775808", "0." + "1" * 400,
              "9" * 5000, "1" * 5119, "1" * 5120, "00012"]

    @staticmethod
    def key(rng):
        return rng.choice(pick.KEYS[:8] if rng.random() < 0.8 else pick.KEYS)

    @staticmethod
    def value(rng):
        kind = rng.randrange(10)
        if kind < 3:
            return str(pick.integer(rng))
        if kind < 4:
            return pick.number(rng)
        if kind < 8:
            return "v%x" % rng.getrandbits(24) * rng.choice([1, 1, 1, 3, 20])
        if kind < 9:
            return bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
        return rng.choice(["", "\r\n", "\x00", "a" * 3000, "ünï", "-0", "+1", " 1", "1 ", "0x10"])

    @staticmethod
    def integer(rng):
        return rng.choice([0, 1, -1, 2, 10, -10, rng.randrange(-100, 100), rng.randrange(1 << 32),
                           (1 << 63) - 1, -(1 << 63)])

    @staticmethod
    def index(rng):
        return rng.choice([0, 1, -1, 2, -2, rng.randrange(-12, 12), rng.randrange(-12, 12), 1000,
                           -1000])

    @staticmethod
    def number(rng):
        """Text that may or may not be a float."""
        return rng.choice(["1.5", "-2.25", "0", "1e3", "3.0e-5", "5.0", "1e400", "inf", "-inf",
                           "nan", "abc", "", "1.5 ", ".5", "5.", "1e5000", rng.choice(pick.FLOATS),
                           "%d.%d" % (
                               rng.randrange(-50, 50), rng.randrange(1000))])

    @staticmethod
    def junk_integer(rng):
        """Text that should have been an integer."""
        return rng.choice(["abc", "", "1.5", "9223372036854775808", "-9223372036854775809", " 1",
                           "1 ", "0x1", "+1", "00", "-0", "1e3"])

    @staticmethod
    def case(rng, word):
        """A word in one of its spellings."""
        return rng.choice([word, word, word.lower(), word.capitalize()])
