"""RESTORE of values of every type in every encoding, with every option, and of payloads that are
damaged. What DUMP answers is not compared (the encodings may differ); test_dump.py
exchanges it."""
from harness import rdb
from harness.steps import Step, pick

KEYS = ["s1", "l1", "h1", "k1", "set1", "z1"]


def as_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def element(rng):
    number = rng.choice([127, 128, -4097, 40000, 1 << 23, 1 << 40])
    return as_bytes(rng.choice([pick.value(rng), "e%d" % rng.randrange(50), "x" * 300, "y" * 70,
                                number]))


def value(rng):
    count = rng.choice([1, 2, 3, 10, 40, 200])
    kind = rng.randrange(5)
    if kind == 0:
        return rdb.string(rng, element(rng))
    if kind == 1:
        # A node of a list may not be empty.
        return rdb.list_value(rng, [element(rng) for _ in range(count + 1)])
    if kind == 2:
        return rdb.set_value(rng, sorted({as_bytes(rng.randrange(-1000, 1000))
                                          if count % 2 else element(rng) for _ in range(count)}))
    if kind == 3:
        return rdb.zset_value(rng, {element(rng): rng.choice([
            0, 1.5, -2, float("inf"), float("-inf"), rng.randrange(-9999, 9999)])
                                    for _ in range(count)})
    pairs = {element(rng): element(rng) for _ in range(count)}
    return rdb.hash_value(rng, [x for pair in pairs.items() for x in pair])


def damaged(rng):
    """Version, checksum or type are not what they should be. Not sent: a body cut short, which
    Redis lets go on into its footer; fields that come twice, which Redis keeps in a small hash."""
    made = value(rng)
    return rng.choice([
        lambda: rdb.sealed(made, 13),
        lambda: rdb.sealed(made)[:rng.randrange(30)],
        lambda: rdb.sealed(made)[:-1] + b"\0\1",
        lambda: rdb.sealed(b"\x63" + made[1:]),
        lambda: b"\0\1a",
    ])()


def options(rng):
    words = [x for x in (["REPLACE"], ["ABSTTL"], ["IDLETIME", rng.choice([0, 100, -1, "x"])],
                         ["FREQ", rng.choice([0, 255, 256, -1, ""])], ["NOSUCH"], ["FREQ"])
             if rng.random() < 0.06]
    rng.shuffle(words)
    return (["REPLACE"] if rng.random() < 0.8 else []) + [w for x in words for w in x]


def ttl(rng):
    return rng.choice([0, 0, 0, 0, 0, 100000000, 4000000000000, -1, "x", "", 1 << 62])


def restore(rng):
    key = rng.choice(KEYS)
    payload = damaged(rng) if rng.random() < 0.25 else rdb.sealed(value(rng),
                                                                  rng.choice([5, 9, 10]))
    name = rng.choice(["RESTORE", "RESTORE", "restore", "RESTORE-ASKING"])
    return [name, key, ttl(rng), payload] + options(rng)


def reading(rng):
    key = rng.choice(KEYS)
    return rng.choice([
        lambda: ["TYPE", key], lambda: ["GET", key], lambda: ["LRANGE", key, 0, -1],
        lambda: ["HGETALL", key], lambda: ["SMEMBERS", key],
        lambda: ["SCARD", key],
        lambda: ["ZRANGE", key, 0, -1, "WITHSCORES"],
        lambda: ["STRLEN", key], lambda: ["LLEN", key],
        lambda: ["HLEN", key], lambda: ["PTTL", key], lambda: ["DUMP", "nokey"],
        lambda: Step(["OBJECT", "ENCODING", key], "kind"), lambda: ["DUMP"],
        lambda: ["RESTORE", key, 0],
    ])()


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.04:
            yield ["DEL"] + KEYS
        elif dice < 0.07:
            for step in (["MULTI"], restore(rng), ["SET", "s1", "v"], restore(rng), ["EXEC"]):
                yield step
        elif dice < 0.5:
            yield restore(rng)
        else:
            yield reading(rng)
