"""The set group: every command and option, on sets of integers and others that cross the borders
between a blob and element records, and between Redis's encodings; bad arguments and wrong types.

Where Redis leaves the order open members are compared as a multiset; a small set of integers comes
sorted and is compared exactly."""
from harness.steps import Step, pick

KEYS = ["set1", "set2", "set3", "{t}set", "bigset"]
INTEGERS = ["ints1", "ints2"]  # never hold anything but integers, never 512 of them
OTHER = "string"


def key(rng):
    dice = rng.random()
    if dice < 0.2:
        return rng.choice(INTEGERS)
    return rng.choice(KEYS) if dice < 0.95 else rng.choice([OTHER, "nosuchkey"])


def keys(rng):
    return [key(rng) for _ in range(rng.choice([1, 1, 2, 2, 3, 5]))]


def integer(rng):
    return rng.choice([rng.randrange(-20, 20), rng.randrange(-200, 200), 1 << 15, -(1 << 31),
                       (1 << 63) - 1, -(1 << 63)])


def member(rng):
    dice = rng.random()
    if dice < 0.4:
        return "m%d" % rng.randrange(15)
    if dice < 0.7:
        return integer(rng)
    if dice < 0.9:
        return "m%d" % rng.randrange(400)
    return rng.choice(["", "with space", "\x00\xff", "007", "-0", "+1", "1.0", " 1", "M" * 65,
                       "9223372036854775808", "long" * 200, "long" * 200 + "er"])


def members(rng, name):
    count = rng.choice([1, 1, 1, 2, 6])
    return [integer(rng) if name in INTEGERS else member(rng) for _ in range(count)]


def target(rng):
    """Where results are stored: not among the integers."""
    return rng.choice(KEYS + ["result", "result", OTHER])


def write(rng):
    name = key(rng)
    return rng.choice([
        lambda: ["SADD", name] + members(rng, name),
        lambda: ["SADD", name] + members(rng, name),
        lambda: ["SREM", name] + [member(rng) for _ in range(rng.choice([1, 1, 2, 8]))],
        lambda: ["SMOVE", key(rng), target(rng), member(rng)],
        lambda: ["SMOVE", name, name, member(rng)],
        lambda: [rng.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), target(rng)] + keys(rng),
    ])()


def bulk(rng):
    """Many members at once, or gone at once."""
    name = rng.choice(["bigset", "set3"])
    count, first = rng.choice([30, 120, 300, 600]), rng.randrange(300)
    form = rng.choice(["m%d", "m%d", "%d", "member-of-some-length-%d", "m" * 60 + "%d"])
    return [rng.choice(["SADD", "SADD", "SREM"]), name] + [form % i
                                                           for i in range(first, first + count)]


def read(rng):
    name = key(rng)
    return rng.choice([
        lambda: ["SISMEMBER", name, member(rng)],
        lambda: ["SMISMEMBER", name] + [member(rng) for _ in range(rng.choice([1, 2, 6]))],
        lambda: ["SMEMBERS", name],
        lambda: Step(["SMEMBERS", rng.choice(INTEGERS)], "exact"),
        lambda: Step(["SINTER", rng.choice(INTEGERS)], "exact"),
        lambda: ["SCARD", name],
        lambda: [rng.choice(["SINTER", "SUNION", "SDIFF"])] + keys(rng),
        lambda: [rng.choice(["SINTER", "SUNION", "SDIFF"])] + keys(rng),
        lambda: intercard(rng),
        lambda: ["EXISTS", name],
        lambda: ["TYPE", name],
        lambda: ["OBJECT", "ENCODING", name],
        lambda: ["TTL", name],
        lambda: ["DEBUG", "DIGEST-VALUE", name],
    ])()


def intercard(rng):
    names = keys(rng)
    limit = [pick.case(rng, "LIMIT"), rng.choice([0, 1, 2, 5, 1000])]
    return ["SINTERCARD", len(names)] + names + rng.choice([[], limit, limit + limit])


def scan(rng):
    args = ["SSCAN", key(rng), "0"]
    if rng.random() < 0.5:
        args += [pick.case(rng, "MATCH"),
                 rng.choice(["*", "m1*", "m?", "m[2-5]*", "none", "", "m", "-*"])]
    if rng.random() < 0.5:
        args += [pick.case(rng, "COUNT"), rng.choice([1, 2, 7, 100, 10000])]
    return Step(args, kind="scan")


def random_members(rng):
    name = key(rng)
    dice = rng.random()
    if dice < 0.2:
        return Step(["SRANDMEMBER", name])
    if dice < 0.4:  # all of it: the same elements from both
        return Step(["SRANDMEMBER", name, 100000], "unordered")
    if dice < 0.5:
        return Step(["SPOP", rng.choice(KEYS), 100000], "unordered")
    if dice < 0.55:
        return Step(["SPOP", "never"] + rng.choice([[], [0], [3]]))
    return Step(["SRANDMEMBER", name, rng.choice([0, 1, 2, 5, 50, -1, -3, -40])], "shape")


def popped(rng):
    """Members taken at random differ; what is left of them is as many, and of the same kind."""
    count = rng.choice([1, 2, 5, 40, 130, 200])
    form = rng.choice(["%d", "m%d"])
    yield ["SADD", "popped"] + [form % i for i in range(count)]
    for _ in range(rng.randrange(1, 4)):
        yield Step(["SPOP", "popped"] + rng.choice([[], [0], [1], [count // 2], [count - 1],
                                                    [count * 5 // 6]]), "shape")
        yield ["SCARD", "popped"]
        yield ["OBJECT", "ENCODING", "popped"]
    yield ["SET", "popped", "text"]
    yield ["SPOP", "popped"] + rng.choice([[], [0], [3]])
    yield ["DEL", "popped"]


def wrong(rng):
    name = key(rng)
    return rng.choice([
        lambda: [rng.choice(["SADD", "SCARD", "SDIFF", "SDIFFSTORE", "SINTER", "SINTERCARD",
                             "SINTERSTORE", "SISMEMBER", "SMISMEMBER", "SMOVE", "SREM", "SSCAN",
                             "SUNION", "SUNIONSTORE"])] + [name] * rng.choice([0, 0, 1]),
        lambda: [rng.choice(["SPOP", "SRANDMEMBER", "SMEMBERS"])],
        lambda: ["SADD", OTHER, "m1"],
        lambda: ["SCARD", name, "m1"],
        lambda: ["SISMEMBER", name, "m1", "m2"],
        lambda: ["SMEMBERS", name, name],
        lambda: ["SMOVE", name, "set1"],
        lambda: ["SMOVE", "nosuchkey", OTHER, "m1"],
        lambda: ["SMOVE", name, OTHER, member(rng)],
        lambda: [rng.choice(["SINTER", "SUNION", "SDIFF"]), "nosuchkey", name, OTHER],
        lambda: [rng.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), "result", OTHER, name],
        lambda: ["SINTERCARD", rng.choice(["0", "-1", "x", "", "2", "99", "1.5"]), name],
        lambda: ["SINTERCARD", "1", name, rng.choice(["LIMIT", "x", name])],
        lambda: ["SINTERCARD", "1", name, "LIMIT", rng.choice(["-1", "x", "", "1.5"])],
        lambda: ["SINTERCARD", "1", name, "LIMIT", "1", "x"],
        lambda: ["SINTERCARD", "2", name, "LIMIT", "1"],
        lambda: ["SPOP", name, rng.choice(["-1", "x", "", "1.5", "9223372036854775808"])],
        lambda: ["SPOP", name, "1", "2"],
        lambda: ["SPOP", name, "x", "y"],
        lambda: ["SRANDMEMBER", name, pick.junk_integer(rng)],
        lambda: ["SRANDMEMBER", name, "1", "2"],
        lambda: ["SRANDMEMBER", name, "x", "WITHVALUES"],
        lambda: ["SRANDMEMBER", name, "-9223372036854775808"],
        lambda: ["SRANDMEMBER", "never", "-9223372036854775807"],
        lambda: ["SSCAN", name, rng.choice(["x", "1.5", " 0", "0 ", "1x",
                                            "99999999999999999999999"])],
        lambda: ["SSCAN", name, "0", "COUNT", rng.choice(["0", "-1", "x", "1.5", ""])],
        lambda: ["SSCAN", name, "0", rng.choice(["MATCH", "COUNT", "TYPE", "NOVALUES", "x"])],
        lambda: ["SSCAN", name, "0", "x", "COUNT", "x"],
    ])()


def life(rng):
    """What happens to the key itself."""
    name = rng.choice(KEYS)
    return rng.choice([
        lambda: ["DEL", key(rng)],
        lambda: ["SET", OTHER, "text"],
        lambda: ["EXPIRE", name, 1000],
        lambda: ["PERSIST", name],
        lambda: ["RENAME", name, rng.choice(KEYS)],
        lambda: ["COPY", key(rng), rng.choice(KEYS), "REPLACE"],
        lambda: ["LPUSH", name, "x"],
        lambda: ["GET", name],
        lambda: ["HSET", name, "f", "v"],
    ])()


def lasting(rng):
    """Steps after which both servers hold the same."""
    while True:
        dice = rng.random()
        if dice < 0.36:
            yield write(rng)
        elif dice < 0.42:
            yield bulk(rng)
        elif dice < 0.75:
            yield read(rng)
        elif dice < 0.80:
            yield scan(rng)
        elif dice < 0.86:
            yield random_members(rng)
        elif dice < 0.96:
            yield wrong(rng)
        else:
            yield life(rng)


def steps(rng):
    others = lasting(rng)
    while True:
        if rng.random() < 0.98:
            yield next(others)
        else:
            yield from popped(rng)
