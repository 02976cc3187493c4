"""Times to live: set in every form, read back, removed, kept by what must keep them, run out."""
from generators import now_and_then
from harness.steps import Step, pick

# Far from now in both directions, so that neither server's clock decides.
AHEAD_S, PAST_S = 4000000000, 1000000000
ROUND = 300


def when(rng, command):
    seconds = command in ("EXPIRE", "EXPIREAT")
    if rng.random() < 0.08:
        return pick.junk_integer(rng)
    if rng.random() < 0.08:
        return rng.choice([9223372036854775807, -9223372036854775808, 9223372036854775,
                           -9223372036854775, 0, -1])
    if command.endswith("AT"):
        at = rng.choice([AHEAD_S, AHEAD_S + 5, PAST_S, AHEAD_S + 100000])
        return at if seconds else at * 1000
    # Hardly ever the same twice: GT and LT may not depend on which server's clock is ahead.
    after = rng.choice([100, 100000, 86400 * 365]) + 10 * rng.randrange(1000)
    return after if seconds else after * 1000


def expire(rng, key):
    command = rng.choice(["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"])
    args = [command, key, when(rng, command)]
    if rng.random() < 0.5:
        args.append(pick.case(rng, rng.choice(["NX", "XX", "GT", "LT"])))
    if rng.random() < 0.1:
        args.append(rng.choice(["NX", "XX", "GT", "LT", "NOSUCH"]))
    return args


def change(rng, key):
    """Writes that keep or clear a time to live."""
    return rng.choice([
        lambda: ["SET", key, pick.value(rng)],
        lambda: ["SET", key, pick.value(rng), "KEEPTTL"],
        lambda: ["SET", key, "1", "EX", rng.choice([100, 5000, 0, -1, "x"])],
        lambda: ["SET", key, "1", "PXAT", rng.choice([AHEAD_S * 1000, 1, 0, -5])],
        lambda: ["SET", key, "1", "EXAT", rng.choice([AHEAD_S, 1, PAST_S])],
        lambda: ["SETEX", key, rng.choice([100, 0, -1, "x", 9223372036854775807]), "v"],
        lambda: ["PSETEX", key, rng.choice([100000, 0, -1, "x", 9223372036854775807]), "v"],
        lambda: ["GETEX", key],
        lambda: ["GETEX", key, rng.choice(["PERSIST", "NOSUCH", "EX"])],
        lambda: ["GETEX", key, "EX", rng.choice([100, 0, "x"])],
        lambda: ["GETEX", key, "PXAT", rng.choice([AHEAD_S * 1000, 1])],
        lambda: ["GETEX", key, "EXAT", AHEAD_S, "PERSIST"],
        lambda: ["APPEND", key, "x"],
        lambda: ["INCR", key],
        lambda: ["SETRANGE", key, 3, "xyz"],
        lambda: ["GETSET", key, "w"],
        lambda: ["HSET", key, "f", "v"],
        lambda: ["RPUSH", key, "a", "b"],
        lambda: ["LPOP", key],
        lambda: ["PERSIST", key],
        lambda: ["RENAME", key, pick.key(rng)],
        lambda: ["COPY", key, pick.key(rng), "REPLACE"],
        lambda: ["DEL", key],
        lambda: ["GETDEL", key],
        lambda: ["MSET", key, "m", pick.key(rng), "m"],
    ])()


def look(rng, key):
    return rng.choice([
        lambda: [rng.choice(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "TYPE", "EXISTS"]), key],
        lambda: ["GET", key],
        lambda: [rng.choice(["TTL", "PTTL", "EXPIRETIME", "PERSIST", "EXPIRE"])],
        lambda: ["TTL", key, "x"],
    ])()


def run_out(rng):
    """Short times, then a pause: gone for every command, and not in the way of a new value."""
    keys = ["gone%d" % i for i in range(4)]
    yield ["PSETEX", keys[0], 100, "v"]
    yield ["SET", keys[1], "v", "PX", 100]
    yield ["RPUSH", keys[2], "a", "b"]
    yield ["PEXPIRE", keys[2], 100]
    yield ["HSET", keys[3], "f", "v"]
    yield ["PEXPIRE", keys[3], 100]
    yield Step(150, kind="sleep")
    for key in keys:
        yield [rng.choice(["GET", "TYPE", "EXISTS", "TTL", "HGETALL", "LRANGE", "STRLEN", "HLEN",
                           "LLEN", "DEL", "PERSIST"]), key]
    yield ["EXISTS"] + keys
    yield rng.choice([["INCR", keys[0]], ["APPEND", keys[0], "x"], ["SET", keys[0], "1", "XX"],
                      ["SET", keys[0], "1", "NX", "GET"], ["LPUSHX", keys[0], "1"]])
    yield ["HINCRBY", keys[1], "f", 2]
    yield ["RPUSH", keys[2], "c"]
    yield ["LRANGE", keys[2], 0, -1]
    yield ["RENAME", keys[3], "other"]
    yield ["TTL", keys[2]]
    yield ["DEL"] + keys


def lasting(rng):
    while True:
        key = pick.key(rng)
        dice = rng.random()
        if dice < 0.35:
            yield expire(rng, key)
        elif dice < 0.65:
            yield change(rng, key)
        else:
            yield look(rng, key)


def steps(rng):
    yield from now_and_then(rng, lasting(rng), lambda: run_out(rng))
