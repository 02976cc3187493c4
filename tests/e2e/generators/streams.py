"""The stream group: entries, ranges, trimming, consumer groups and what is pending in them; IDs of
small numbers, so that commands meet on them; bad arguments and wrong types. Times are not compared
to the millisecond, and no ID is taken from the clock."""
from harness.steps import Step, pick

KEYS = ["s1", "s2", "{t}a", "{t}b"]
OTHER = "string"
GROUPS = ["g1", "g2", "", "a group"]
CONSUMERS = ["alice", "bob", "", "c" * 300]
FIELDS = ["f", "g", "", "temperature"]
WORDS = ["a", "b", "", "1", "-5", "123456789012", "x" * 40, "\r\n"]


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.95 else rng.choice([OTHER, "nosuchkey"])


def group(rng):
    return rng.choice(GROUPS[:2]) if rng.random() < 0.9 else rng.choice(GROUPS + ["nosuchgroup"])


def consumer(rng):
    return rng.choice(CONSUMERS[:2]) if rng.random() < 0.8 else rng.choice(CONSUMERS)


def known(rng):
    """An ID that may be there."""
    return "%d-%d" % (rng.randrange(1, 30), rng.randrange(4))


def bad_id(rng):
    return rng.choice(["x", "", "1-x", "-1", "1-", "-", "+", "*", "1-2-3", "$", ">", " 1", "+1-1",
                       "18446744073709551616-1", "1-18446744073709551616", "(1-1", "1-*",
                       "9" * 130])


def new_id(rng):
    dice = rng.random()
    if dice < 0.4:
        return "%d-*" % rng.randrange(1, 30)
    if dice < 0.95:
        return known(rng)
    return rng.choice(["0-0", "0-1", "0-*", "30", "5", "007-01"])


def bound(rng):
    dice = rng.random()
    if dice < 0.3:
        return rng.choice(["-", "+"])
    if dice < 0.6:
        return str(rng.randrange(1, 30))
    if dice < 0.9:
        return rng.choice(["", "("]) + known(rng)
    return rng.choice(["(0-0", "(18446744073709551615-18446744073709551615", "(-", "(+", "(", "0",
                       "18446744073709551615"])


def fields(rng):
    count = rng.choice([1, 1, 2, 2, 3, 7])
    same = [FIELDS[i % 4] for i in range(count)] if rng.random() < 0.6 else None
    out = []
    for i in range(count):
        out += [same[i] if same else rng.choice(FIELDS), rng.choice(WORDS)]
    return out


def trim(rng):
    how = rng.choice([[], ["="], ["~"]])
    if rng.random() < 0.6:
        args = [pick.case(rng, "MAXLEN")] + how + [rng.choice([0, 1, 3, 10, 40, 1000])]
    else:
        args = [pick.case(rng, "MINID")] + how + [rng.choice([known(rng), "5", "20"])]
    if rng.random() < 0.15:
        args += ["LIMIT", rng.choice([0, 1, 10, 100])]
    return args


def add(rng):
    args = ["XADD", key(rng)]
    if rng.random() < 0.05:
        args.append("NOMKSTREAM")
    if rng.random() < 0.1:
        args += trim(rng)
    return args + [new_id(rng)] + fields(rng)


def read(rng):
    k = key(rng)
    count = rng.choice([[], [], ["COUNT", rng.choice([0, 1, 2, 5, -1])]])
    return rng.choice([
        lambda: ["XRANGE", k, bound(rng), bound(rng)] + count,
        lambda: ["XREVRANGE", k, bound(rng), bound(rng)] + count,
        lambda: ["XRANGE", k, "-", "+"] + count,
        lambda: ["XREVRANGE", k, "+", "-"] + count,
        lambda: ["XLEN", k],
        lambda: ["XREAD"] + count + ["STREAMS", k, rng.choice([known(rng), "0", "$"])],
        lambda: ["XREAD"] + count + ["STREAMS", k, key(rng), known(rng), "0-0"],
        lambda: ["XREAD", "BLOCK", "1", "STREAMS", k, rng.choice([known(rng), "0", "$"])],
        lambda: ["OBJECT", "ENCODING", k],
        lambda: ["TYPE", k],
        lambda: ["DEBUG", "DIGEST-VALUE", k],
    ])()


def change(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["XDEL", k, known(rng)],
        lambda: ["XDEL", k] + [known(rng) for _ in range(4)],
        lambda: ["XTRIM", k] + trim(rng),
        lambda: ["XDEL", k] + [known(rng) for _ in range(9)],
        lambda: ["XTRIM", k] + trim(rng),
        lambda: ["XSETID", k, "30-0"],
        lambda: ["XSETID", k, "30-0", "ENTRIESADDED", rng.choice([0, 5, 100, 1000])],
        lambda: ["XSETID", k, "30-1", "ENTRIESADDED", 100, "MAXDELETEDID", known(rng)],
    ])()


def manage(rng):
    k, g = key(rng), group(rng)
    at = rng.choice([known(rng), "0", "$", "0-0"])
    reads = rng.choice([[], [], ["ENTRIESREAD", rng.choice([-1, 0, 3, 100])]])
    return rng.choice([
        lambda: ["XGROUP", "CREATE", k, g, at] + reads,
        lambda: ["XGROUP", "CREATE", k, g, at, "MKSTREAM"] + reads,
        lambda: ["XGROUP", "SETID", k, g, at] + reads,
        lambda: ["XGROUP", "SETID", k, g, rng.choice(["-", "0"])],
        lambda: ["XGROUP", "CREATECONSUMER", k, g, consumer(rng)],
        lambda: ["XGROUP", "DELCONSUMER", k, g, consumer(rng)],
        lambda: ["XGROUP", "DESTROY", k, g] if rng.random() < 0.3 else ["XLEN", k],
    ])()


def deliver(rng):
    k, g, c = key(rng), group(rng), consumer(rng)
    count = rng.choice([[], ["COUNT", rng.choice([1, 1, 2, 3])]])
    no_ack = ["NOACK"] if rng.random() < 0.1 else []
    other = key(rng)
    for stream in (k, other):
        yield ["XGROUP", "CREATECONSUMER", stream, g, c]
    yield rng.choice([
        lambda: ["XREADGROUP", "GROUP", g, c] + count + no_ack + ["STREAMS", k, ">"],
        lambda: ["XREADGROUP", "GROUP", g, c] + count + no_ack + ["STREAMS", k, ">"],
        lambda: ["XREADGROUP", "GROUP", g, c] + count + ["STREAMS", k, rng.choice(
            ["0", known(rng)])],
        lambda: ["XREADGROUP", "GROUP", g, c] + count + ["STREAMS", k, other, ">", "0"],
        lambda: ["XREADGROUP", "GROUP", g, c, "BLOCK", "1"] + count + ["STREAMS", k, ">"],
        lambda: ["XACK", k, g, known(rng)],
        lambda: ["XACK", k, g] + [known(rng) for _ in range(5)],
    ])()


def pending(rng):
    k, g = key(rng), group(rng)
    idle = rng.choice([0, 0, 0, 50000])
    return rng.choice([
        lambda: Step(["XPENDING", k, g], compare="exact"),
        lambda: Step(["XPENDING", k, g, bound(rng), bound(rng), rng.choice([1, 10, 0, -1])]),
        lambda: Step(["XPENDING", k, g, "-", "+", 10, consumer(rng)]),
        lambda: Step(["XPENDING", k, g, "IDLE", idle, "-", "+", 10]),
        lambda: Step(["XINFO", "GROUPS", k]),
        lambda: Step(["XINFO", "CONSUMERS", k, g]),
        lambda: Step(["XINFO", "STREAM", k], compare="exact"),
        lambda: Step(["XINFO", "STREAM", k, "FULL"] + rng.choice([[], ["COUNT", 3]])),
    ])()


def claim(rng):
    """A consumer that is there takes what is pending."""
    k, g, c = key(rng), group(rng), consumer(rng)
    options = rng.choice([[], ["JUSTID"], ["FORCE"], ["FORCE", "JUSTID"], ["RETRYCOUNT", 5],
                          ["IDLE", 100000], ["LASTID", known(rng)], ["TIME", 1],
                          ["TIME", 1 << 62]])
    idle = rng.choice([0, 0, 0, 50000])
    yield ["XGROUP", "CREATECONSUMER", k, g, c]
    if rng.random() < 0.6:
        ids = [known(rng) for _ in range(rng.choice([1, 1, 3]))]
        yield ["XCLAIM", k, g, c, idle] + ids + options
    else:
        yield ["XAUTOCLAIM", k, g, c, idle, bound(rng)] + rng.choice(
            [[], ["COUNT", rng.choice([1, 2, 50])], ["JUSTID"]])


def wrong(rng):
    k, g, junk = key(rng), group(rng), pick.junk_integer(rng)
    no_id = bad_id(rng)
    return rng.choice([
        lambda: [rng.choice(["XADD", "XLEN", "XRANGE", "XREVRANGE", "XDEL", "XTRIM", "XSETID",
                             "XREAD", "XREADGROUP", "XACK", "XPENDING", "XCLAIM", "XAUTOCLAIM",
                             "XGROUP", "XINFO"])] + [k] * rng.randrange(5),
        lambda: ["XADD", k, no_id if no_id != "*" else "x", "f", "v"],
        lambda: ["XADD", k, "100-1", "f"],
        lambda: ["XADD", k, "100-1", "f", "v", "g"],
        lambda: ["XADD", k, "MAXLEN", rng.choice([junk, "-1"]), "100-1", "f", "v"],
        lambda: ["XADD", k, "MAXLEN", "1", "MINID", "1", "100-1", "f", "v"],
        lambda: ["XADD", k, "LIMIT", "1", "100-1", "f", "v"],
        lambda: ["XADD", k, "MAXLEN", "~", "5", "LIMIT", rng.choice(["-1", junk]), "9-9", "f", "v"],
        lambda: ["XTRIM", k, rng.choice(["MAXLEN", "MINID", "LIMIT", "x"]), no_id],
        lambda: ["XTRIM", k, "MAXLEN", "5", "x"],
        lambda: ["XTRIM", k, "MAXLEN", "=", "5", "LIMIT", "5"],
        lambda: ["XRANGE", k, no_id, "+"],
        lambda: ["XRANGE", k, "-", no_id],
        lambda: ["XRANGE", k, "-", "+", rng.choice(["COUNT", "x"])],
        lambda: ["XRANGE", k, "-", "+", "COUNT", junk],
        lambda: ["XDEL", k, "1-1", no_id],
        lambda: ["XSETID", "nosuchkey", no_id],
        lambda: ["XSETID", k, "50-0", rng.choice(["ENTRIESADDED", "MAXDELETEDID", "x"]), junk],
        lambda: ["XSETID", k, "50-0", "MAXDELETEDID", "60-0"],
        lambda: ["XREAD", "STREAMS", k, k, "0"],
        lambda: ["XREAD", "COUNT", junk, "STREAMS", k, "0"],
        lambda: ["XREAD", "BLOCK", rng.choice([junk, "-1"]), "STREAMS", k, "0"],
        lambda: ["XREAD", rng.choice(["NOACK", "x", "GROUP"]), "g1", "c", "STREAMS", k, "0"],
        lambda: ["XREAD", "STREAMS", k, no_id],
        lambda: ["XREAD", "COUNT", "1", k, "0"],
        lambda: ["XREADGROUP", "GROUP", "nosuchgroup", "c", "STREAMS", k, no_id],
        lambda: ["XREADGROUP", "COUNT", "1", "BLOCK", "1", "STREAMS", k, ">"],
        lambda: ["XREADGROUP", "GROUP", g, "c", "STREAMS", k, k, ">"],
        lambda: ["XGROUP", rng.choice(["CREATE", "SETID", "DESTROY", "x"]), k, g, no_id],
        lambda: ["XGROUP", "CREATE", k, g, "0", rng.choice(["x", "ENTRIESREAD"])],
        lambda: ["XGROUP", "CREATE", k, g, "0", "ENTRIESREAD", rng.choice([junk, "-2"])],
        lambda: ["XGROUP", "CREATECONSUMER", k, g],
        lambda: ["XACK", k, g, "1-1", no_id],
        lambda: ["XPENDING", k, g, "-", "+"],
        lambda: ["XPENDING", k, g, no_id, "+", "10"],
        lambda: ["XPENDING", k, g, "-", no_id, "10"],
        lambda: ["XPENDING", k, g, "-", "+", junk],
        lambda: ["XPENDING", k, g, "IDLE", junk, "-", "+", "10"],
        lambda: ["XPENDING", k, g, "IDLE", "1", "-", "+"],
        lambda: ["XCLAIM", k, g, "c", junk, "1-1"],
        lambda: ["XCLAIM", k, "nosuchgroup", "c", "0", no_id],
        lambda: ["XCLAIM", k, g, "c", "0", "1-1", rng.choice(["IDLE", "TIME", "RETRYCOUNT",
                                                              "LASTID", "x"]), "y"],
        lambda: ["XAUTOCLAIM", k, g, "c", junk, "0"],
        lambda: ["XAUTOCLAIM", k, "nosuchgroup", "c", "0", no_id],
        lambda: ["XAUTOCLAIM", k, g, "c", "0", "0", rng.choice(["COUNT", "x"])],
        lambda: ["XAUTOCLAIM", k, g, "c", "0", "0", "COUNT", rng.choice([junk, "0", "-1"])],
        lambda: ["XINFO", rng.choice(["STREAM", "GROUPS", "CONSUMERS", "x"]), k],
        lambda: ["XINFO", "STREAM", k, rng.choice(["FULL", "x"]), "COUNT", junk],
        lambda: ["XINFO", "STREAM", k, "FULL", "COUNT"],
        lambda: ["XINFO", "CONSUMERS", k, "nosuchgroup"],
    ])()


def life(rng):
    """What happens to the key itself."""
    k = key(rng)
    return rng.choice([
        lambda: ["DEL", k],
        lambda: ["SET", OTHER, "text"],
        lambda: ["EXPIRE", k, 1000],
        lambda: ["PERSIST", k],
        lambda: ["RENAME", k, rng.choice(KEYS)],
        lambda: ["COPY", k, rng.choice(KEYS), "REPLACE"],
        lambda: ["LPUSH", k, "v"],
        lambda: ["GET", k],
    ])()


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.30:
            yield add(rng)
        elif dice < 0.42:
            yield read(rng)
        elif dice < 0.48:
            yield change(rng)
        elif dice < 0.55:
            yield manage(rng)
        elif dice < 0.72:
            yield from deliver(rng)
        elif dice < 0.82:
            yield pending(rng)
        elif dice < 0.86:
            yield from claim(rng)
        elif dice < 0.97:
            yield wrong(rng)
        else:
            yield life(rng)
