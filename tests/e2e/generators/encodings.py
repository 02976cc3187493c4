"""What OBJECT says of values while the thresholds between Redis's encodings change."""
from harness.steps import Step, pick

KEYS = ["h1", "h2", "l1", "s1", "set1", "set2", "z1"]


def threshold(rng):
    return ["CONFIG", "SET"] + rng.choice([
        ["hash-max-listpack-entries", rng.choice([0, 1, 4, 8, 128, 512])],
        ["hash-max-ziplist-value", rng.choice([0, 1, 4, 16, 64])],
        ["zset-max-listpack-entries", rng.choice([0, 1, 4, 8, 128])],
        ["zset-max-ziplist-value", rng.choice([0, 1, 4, 64])],
        ["set-max-intset-entries", rng.choice([0, 1, 4, 8, 512])],
        ["list-max-listpack-size", rng.choice([-5, -2, -1, 1, 4, 128])],
        ["hash-max-listpack-value", "64", "hash-max-listpack-entries", "512"]])


def change(rng):
    field = "f%d" % rng.randrange(12)
    value = rng.choice(["1", "v" * rng.choice([1, 4, 5, 16, 17, 64, 65]), "12345678901", "1.5"])
    return rng.choice([
        lambda: ["HSET", rng.choice(["h1", "h2"]), field, value],
        lambda: ["HSETNX", "h1", "n" * rng.choice([1, 5, 65]), value],
        lambda: ["HINCRBY", "h2", field, rng.choice([1, 1 << 40])],
        lambda: ["HINCRBYFLOAT", "h1", field, rng.choice(["0.5", "1e40"])],
        lambda: ["HDEL", "h1"] + ["f%d" % i for i in range(rng.randrange(1, 9))],
        lambda: ["ZADD", "z1", rng.choice(["1", "-0", "inf"]), value, "2", field],
        lambda: ["ZREMRANGEBYRANK", "z1", 0, rng.randrange(9)],
        lambda: ["ZUNIONSTORE", "copy", "1", "z1"],
        lambda: ["SET", "s1", rng.choice(["1", "-5", "007", "9223372036854775808", "x" * 44,
                                          "x" * 45, "", "1.5", pick.value(rng)])],
        lambda: ["APPEND", "s1", rng.choice(["1", "", "x"])],
        lambda: ["INCRBYFLOAT", "s1", "1"],
        lambda: ["INCR", "s1"],
        lambda: ["SETRANGE", "s1", 0, rng.choice(["", "1", "ab"])],
        lambda: ["RPUSH", "l1"] + ["e" * rng.choice([1, 100, 5000])] * rng.randrange(1, 6),
        lambda: ["SADD", rng.choice(["set1", "set2"])] + [
            rng.choice([i, i, i, i, "m%d" % i]) for i in range(rng.randrange(1, 8))],
        lambda: ["SADD", "set1", rng.choice([value, rng.randrange(100)])],
        lambda: ["SREM", "set1"] + list(range(rng.randrange(1, 9))),
        lambda: ["SUNIONSTORE", "set2", "set1", "set2"],
        lambda: ["LTRIM", "l1", 0, rng.randrange(4)],
        lambda: ["COPY", rng.choice(KEYS), "copy", "REPLACE"],
        lambda: ["RENAME", "copy", rng.choice(KEYS)],
        lambda: ["GETSET", "s1", value],
        lambda: ["DEL", rng.choice(KEYS)],
    ])()


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.06:
            yield threshold(rng)
        elif dice < 0.07:  # whether OBJECT tells of times or of numbers
            yield ["CONFIG", "SET", "maxmemory-policy",
                   rng.choice(["noeviction", "allkeys-lfu", "volatile-lfu", "allkeys-lru"])]
        elif dice < 0.55:
            yield change(rng)
        else:
            what = rng.choice(["ENCODING", "ENCODING", "ENCODING", "REFCOUNT", "FREQ", "IDLETIME",
                               "encoding"])
            # In Redis a number of uses becomes a time, of weeks, when the policy changes.
            yield Step(["OBJECT", what, rng.choice(KEYS + ["copy"])],
                       compare="kind" if what == "IDLETIME" else None)
