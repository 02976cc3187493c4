"""Strings: setting with every option, counting, parts, long values around the storage's chunks."""
from harness.steps import Step, pick

CHUNK = 16320  # where Cairn begins to keep a string in pieces


def size(rng):
    return rng.choice([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK - 3,
                       rng.randrange(1, 4 * CHUNK)])


def value(rng):
    kind = rng.randrange(12)
    if kind < 9:
        return pick.value(rng)
    if kind < 10:
        return "x" * rng.choice([43, 44, 45])
    text = "%08x" % rng.getrandbits(32)
    return (text * (size(rng) // 8 + 1))[:size(rng)]


def seconds(rng):
    return rng.choice([100, 100, 0, -1, 1 << 62, (1 << 63) - 1, 9223372036854775,
                       pick.junk_integer(rng)])


def expiry(rng):
    word = rng.choice(["EX", "PX", "EXAT", "PXAT"])
    late = {"EX": 100, "PX": 100000, "EXAT": 4102444800, "PXAT": 4102444800000}[word]
    # A PX of 100 would end at another moment on each side.
    other = seconds(rng)
    return [pick.case(rng, word), late if rng.random() < 0.6 or other == 100 else other]


def options(rng, words):
    args = []
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 3])):
        if rng.random() < 0.4:
            args += expiry(rng)
        else:
            args.append(pick.case(rng, rng.choice(words)))
    if rng.random() < 0.03:
        args.append(rng.choice(["EX", "PXAT", "", "NXX", "10"]))
    return args


def number(rng):
    return rng.choice([pick.integer(rng), pick.integer(rng), rng.randrange(-20, 20),
                       pick.junk_integer(rng)])


def setting(rng, key):
    return rng.choice([
        lambda: ["SET", key, value(rng)],
        lambda: ["SET", key, value(rng)] + options(rng, ["NX", "XX", "GET", "KEEPTTL"]),
        lambda: ["SET", key, value(rng)] + options(rng, ["NX", "XX", "GET", "KEEPTTL", "PERSIST"]),
        lambda: ["SETEX", key, seconds(rng), value(rng)],
        lambda: ["PSETEX", key, rng.choice([100000, 100000, 0, -5, 1 << 62, "x"]), value(rng)],
        lambda: ["SETNX", key, value(rng)],
        lambda: ["GETSET", key, value(rng)],
        lambda: ["MSET"] + pairs(rng),
        lambda: ["MSETNX"] + pairs(rng),
        lambda: ["SET", key, number(rng)],
        lambda: ["SET", key, rng.randrange(100)],
        lambda: ["DEL", key],
    ])()


def pairs(rng):
    args = []
    for _ in range(rng.randrange(1, 4)):
        args += [pick.key(rng), value(rng)]
    if rng.random() < 0.05:
        args.append(pick.key(rng))
    return args


def reading(rng, key):
    return rng.choice([
        lambda: ["GET", key],
        lambda: ["MGET"] + [pick.key(rng) for _ in range(rng.randrange(1, 5))],
        lambda: ["STRLEN", key],
        lambda: [pick.case(rng, rng.choice(["GETRANGE", "SUBSTR"])), key, edge(rng), edge(rng)],
        lambda: ["GETDEL", key],
        lambda: ["GETEX", key] + options(rng, ["PERSIST"]),
        lambda: ["GETEX", key] + options(rng, ["PERSIST", "KEEPTTL", "GET", "NX"]),
        lambda: ["TTL", key],
        lambda: ["OBJECT", "ENCODING", key],
        lambda: ["EXISTS", key],
    ])()


def edge(rng):
    if rng.random() < 0.05:
        return pick.junk_integer(rng)
    if rng.random() < 0.5:
        return pick.index(rng)
    return rng.choice([1, -1]) * (rng.randrange(6) * CHUNK + rng.randrange(-2, 3))


def counting(rng, key):
    return rng.choice([
        lambda: ["INCR", key],
        lambda: ["DECR", key],
        lambda: ["INCRBY", key, number(rng)],
        lambda: ["DECRBY", key, number(rng)],
        lambda: ["INCRBYFLOAT", key, pick.number(rng)],
        lambda: ["INCRBYFLOAT", key, "%.3f" % rng.uniform(-1000, 1000)],
        lambda: ["INCRBYFLOAT", key, rng.choice(["1e17", "-1e17", "1e-10", "3e2000", "1e4932",
                                                 "-1e4932", "0.1", "17179869184.5"])],
    ])()


def offset(rng):
    return rng.choice([0, 1, 5, rng.randrange(40), rng.randrange(40), CHUNK - 1, CHUNK, CHUNK + 1,
                       rng.randrange(4 * CHUNK), rng.randrange(4 * CHUNK), -1, -5, 536870911,
                       536870912, (1 << 63) - 1, pick.junk_integer(rng)])


def parts(rng, key):
    at = offset(rng)
    text = value(rng)
    if at == 536870911:
        text = rng.choice(["ab", "abc" * 10, ""])  # just too long: the full size is for other tests
    return rng.choice([
        lambda: ["APPEND", key, value(rng)],
        lambda: ["APPEND", key, "%d" % rng.randrange(100)],
        lambda: ["SETRANGE", key, at, text],
        lambda: ["SETRANGE", key, rng.randrange(60), value(rng)],
    ])()


def lcs(rng, key):
    other = pick.key(rng)
    if rng.random() < 0.4:
        return ["SET", key, "".join(rng.choice("abc") for _ in range(rng.randrange(40)))]
    args = ["LCS", key, other]
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        args += rng.choice([["LEN"], ["IDX"], ["IDX"], ["WITHMATCHLEN"],
                            ["MINMATCHLEN", rng.choice([0, 1, 2, 4, -1, 1000, "x"])],
                            ["MINMATCHLEN"], ["lEn"], ["FOO"]])
    return args


def errors(rng, key):
    return rng.choice([
        lambda: ["LPUSH", key, "x"],
        lambda: ["HSET", key, "f", "v"],
        lambda: [rng.choice(["GET", "SET", "APPEND", "INCR", "MGET", "MSET", "SETEX", "LCS",
                             "GETRANGE", "STRLEN", "GETEX", "SUBSTR"])] +
        [key] * rng.randrange(3),
        lambda: ["PERSIST", key],
    ])()


def steps(rng):
    # One family per round prevails, so that its commands meet on the same values.
    families = [setting, reading, counting, parts, lcs, errors]
    weights = [6, 6, 3, 3, 2, 1]
    weights[rng.randrange(len(families) - 1)] *= 4
    while True:
        key = pick.key(rng)
        if rng.random() < 0.01:
            yield Step(["EXPIRE", key, rng.choice([100, 0, -1])])
        yield rng.choices(families, weights)[0](rng, key)
