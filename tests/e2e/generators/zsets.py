"""The sorted set group: every command and option, on sets that grow and shrink across the borders
between a blob and a tree, and between Redis's encodings; bad arguments and wrong types."""
from harness.steps import Step, pick

KEYS = ["z1", "z2", "z3", "{t}z", "big", "huge"]
LEX = ["lex", "{t}lex"]  # all scores are 0: ranges by member mean something
# Scores differ: the same range from both as long as Redis has it in its small encoding, in which it
# stays with members as few and short as uneven() gives.
UNEVEN = "uneven"
OTHER = "string"


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.94 else rng.choice([OTHER, "nosuchkey"])


def lex_key(rng):
    return rng.choice(LEX) if rng.random() < 0.95 else rng.choice([OTHER, "nosuchlex"])


def member(rng):
    dice = rng.random()
    if dice < 0.75:
        return "m%d" % rng.randrange(14)
    if dice < 0.92:
        return "m%d" % rng.randrange(400)
    return rng.choice(["", "a b", "\x00\xff", "12", "M" * 65, "long" * 40, "long" * 40 + "er",
                       "long" * 200, "long" * 200 + "er"])


def score(rng):
    dice = rng.random()
    if dice < 0.6:
        return str(rng.randrange(-5, 6))
    if dice < 0.8:
        return "%d.%d" % (rng.randrange(-99, 99), rng.randrange(1000))
    if dice < 0.95:
        return rng.choice(["inf", "-inf", "+inf", "1e10", "1e17", "-1e17", "3e-5", "1e300", "0.1",
                           "-0", "4503599627370496", "4503599627370497", "123456789012345678",
                           "0x10", "1e-320", "4611686018427387904", "4.7e18"])
    return pick.number(rng)


def lex_member(rng):
    return rng.choice(["%x" % rng.randrange(4096), "%x" % rng.randrange(16), "p" * 140 + "%d"
                       % rng.randrange(20), "q" * 33 + "%d" % rng.randrange(20), ""])


def score_end(rng):
    dice = rng.random()
    if dice < 0.55:
        return rng.choice(["", "("]) + str(rng.randrange(-6, 7))
    if dice < 0.9:
        return rng.choice(["-inf", "+inf", "inf", "(inf", "(-inf", "0.5", "(0.1", "-99", "99",
                           "1e17", "(1e17"])
    return rng.choice(["", "(", " 1", "1 ", "x", "nan", "(nan", "((1", "[1", "1\x002", "0x10",
                       "1e400", "-1e400"])


def lex_end(rng):
    if rng.random() < 0.93:
        return rng.choice(["-", "+", "[" + lex_member(rng), "(" + lex_member(rng)])
    return rng.choice(["", "x", "--", "++", "-x", "+\x00x", "1", "]a"])


def add(rng):
    k = key(rng)
    options = []
    for words in (["NX", "XX"], ["GT", "LT"], ["CH"]):
        if rng.random() < 0.2:
            options.append(pick.case(rng, rng.choice(words)))
    dice = rng.random()
    if dice < 0.15:
        return ["ZADD", k] + options + [pick.case(rng, "INCR"), score(rng), member(rng)]
    if dice < 0.3:
        return ["ZINCRBY", k, score(rng), member(rng)]
    if dice < 0.45:
        k = lex_key(rng)
        if k in LEX:
            return ["ZADD", k] + [x for _ in range(rng.choice([1, 5, 30]))
                                  for x in ("0", lex_member(rng))]
    count = rng.choice([1, 1, 1, 2, 5, 33])
    return ["ZADD", k] + options + [x for _ in range(count) for x in (score(rng), member(rng))]


def uneven(rng):
    """Ranges by member in a set whose scores differ."""
    def name():
        return rng.choice(["%x" % rng.randrange(16), "u%d" % rng.randrange(50),
                           "u%d" % rng.randrange(50) + "-" * 55])

    def end():
        return rng.choice(["-", "+", "[", "("]) + name()

    ends = [e if e[0] in "[(" else e[0] for e in (end(), end())]
    return rng.choice([
        lambda: ["ZADD", UNEVEN] + [x for _ in range(rng.choice([1, 1, 4, 15]))
                                    for x in (rng.randrange(3), name())],
        lambda: ["ZREM", UNEVEN] + [name() for _ in range(rng.choice([1, 8]))],
        lambda: ["ZRANGE", UNEVEN] + ends + ["BYLEX"] + rng.choice([[], ["REV"]]) + limit(rng),
        lambda: ["ZRANGEBYLEX", UNEVEN] + ends + limit(rng),
        lambda: ["ZREVRANGEBYLEX", UNEVEN] + ends + limit(rng),
        lambda: ["ZLEXCOUNT", UNEVEN] + ends,
        lambda: ["ZREMRANGEBYLEX", UNEVEN] + ends,
        lambda: ["ZRANGESTORE", rng.choice(KEYS), UNEVEN] + ends + ["BYLEX"] + limit(rng),
    ])()


def remove(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["ZREM", k] + [member(rng) for _ in range(rng.choice([1, 1, 2, 8]))],
        lambda: ["ZREM", lex_key(rng)] + [lex_member(rng) for _ in range(3)],
        lambda: ["ZPOPMIN", k] + ([] if rng.random() < 0.5 else [rng.choice([0, 1, 2, 5, 100])]),
        lambda: ["ZPOPMAX", k] + ([] if rng.random() < 0.5 else [rng.choice([0, 1, 2, 5, 100])]),
        lambda: ["ZMPOP"] + numkeys(rng) + [pick.case(rng, rng.choice(["MIN", "MAX"]))] + (
            [] if rng.random() < 0.5 else [pick.case(rng, "COUNT"), rng.choice([1, 2, 7])]),
        lambda: ["ZREMRANGEBYRANK", k, pick.index(rng), pick.index(rng)],
        lambda: ["ZREMRANGEBYSCORE", k, score_end(rng), score_end(rng)],
        lambda: ["ZREMRANGEBYLEX", lex_key(rng), lex_end(rng), lex_end(rng)],
    ])()


def blocking(rng):
    """Where something is to be taken, or within a moment."""
    return rng.choice([
        lambda: ["BZPOPMIN", key(rng), key(rng), "0.01"],
        lambda: ["BZPOPMAX", key(rng), "0.01"],
        lambda: ["BZMPOP", "0.01"] + numkeys(rng) + [rng.choice(["MIN", "MAX"]), "COUNT", "2"],
        lambda: ["BZPOPMIN", key(rng), rng.choice(["x", "-1", "", "nan", "inf", "1e300"])],
        lambda: ["BZMPOP", rng.choice(["x", "-1"])] + numkeys(rng) + ["MIN"],
    ])()


def bulk(rng):
    """Many members at once, or gone at once."""
    k = rng.choice(["big", "huge"])
    count = rng.choice([30, 120, 300, 600])
    first = rng.randrange(300)
    names = ["m%d" % i for i in range(first, first + count)]
    dice = rng.random()
    if dice < 0.6:
        length = rng.choice([1, 1, 5, 64, 65, 200])
        spread = rng.choice([1, 5, 1000, 100000])
        return ["ZADD", k] + [x for i, n in enumerate(names)
                              for x in (rng.choice([str(i), str(rng.randrange(spread))]),
                                        n.ljust(length, "-"))]
    if dice < 0.8:
        return ["ZREM", k] + names
    return ["ZREMRANGEBYRANK", k, rng.choice([0, 10, -300]), rng.choice([50, 300, -2, -1])]


def limit(rng):
    if rng.random() < 0.6:
        return []
    return [pick.case(rng, "LIMIT"), rng.choice([0, 1, 3, 50, -1]), rng.choice([0, 1, 5, 50, -1])]


def with_scores(rng):
    return [pick.case(rng, "WITHSCORES")] if rng.random() < 0.5 else []


def ranges(rng):
    k = key(rng)
    rev = [pick.case(rng, "REV")] if rng.random() < 0.5 else []
    return rng.choice([
        lambda: ["ZRANGE", k, pick.index(rng), pick.index(rng)] + rev + with_scores(rng),
        lambda: ["ZREVRANGE", k, pick.index(rng), pick.index(rng)] + with_scores(rng),
        lambda: ["ZRANGE", k, "0", "-1", "WITHSCORES"],
        lambda: ["ZRANGE", k, score_end(rng), score_end(rng), pick.case(rng, "BYSCORE")] + rev +
        with_scores(rng) + limit(rng),
        lambda: ["ZRANGE", lex_key(rng), lex_end(rng), lex_end(rng), pick.case(rng, "BYLEX")] +
        rev + limit(rng),
        lambda: ["ZRANGEBYSCORE", k, score_end(rng), score_end(rng)] + with_scores(rng) +
        limit(rng),
        lambda: ["ZREVRANGEBYSCORE", k, score_end(rng), score_end(rng)] + limit(rng) +
        with_scores(rng),
        lambda: ["ZRANGEBYLEX", lex_key(rng), lex_end(rng), lex_end(rng)] + limit(rng),
        lambda: ["ZREVRANGEBYLEX", lex_key(rng), lex_end(rng), lex_end(rng)] + limit(rng),
        lambda: ["ZRANGESTORE", rng.choice(KEYS), k, pick.index(rng), pick.index(rng)] + rev,
        lambda: ["ZRANGESTORE", rng.choice(KEYS), k, score_end(rng), score_end(rng), "BYSCORE"] +
        rev + limit(rng),
        lambda: ["ZRANGESTORE", rng.choice(LEX), lex_key(rng), lex_end(rng), lex_end(rng),
                 "BYLEX"] + rev + limit(rng),
        lambda: ["ZCOUNT", k, score_end(rng), score_end(rng)],
        lambda: ["ZLEXCOUNT", lex_key(rng), lex_end(rng), lex_end(rng)],
    ])()


def read(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["ZSCORE", k, member(rng)],
        lambda: ["ZMSCORE", k] + [member(rng) for _ in range(rng.choice([1, 2, 6]))],
        lambda: ["ZCARD", k],
        lambda: ["ZRANK", k, member(rng)],
        lambda: ["ZREVRANK", k, member(rng)],
        lambda: ["EXISTS", k],
        lambda: ["TYPE", k],
        lambda: ["OBJECT", "ENCODING", k],
        lambda: ["TTL", k],
        lambda: ["DEBUG", "DIGEST-VALUE", k, lex_key(rng)],
    ])()


def numkeys(rng):
    keys = [rng.choice([key(rng), key(rng), lex_key(rng)])
            for _ in range(rng.choice([1, 2, 2, 3, 5]))]
    return [len(keys)] + keys


def algebra(rng):
    keys = numkeys(rng)
    name = rng.choice(["ZUNION", "ZINTER", "ZDIFF"])
    store = rng.random() < 0.5
    args = [name + "STORE", rng.choice(KEYS)] if store else [name]
    args += keys
    if name != "ZDIFF" and rng.random() < 0.4:
        args += [pick.case(rng, "WEIGHTS")] + [
            rng.choice(["1", "2", "-1", "0.5", "0", "inf", "-inf", "1e300"]) for _ in keys[1:]]
    if name != "ZDIFF" and rng.random() < 0.4:
        args += [pick.case(rng, "AGGREGATE"), pick.case(rng, rng.choice(["SUM", "MIN", "MAX"]))]
    if not store and rng.random() < 0.6:
        args.append(pick.case(rng, "WITHSCORES"))
    if rng.random() < 0.1:
        args = ["ZINTERCARD"] + keys + ([] if rng.random() < 0.5 else
                                        [pick.case(rng, "LIMIT"), rng.choice([0, 1, 5, -1, "x"])])
    return args


def scan(rng):
    args = ["ZSCAN", key(rng), "0"]
    if rng.random() < 0.5:
        args += [pick.case(rng, "MATCH"),
                 rng.choice(["*", "m1*", "m?", "m[2-5]*", "none", "", "m"])]
    if rng.random() < 0.5:
        args += [pick.case(rng, "COUNT"), rng.choice([1, 2, 7, 100, 10000])]
    return Step(args, kind="scan")


def random_members(rng):
    k = key(rng)
    dice = rng.random()
    if dice < 0.2:
        return Step(["ZRANDMEMBER", k])
    scores = with_scores(rng)
    if dice < 0.5:  # all of it: the same elements from both
        return Step(["ZRANDMEMBER", k, 100000] + scores, "pairs" if scores else "unordered")
    return Step(["ZRANDMEMBER", k, rng.choice([0, 1, 2, 5, 50, -1, -3, -40])] + scores, "shape")


def wrong(rng):
    k = key(rng)
    return rng.choice([
        lambda: [rng.choice(["ZADD", "ZREM", "ZCARD", "ZCOUNT", "ZINCRBY", "ZINTER", "ZINTERCARD",
                             "ZINTERSTORE", "ZUNION", "ZUNIONSTORE", "ZDIFF", "ZDIFFSTORE",
                             "ZLEXCOUNT", "ZMSCORE", "ZPOPMAX", "ZPOPMIN", "ZMPOP", "ZRANDMEMBER",
                             "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE", "ZRANGESTORE", "ZRANK",
                             "ZREMRANGEBYLEX", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREVRANGE",
                             "ZREVRANGEBYLEX", "ZREVRANGEBYSCORE", "ZREVRANK", "ZSCAN", "ZSCORE",
                             "BZPOPMIN", "BZPOPMAX", "BZMPOP"])] + [k] * rng.randrange(2),
        lambda: ["ZADD", k, "1"],
        lambda: ["ZADD", k, "1", "a", "2"],
        lambda: ["ZADD", k, "1", "a", pick.number(rng), "b"],
        lambda: ["ZADD", k, "NX", "XX", "1", "a"],
        lambda: ["ZADD", k, "GT", "LT", "1", "a"],
        lambda: ["ZADD", k, "NX", "GT", "1", "a"],
        lambda: ["ZADD", k, "INCR", "1", "a", "2", "b"],
        lambda: ["ZADD", k, "NX", "NX"],
        lambda: ["ZADD", k, "ZZ", "1", "a"],
        lambda: ["ZINCRBY", k, pick.number(rng), "a"],
        lambda: ["ZINCRBY", k, "XX", "1"],
        lambda: ["ZRANGE", k, pick.junk_integer(rng), "1"],
        lambda: ["ZRANGE", k, "0", "1", rng.choice(["LIMIT", "REV", "BYLEX", "BYSCORE", "x"]),
                 rng.choice(["0", "1", "WITHSCORES", "BYSCORE", "BYLEX", "REV"])],
        lambda: ["ZRANGE", k, "0", "1", "LIMIT", "0", rng.choice(["1", "-1", "x"])],
        lambda: ["ZRANGE", k, "[a", "[b", "BYLEX", "WITHSCORES"],
        lambda: ["ZREVRANGE", k, "0", "1", "REV"],
        lambda: ["ZRANGEBYSCORE", k, "0", "1", "BYSCORE"],
        lambda: ["ZRANGEBYSCORE", k, "0", "1", "LIMIT", pick.junk_integer(rng), "1"],
        lambda: ["ZRANGEBYLEX", k, "[a", "[b", "WITHSCORES"],
        lambda: ["ZRANGESTORE", "z1", k, "0", "1", "WITHSCORES"],
        lambda: ["ZREMRANGEBYRANK", k, pick.junk_integer(rng), "1"],
        lambda: ["ZPOPMIN", k, rng.choice(["-1", "x", "1.5", ""])],
        lambda: ["ZPOPMAX", k, "1", "2"],
        lambda: ["ZMPOP", rng.choice(["0", "-1", "x", "5", "1"]), k,
                 rng.choice(["MIN", "MAX", "MID"])],
        lambda: ["ZMPOP", "1", k, "MIN", "COUNT", rng.choice(["0", "-1", "x"])],
        lambda: ["ZMPOP", "1", k, "MIN", "COUNT"],
        lambda: ["ZMPOP", "1", k, "MIN", "COUNT", "1", "COUNT", "2"],
        lambda: [rng.choice(["ZUNION", "ZINTER", "ZDIFF", "ZINTERCARD"]),
                 rng.choice(["0", "-1", "x", "5", "9999999999"]), k],
        lambda: [rng.choice(["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]), "z1",
                 rng.choice(["0", "-1", "x", "5"]), k],
        lambda: ["ZUNION", "1", k, "WEIGHTS", rng.choice(["x", "nan", ""])],
        lambda: ["ZUNION", "2", k, k, "WEIGHTS", "1"],
        lambda: ["ZINTER", "1", k, "AGGREGATE", "AVG"],
        lambda: ["ZINTER", "1", k, "AGGREGATE"],
        lambda: ["ZDIFF", "1", k, "WEIGHTS", "1"],
        lambda: ["ZUNIONSTORE", "z1", "1", k, "WITHSCORES"],
        lambda: ["ZINTERCARD", "1", k, "LIMIT"],
        lambda: ["ZINTERCARD", "1", k, "WITHSCORES"],
        lambda: ["ZSCAN", k, rng.choice(["x", "1.5", " 0", "0 ", "1x"])],
        lambda: ["ZSCAN", k, "0", "COUNT", rng.choice(["0", "-1", "x", "1.5", ""])],
        lambda: ["ZSCAN", k, "0", rng.choice(["MATCH", "COUNT", "TYPE", "x"])],
        lambda: ["ZRANDMEMBER", k, pick.junk_integer(rng)],
        lambda: ["ZRANDMEMBER", k, "1", "x"],
        lambda: ["ZRANDMEMBER", k, "1", "WITHSCORES", "x"],
        lambda: ["ZRANDMEMBER", k, "-9223372036854775808"],
        lambda: ["ZRANDMEMBER", k, "9223372036854775807", "WITHSCORES"],
        lambda: ["ZRANDMEMBER", k, "x", "y"],
        lambda: ["GET", k],
        lambda: ["HGET", k, "m1"],
    ])()


def life(rng):
    """What happens to the key itself."""
    k = key(rng)
    return rng.choice([
        lambda: ["DEL", k],
        lambda: ["UNLINK", k, rng.choice(KEYS)],
        lambda: ["EXPIRE", k, rng.choice([100, 1000])],
        lambda: ["PERSIST", k],
        lambda: ["RENAME", k, rng.choice(KEYS)],
        lambda: ["RENAMENX", k, rng.choice(KEYS)],
        lambda: ["COPY", k, rng.choice(KEYS), "REPLACE"],
        lambda: ["COPY", "big", rng.choice(KEYS), "REPLACE"],
        lambda: ["SET", rng.choice(KEYS + [OTHER]), "text"],
    ])()


def steps(rng):
    kinds = [(add, 30), (remove, 10), (bulk, 4), (ranges, 22), (read, 14), (algebra, 10),
             (scan, 2), (random_members, 3), (wrong, 6), (life, 4), (blocking, 1), (uneven, 4)]
    makers, weights = zip(*kinds)
    yield ["SET", OTHER, "text"]
    while True:
        yield rng.choices(makers, weights)[0](rng)
