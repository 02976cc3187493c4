"""The hash group: every command and option, on hashes that grow and shrink across the borders
between a blob and element records, and between Redis's encodings; bad arguments and wrong types."""
from harness.steps import Step, pick

KEYS = ["h1", "h2", "h3", "{t}h", "big", "huge"]
OTHER = "string"


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.94 else rng.choice([OTHER, "nosuchkey"])


def field(rng):
    dice = rng.random()
    if dice < 0.75:
        return "f%d" % rng.randrange(12)
    if dice < 0.92:
        return "f%d" % rng.randrange(400)
    return rng.choice(["", "field with space", "\x00\xff", "12", "F" * 65, "long" * 200,
                       "long" * 200 + "er"])


def value(rng):
    dice = rng.random()
    if dice < 0.3:
        return str(rng.randrange(-50, 50))
    if dice < 0.4:
        return pick.number(rng)
    return pick.value(rng)


def pairs(rng, count):
    return [x for _ in range(count) for x in (field(rng), value(rng))]


def write(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["HSET", k] + pairs(rng, rng.choice([1, 1, 1, 2, 5])),
        lambda: ["HMSET", k] + pairs(rng, rng.choice([1, 2, 5])),
        lambda: ["HSETNX", k, field(rng), value(rng)],
        lambda: ["HDEL", k] + [field(rng) for _ in range(rng.choice([1, 1, 2, 8]))],
        lambda: ["HINCRBY", k, field(rng), pick.integer(rng)],
        lambda: ["HINCRBY", k, "counter", rng.randrange(-1000, 1000)],
        lambda: ["HINCRBYFLOAT", k, field(rng), pick.number(rng)],
        lambda: ["HINCRBYFLOAT", k, "float", "%d.%d" % (rng.randrange(-99, 99),
                                                       rng.randrange(1000))],
        lambda: ["HINCRBYFLOAT", k, "float", rng.choice(["1e10", "3e-5", "0.1", "1e17", "-1e17",
                                                         "0x10", "1e300", "1e4931"])],
    ])()


def bulk(rng):
    """Many fields at once, or gone at once."""
    k = rng.choice(["big", "huge"])
    count = rng.choice([30, 120, 300, 600])
    first = rng.randrange(300)
    names = ["f%d" % i for i in range(first, first + count)]
    if rng.random() < 0.55:
        length = rng.choice([1, 5, 20, 64, 65, 200])
        return ["HSET", k] + [x for n in names for x in (n, "v" * length)]
    return ["HDEL", k] + names


def read(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["HGET", k, field(rng)],
        lambda: ["HMGET", k] + [field(rng) for _ in range(rng.choice([1, 2, 6]))],
        lambda: ["HGETALL", k],
        lambda: ["HKEYS", k],
        lambda: ["HVALS", k],
        lambda: ["HLEN", k],
        lambda: ["HEXISTS", k, field(rng)],
        lambda: ["HSTRLEN", k, field(rng)],
        lambda: ["EXISTS", k],
        lambda: ["TYPE", k],
        lambda: ["OBJECT", "ENCODING", k],
        lambda: ["TTL", k],
    ])()


def scan(rng):
    args = ["HSCAN", key(rng), "0"]
    if rng.random() < 0.5:
        args += [pick.case(rng, "MATCH"),
                 rng.choice(["*", "f1*", "f?", "f[2-5]*", "none", "", "f"])]
    if rng.random() < 0.5:
        args += [pick.case(rng, "COUNT"), rng.choice([1, 2, 7, 100, 10000])]
    return Step(args, kind="scan")


def random_fields(rng):
    k = key(rng)
    dice = rng.random()
    if dice < 0.2:
        return Step(["HRANDFIELD", k])
    with_values = [pick.case(rng, "WITHVALUES")] if rng.random() < 0.5 else []
    if dice < 0.5:  # all of it: the same elements from both
        return Step(["HRANDFIELD", k, 100000] + with_values,
                    "pairs" if with_values else "unordered")
    return Step(["HRANDFIELD", k, rng.choice([0, 1, 2, 5, 50, -1, -3, -40])] + with_values, "shape")


def wrong(rng):
    k = key(rng)
    return rng.choice([
        lambda: [rng.choice(["HSET", "HMSET", "HSETNX", "HGET", "HMGET", "HGETALL", "HDEL", "HLEN",
                             "HKEYS", "HVALS", "HEXISTS", "HSTRLEN", "HINCRBY", "HINCRBYFLOAT",
                             "HSCAN", "HRANDFIELD"])] + [k] * rng.randrange(2),
        lambda: ["HSET", k, "f1"],
        lambda: ["HSET", k, "f1", "v", "f2"],
        lambda: ["HMSET", k, "f1", "v", "f2"],
        lambda: ["HGET", k, "f1", "f2"],
        lambda: ["HGETALL", k, "f1"],
        lambda: ["HSETNX", k, "f1", "v", "w"],
        lambda: ["HINCRBY", k, "f1", pick.junk_integer(rng)],
        lambda: ["HINCRBY", k, "f1", "1", "2"],
        lambda: ["HINCRBYFLOAT", k, "f1", rng.choice(["abc", "", "1.5 ", " 1", "nan", "inf", "-inf",
                                                     "1e5000", "1\x002", "0x", "--1"])],
        lambda: ["HSCAN", k, rng.choice(["x", "1.5", " 0", "0 ", "1x",
                                         "99999999999999999999999"])],
        lambda: ["HSCAN", k, "0", "COUNT", rng.choice(["0", "-1", "x", "1.5", ""])],
        lambda: ["HSCAN", k, "0", rng.choice(["MATCH", "COUNT", "TYPE", "NOVALUES", "x"])],
        lambda: ["HSCAN", k, "0", "TYPE", "hash"],
        lambda: ["HSCAN", k, "0", "x", "COUNT", "x"],
        lambda: ["HRANDFIELD", k, pick.junk_integer(rng)],
        lambda: ["HRANDFIELD", k, "1", "x"],
        lambda: ["HRANDFIELD", k, "1", "WITHVALUES", "x"],
        lambda: ["HRANDFIELD", k, "-9223372036854775808"],
        lambda: ["HRANDFIELD", k, "-9223372036854775807", "WITHVALUES"],
        lambda: ["HRANDFIELD", k, "9223372036854775807", "WITHVALUES"],
        lambda: ["HRANDFIELD", k, "x", "y"],
        lambda: ["HRANDFIELD", k, "WITHVALUES"],
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
        lambda: ["LPUSH", k, "x"],
        lambda: ["GET", k],
    ])()


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.38:
            yield write(rng)
        elif dice < 0.44:
            yield bulk(rng)
        elif dice < 0.76:
            yield read(rng)
        elif dice < 0.81:
            yield scan(rng)
        elif dice < 0.86:
            yield random_fields(rng)
        elif dice < 0.96:
            yield wrong(rng)
        else:
            yield life(rng)
