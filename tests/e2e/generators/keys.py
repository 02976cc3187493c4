"""The generic group: keys of every type made, moved, copied, listed and removed."""
from harness.steps import Step, pick


def make(rng, key):
    """A command that gives the key some type."""
    return rng.choice([
        lambda: ["SET", key, pick.value(rng)],
        lambda: ["SET", key, pick.integer(rng)],
        lambda: ["HSET", key] + [x for i in range(rng.randrange(1, 6))
                                 for x in ("f%d" % i, pick.value(rng))],
        lambda: ["RPUSH", key] + [pick.value(rng) for _ in range(rng.randrange(1, 6))],
        lambda: ["SADD", key] + [rng.choice(["m%d", "%d"]) % i
                                 for i in range(rng.choice([1, 5, 300]))],
        lambda: ["HSET", key] + [x for i in range(rng.choice([3, 200]))
                                 for x in ("field%d" % i, "v" * rng.choice([1, 30, 70]))],
        lambda: ["RPUSH", key] + ["element-%d" % i for i in range(rng.choice([3, 300]))],
        lambda: ["ZADD", key] + [x for i in range(rng.choice([3, 200]))
                                 for x in (i % 7, "member%d" % i)],
        lambda: ["MSET"] + [x for i in range(rng.choice([5, 150]))
                            for x in ("{same}%d" % i, "v")] if rng.random() < 0.2 else ["PING"],
    ])()


def pattern(rng):
    if rng.random() < 0.2:
        return "".join(rng.choice("kt12*?[]^-\\{}") for _ in range(rng.randrange(8)))
    return rng.choice(["*", "k*", "k?", "k[0-3]", "k[^0-3]", "k[a-", "\\k1", "{t}*", "", "*space*",
                       "k1", "k\\", "[", "?", "**", "k[3-1]", "[k]?", "k[\\1]", "none*"])


def look(rng, key):
    return rng.choice([
        lambda: ["TYPE", key],
        lambda: ["EXISTS"] + [pick.key(rng) for _ in range(rng.randrange(1, 4))],
        lambda: ["TTL", key],
        lambda: ["PTTL", key],
        lambda: ["OBJECT", "ENCODING", key],
        lambda: ["OBJECT", "REFCOUNT", key],
        lambda: ["DBSIZE"],
        lambda: ["RANDOMKEY"],
        lambda: ["KEYS", pattern(rng)],
        lambda: ["TOUCH"] + [pick.key(rng) for _ in range(rng.randrange(1, 4))],
        lambda: Step(["GET", key]),
        lambda: Step(["HGETALL", key]),
        lambda: Step(["LRANGE", key, 0, -1]),
        lambda: Step(["SMEMBERS", key]),
    ])()


def move(rng, key):
    other = pick.key(rng)
    return rng.choice([
        lambda: ["RENAME", key, other],
        lambda: ["RENAMENX", key, other],
        lambda: ["COPY", key, other],
        lambda: ["COPY", key, other, pick.case(rng, "REPLACE")],
        lambda: ["COPY", key, other, "DB", "0"],
        lambda: ["COPY", key, other, "DB", rng.choice(["0", "x"]), "REPLACE"],
        lambda: ["DEL"] + [pick.key(rng) for _ in range(rng.randrange(1, 4))],
        lambda: ["UNLINK"] + [pick.key(rng) for _ in range(rng.randrange(1, 4))],
        lambda: ["DEL", key],
    ])()


def scan(rng):
    args = ["SCAN", "0"]
    if rng.random() < 0.5:
        args += ["MATCH", pattern(rng)]
    if rng.random() < 0.5:
        args += ["COUNT", rng.choice([1, 2, 10, 1000])]
    if rng.random() < 0.3:
        args += ["TYPE", rng.choice(["string", "hash", "list", "set", "zset", "nosuch",
                                     "STRING"])]
    return Step(args, "churn" if rng.random() < 0.3 else None, kind="scan")


def wrong(rng, key):
    return rng.choice([
        lambda: [rng.choice(["DEL", "EXISTS", "TYPE", "RENAME", "KEYS", "SCAN", "COPY", "OBJECT",
                             "TOUCH", "UNLINK", "RENAMENX", "DBSIZE", "RANDOMKEY"])],
        lambda: ["RENAME", key],
        lambda: ["RENAME", "nosuchkey", key],
        lambda: ["RENAME", key, key],
        lambda: ["RENAMENX", key, key],
        lambda: ["COPY", key, key],
        lambda: ["COPY", key, "x", "DB"],
        lambda: ["COPY", key, "x", "REPLACE", "NOSUCH"],
        lambda: ["COPY", key, "x", "DB", pick.junk_integer(rng)],
        lambda: ["SCAN", rng.choice(["x", "1.5", "99999999999999999999999", "1x"])],
        lambda: ["SCAN", "0", "COUNT", rng.choice(["0", "-1", "x", "1.5", ""])],
        lambda: ["SCAN", "0", "MATCH"],
        lambda: ["SCAN", "0", "NOSUCH", "1"],
        lambda: ["OBJECT", "NOSUCH", key],
        lambda: ["OBJECT", "ENCODING"],
        lambda: ["OBJECT", "FREQ", key],
        lambda: ["OBJECT", "ENCODING", "nosuchkey"],
        lambda: ["OBJECT", "HELP"],
        lambda: ["TYPE", key, key],
        lambda: ["RANDOMKEY", "x"],
        lambda: ["NOSUCHCOMMAND", key, pick.value(rng)],
    ])()


def steps(rng):
    while True:
        key = pick.key(rng)
        dice = rng.random()
        if dice < 0.30:
            yield make(rng, key)
        elif dice < 0.60:
            yield look(rng, key)
        elif dice < 0.82:
            yield move(rng, key)
        elif dice < 0.86:
            yield scan(rng)
        elif dice < 0.99:
            yield wrong(rng, key)
        else:
            yield [rng.choice(["FLUSHALL", "FLUSHDB"])] + rng.choice([[], ["ASYNC"], ["SYNC"],
                                                                      ["x"], ["SYNC", "x"]])
