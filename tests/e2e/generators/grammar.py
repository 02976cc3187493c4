"""Every data command from its syntax: all options in any order and combination, and now and then
one argument too few, too many, twice, swapped or senseless.

The syntax is a list of items: upper-case text is a word, lower-case text the name of a generator
below; opt(...) may be left out, one(...) is one of several sequences, many(...) repeats. Options
that stand side by side come in any order."""
from harness.steps import Step, pick


class opt:
    def __init__(self, *items):
        self.items = items


class one:
    def __init__(self, *choices):
        self.choices = [c if isinstance(c, list) else [c] for c in choices]


class many:
    def __init__(self, *items, least=1, most=4):
        self.items, self.least, self.most = items, least, most


def ahead(unit, absolute):
    """A time far from now, hardly ever the same twice: the servers' clocks decide nothing."""
    def draw(rng):
        if rng.random() < 0.12:
            odd = [0, -1, -100000, "x", "", "1.5", (1 << 63) - 1, -(1 << 63), 9223372036854775,
                   9223372036854776, -9223372036854775, 9223372036854774807, 1 << 62, "0100", "+5"]
            return rng.choice(odd + [1, 1000] if absolute else odd)
        after = rng.randrange(1, 100000) * 1000
        return (4000000000 + after if absolute else after) * (1 if unit == "s" else 1000)
    return draw


WORDS = {
    "key": pick.key,
    "value": pick.value,
    "int": lambda rng: rng.choice([pick.integer(rng), pick.index(rng), pick.index(rng)]),
    "index": pick.index,
    "number": pick.number,
    "count": lambda rng: rng.choice([0, 1, 2, 3, 10, -1, -3, 1000]),
    "field": lambda rng: rng.choice(["f0", "f1", "f2", "f3", "1", "", "F" * 70]),
    "element": lambda rng: rng.choice(["a", "b", "c", "1", "", pick.value(rng)]),
    "seconds": ahead("s", False), "ms": ahead("ms", False),
    "at_seconds": ahead("s", True), "at_ms": ahead("ms", True),
    "bit": lambda rng: rng.choice([0, 1, 0, 1, 0, 1, 2, -1]),
    "bits": lambda rng: rng.choice([0, 1, 7, 8, 9, 100, 1000, rng.randrange(5000)]),
    "type": lambda rng: rng.choice(["u8", "i8", "u1", "i64", "u63", "i5", "u64", "i0", "x"]),
    "place": lambda rng: rng.choice(["0", "#0", "#1", "7", "100", "#20", "-1", "#x"]),
    "numkeys": lambda rng: rng.choice([1, 1, 2, 2, 3, 0, -1]),
    "weight": lambda rng: rng.choice(["nosort", "k*", "#", "k*->f0"]),
    "glob": lambda rng: rng.choice(["*", "k*", "k[0-4]", "f?", "[^a]*", "", "no\\*", "*1"]),
    "cursor": lambda rng: rng.choice(["0", "00", "0x", "-0", "+0", "", " 0", "0 ", "x"]),
    "kind": lambda rng: rng.choice(["string", "list", "HASH", "zset", "nosuch"]),
    "none": lambda rng: rng.choice([0, 0, 0, -1, "x"]),
    "db": lambda rng: rng.choice(["0", "0", "0", "x", ""]),
}
SIDE = one("LEFT", "RIGHT")
EXPIRE = opt(one("NX", "XX", "GT", "LT")), opt(one("NX", "XX", "GT", "LT"))
SET_TIME = opt(one(["EX", "seconds"], ["PX", "ms"], ["EXAT", "at_seconds"], ["PXAT", "at_ms"],
                   "KEEPTTL"))
RANGE = opt("index", "index", opt(one("BYTE", "BIT")))
SCAN = opt("MATCH", "glob"), opt("COUNT", "count")

SYNTAX = [
    ["APPEND", "key", "value"], ["BITCOUNT", "key", RANGE],
    ["BITPOS", "key", "bit", opt("index", opt("index", opt(one("BYTE", "BIT"))))],
    ["BITFIELD", "key", many(opt("OVERFLOW", one("WRAP", "SAT", "FAIL")), one(
        ["GET", "type", "place"], ["SET", "type", "place", "int"],
        ["INCRBY", "type", "place", "int"]), least=0)],
    ["BITFIELD_RO", "key", many("GET", "type", "place", least=0)],
    ["BITOP", one("AND", "OR", "XOR", "NOT"), "key", many("key", most=3)],
    ["COPY", "key", "key", opt("DB", "db"), opt("REPLACE")],
    ["DECR", "key"], ["DECRBY", "key", "int"], ["DEL", many("key")], ["EXISTS", many("key")],
    ["EXPIRE", "key", "seconds", *EXPIRE], ["EXPIREAT", "key", "at_seconds", *EXPIRE],
    ["PEXPIRE", "key", "ms", *EXPIRE], ["PEXPIREAT", "key", "at_ms", *EXPIRE],
    ["EXPIRETIME", "key"], ["PEXPIRETIME", "key"], ["TTL", "key"], ["PTTL", "key"],
    ["GET", "key"], ["GETBIT", "key", "bits"], ["GETDEL", "key"], ["GETSET", "key", "value"],
    ["GETEX", "key", opt(one(["EX", "seconds"], ["PX", "ms"], ["EXAT", "at_seconds"],
                             ["PXAT", "at_ms"], "PERSIST"))],
    ["GETRANGE", "key", "index", "index"], ["SUBSTR", "key", "index", "index"],
    ["HDEL", "key", many("field")], ["HEXISTS", "key", "field"], ["HGET", "key", "field"],
    ["HGETALL", "key"], ["HINCRBY", "key", "field", "int"],
    ["HINCRBYFLOAT", "key", "field", "number"], ["HKEYS", "key"], ["HLEN", "key"],
    ["HMGET", "key", many("field")], ["HMSET", "key", many("field", "value")],
    ["HSET", "key", many("field", "value")], ["HSETNX", "key", "field", "value"],
    ["HSTRLEN", "key", "field"], ["HVALS", "key"],
    ["HRANDFIELD", "key", opt("count", opt("WITHVALUES"))],
    ["HSCAN", "key", "cursor", *SCAN],
    ["INCR", "key"], ["INCRBY", "key", "int"], ["INCRBYFLOAT", "key", "number"],
    ["KEYS", "glob"],
    ["LCS", "key", "key", opt("LEN"), opt("IDX"), opt("MINMATCHLEN", "count"),
     opt("WITHMATCHLEN")],
    ["LINDEX", "key", "index"], ["LINSERT", "key", one("BEFORE", "AFTER"), "element", "element"],
    ["LLEN", "key"], ["LMOVE", "key", "key", SIDE, SIDE],
    ["LMPOP", "numkeys", many("key", most=3), SIDE, opt("COUNT", "count")],
    ["LPOP", "key", opt("count")], ["RPOP", "key", opt("count")],
    ["LPOS", "key", "element", opt("RANK", "count"), opt("COUNT", "count"),
     opt("MAXLEN", "count")],
    ["LPUSH", "key", many("element")], ["RPUSH", "key", many("element")],
    ["LPUSHX", "key", many("element")], ["RPUSHX", "key", many("element")],
    ["LRANGE", "key", "index", "index"], ["LREM", "key", "index", "element"],
    ["LSET", "key", "index", "element"], ["LTRIM", "key", "index", "index"],
    ["MGET", many("key")], ["MSET", many("key", "value")], ["MSETNX", many("key", "value")],
    ["OBJECT", one("ENCODING", "FREQ", "IDLETIME", "REFCOUNT", "NOSUCH"), "key"],
    ["PERSIST", "key"], ["PSETEX", "key", "ms", "value"], ["SETEX", "key", "seconds", "value"],
    ["RANDOMKEY"],
    ["RENAME", "key", "key"], ["RENAMENX", "key", "key"], ["RPOPLPUSH", "key", "key"],
    ["SCAN", "cursor", *SCAN, opt("TYPE", "kind")],
    ["SET", "key", "value", opt(one("NX", "XX")), opt("GET"), SET_TIME],
    ["SETBIT", "key", "bits", "bit"], ["SETNX", "key", "value"],
    [one("SORT", "SORT_RO"), "key", opt("LIMIT", "int", "int"), opt("BY", "weight"),
     opt("GET", "glob"), opt("GET", "glob"), opt(one("ASC", "DESC")), opt("STORE", "key")],
    [one("SORT", "SORT_RO"), "key", opt("ALPHA"), opt("LIMIT", "int", "int"), opt("GET", "glob"),
     opt(one("ASC", "DESC")), opt("STORE", "key")],
    ["SETRANGE", "key", "bits", "value"], ["STRLEN", "key"], ["TOUCH", many("key")],
    ["TYPE", "key"], ["UNLINK", many("key")],
    ["WAIT", "none", "none"], ["TIME"], ["ECHO", "value"], ["PING", opt("value")],
    ["SELECT", "db"], ["COMMAND", one("GETKEYS", "GETKEYSANDFLAGS"), "inner"],
]

# What to do with an argument list to spoil it.
SPOIL = [
    lambda rng, args: args[:-1],
    lambda rng, args: args[:rng.randrange(1, len(args) + 1)],
    lambda rng, args: args + [rng.choice(["x", "", "1", "NX", "COUNT", "GET", "EX", "MATCH"])],
    lambda rng, args: replaced(args, rng.randrange(len(args)), pick.junk_integer(rng)),
    lambda rng, args: replaced(args, len(args) - 1, pick.junk_integer(rng)),
    lambda rng, args: args + args[-1:],
    lambda rng, args: args + args[-2:],
    lambda rng, args: args[:1] + args[:0:-1],
    lambda rng, args: swapped(args, rng.randrange(len(args)), rng.randrange(len(args))),
]


def replaced(args, at, by):
    return args[:at] + [by] + args[at + 1:] if at > 0 else args


def swapped(args, a, b):
    args = list(args)
    if a > 0 and b > 0:
        args[a], args[b] = args[b], args[a]
    return args


def words(rng, items):
    """The arguments that a sequence of items stands for."""
    args, run = [], []
    for item in list(items) + [None]:
        if isinstance(item, opt):
            run.append(item)
            continue
        rng.shuffle(run)
        for option in run:
            if rng.random() < 0.4:
                args += words(rng, option.items)
        run = []
        if isinstance(item, one):
            args += words(rng, rng.choice(item.choices))
        elif isinstance(item, many):
            for _ in range(rng.randrange(item.least, item.most + 1)):
                args += words(rng, item.items)
        elif item == "inner":
            args += command(rng)
        elif item is not None:
            args.append(pick.case(rng, item) if item.isupper() else WORDS[item](rng))
    return args


def command(rng):
    return words(rng, rng.choice(SYNTAX))


def steps(rng):
    while True:
        args = command(rng)
        # COMMAND alone answers with every command of the server.
        if rng.random() < 0.2 and len(args) > 1 and args[0].upper() != "COMMAND":
            args = rng.choice(SPOIL)(rng, args)
        name = str(args[0]).upper()
        # Pages of a walk differ; only what is refused is the same.
        yield Step(args, compare={"SCAN": "kind", "HSCAN": "kind", "HRANDFIELD": "shape"}.get(name))
