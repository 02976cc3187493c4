"""The list group: every command and option, on lists that grow and shrink across the border between
a blob and element records; bad arguments and wrong types."""
from harness.steps import pick

KEYS = ["l1", "l2", "{t}a", "{t}b", "big", "huge"]
OTHER = "string"


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.94 else rng.choice([OTHER, "nosuchkey"])


def value(rng):
    dice = rng.random()
    if dice < 0.6:
        return rng.choice(["a", "b", "c", "1", "2", "", "-7", "dd"])
    if dice < 0.65:
        return "long" * 900
    return pick.value(rng)


def values(rng, count):
    return [value(rng) for _ in range(count)]


def side(rng):
    return pick.case(rng, rng.choice(["LEFT", "RIGHT"]))


def push(rng):
    name = rng.choice(["LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"])
    return [name, key(rng)] + values(rng, rng.choice([1, 1, 1, 2, 6]))


def bulk(rng):
    """Many elements at once, or gone at once."""
    k = rng.choice(["big", "huge"])
    count = rng.choice([40, 150, 500])
    dice = rng.random()
    if dice < 0.6:
        word = rng.choice(["x", "abc", "0123456789" * 3])
        return [rng.choice(["LPUSH", "RPUSH"]), k] + [
            rng.choice([word, word, "%s%d" % (word, i)]) for i in range(count)]
    if dice < 0.8:
        return [rng.choice(["LPOP", "RPOP"]), k, count]
    return ["LTRIM", k, rng.choice([0, 5, count // 2]), rng.choice([-1, 40, count, -count // 2])]


def take(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["LPOP", k],
        lambda: ["RPOP", k],
        lambda: [rng.choice(["LPOP", "RPOP"]), k, rng.choice([0, 1, 2, 7, 100])],
        lambda: ["RPOPLPUSH", k, key(rng)],
        lambda: ["LMOVE", k, key(rng), side(rng), side(rng)],
        lambda: ["LMOVE", k, k, side(rng), side(rng)],
        lambda: ["LMPOP", 1, k, side(rng)],
        lambda: ["LMPOP", 2, k, key(rng), side(rng), pick.case(rng, "COUNT"),
                 rng.choice([1, 2, 5, 300])],
        lambda: ["LMPOP", 3, "nosuchkey", "nosuchkey2", k, side(rng)],
    ])()


def wait(rng):
    """What would wait for an element: mostly it is there, else the time is short."""
    k = rng.choice([key(rng), "l1", "big"])
    timeout = rng.choice(["0.001", "0.001", ".001", "1e-3", "0.0001"])
    if rng.random() < 0.1:
        timeout = rng.choice(["-1", "x", "", "0x", "-0.5e1"])
    return rng.choice([
        lambda: [rng.choice(["BLPOP", "BRPOP"]), k, timeout],
        lambda: [rng.choice(["BLPOP", "BRPOP"]), k, key(rng), k, timeout],
        lambda: ["BLMOVE", k, key(rng), side(rng), side(rng), timeout],
        lambda: ["BRPOPLPUSH", k, key(rng), timeout],
        lambda: ["BLMPOP", timeout, 1, k, side(rng)],
        lambda: ["BLMPOP", timeout, rng.choice([2, 2, 2, 0, 1, 3]), k, key(rng), side(rng), "COUNT",
                 rng.choice([1, 2, 5, 0])],
    ])()


def change(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["LSET", k, pick.index(rng), value(rng)],
        lambda: ["LREM", k, rng.choice([0, 1, -1, 2, -2, 100, -100, -(1 << 63), (1 << 63) - 1]),
                 rng.choice(["x", "abc", value(rng)])],
        lambda: ["LTRIM", k, pick.index(rng), pick.index(rng)],
        lambda: ["LTRIM", k, 0, -2],
        lambda: ["LINSERT", k, pick.case(rng, "BEFORE"), value(rng), value(rng)],
        lambda: ["LINSERT", k, pick.case(rng, "AFTER"), rng.choice(["x7", "abc9", value(rng)]),
                 value(rng)],
    ])()


def position(rng):
    args = ["LPOS", key(rng), rng.choice(["x", "abc", value(rng)])]
    options = [["RANK", rng.choice([1, 2, 3, -1, -2, -9, 50])],
               ["COUNT", rng.choice([0, 1, 2, 10])],
               ["MAXLEN", rng.choice([0, 1, 3, 50, 10000])],
               ["RANK", rng.choice([1, -1])]]
    for option in rng.sample(options, rng.randrange(4)):
        args += [pick.case(rng, option[0]), option[1]]
    return args


def read(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["LLEN", k],
        lambda: ["LINDEX", k, pick.index(rng)],
        lambda: ["LINDEX", k, rng.randrange(-600, 600)],
        lambda: ["LRANGE", k, 0, -1],
        lambda: ["LRANGE", k, pick.index(rng), pick.index(rng)],
        lambda: ["LRANGE", k, rng.randrange(-600, 600), rng.randrange(-600, 600)],
        lambda: ["LRANGE", k, -(1 << 63), (1 << 63) - 1],
        lambda: position(rng),
        lambda: position(rng),
        lambda: ["TYPE", k],
        lambda: ["EXISTS", k],
        lambda: ["OBJECT", "ENCODING", k],
        lambda: ["TTL", k],
    ])()


def wrong(rng):
    k = key(rng)
    junk = pick.junk_integer(rng)
    return rng.choice([
        lambda: [rng.choice(["LPUSH", "RPUSH", "LPUSHX", "RPUSHX", "LPOP", "RPOP", "LLEN", "LINDEX",
                             "LRANGE", "LTRIM", "LSET", "LREM", "LINSERT", "LPOS", "LMOVE",
                             "RPOPLPUSH", "LMPOP"])] + [k] * rng.randrange(3),
        lambda: ["LPOP", k, junk],
        lambda: ["LPOP", k, rng.choice(["-1", "-9223372036854775808"])],
        lambda: ["RPOP", k, "1", "2"],
        lambda: ["LPOP", k, "x", "2"],
        lambda: ["LINDEX", k, junk],
        lambda: ["LRANGE", k, junk, "0"],
        lambda: ["LRANGE", k, "0", junk],
        lambda: ["LTRIM", k, junk, junk],
        lambda: ["LSET", k, junk, "v"],
        lambda: ["LSET", k, rng.choice(["1000000", "-1000000"]), "v"],
        lambda: ["LREM", k, junk, "v"],
        lambda: ["LINSERT", k, "x", "a", "b"],
        lambda: ["LPOS", k, "a", "RANK", rng.choice([junk, "0", "-9223372036854775808"])],
        lambda: ["LPOS", k, "a", "COUNT", rng.choice([junk, "-1"])],
        lambda: ["LPOS", k, "a", "MAXLEN", rng.choice([junk, "-1"])],
        lambda: ["LPOS", k, "a", rng.choice(["RANK", "COUNT", "MAXLEN", "x"])],
        lambda: ["LPOS", k, "a", "COUNT", "1", "x", "1"],
        lambda: ["LMOVE", k, "l1", rng.choice(["x", "LEFT"]), "x"],
        lambda: ["LMOVE", k, OTHER, "LEFT", "LEFT"],
        lambda: ["RPOPLPUSH", k, OTHER],
        lambda: ["LMPOP", rng.choice([junk, "0", "-1", "3", "100"]), k, "LEFT"],
        lambda: ["LMPOP", 1, k, "x"],
        lambda: ["LMPOP", 1, k, "LEFT", "COUNT"],
        lambda: ["LMPOP", 1, k, "LEFT", "COUNT", rng.choice([junk, "0", "-1"])],
        lambda: ["LMPOP", 1, k, "LEFT", "COUNT", "1", "COUNT", "1"],
        lambda: ["LMPOP", 1, k, "LEFT", "x", "1"],
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
        lambda: ["HSET", k, "f", "v"],
        lambda: ["GET", k],
    ])()


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.24:
            yield push(rng)
        elif dice < 0.30:
            yield bulk(rng)
        elif dice < 0.42:
            yield take(rng)
        elif dice < 0.44:
            yield wait(rng)
        elif dice < 0.56:
            yield change(rng)
        elif dice < 0.86:
            yield read(rng)
        elif dice < 0.96:
            yield wrong(rng)
        else:
            yield life(rng)
