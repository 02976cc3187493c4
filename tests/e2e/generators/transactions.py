"""MULTI, EXEC, DISCARD, WATCH and UNWATCH over several connections."""
from generators import now_and_then
from harness.steps import Step, pick


def command(rng):
    key = pick.key(rng)
    return rng.choice([
        lambda: ["SET", key, pick.value(rng)],
        lambda: ["GET", key],
        lambda: ["INCR", key],
        lambda: ["HSET", key, "f", pick.value(rng)],
        lambda: ["HGETALL", key],
        lambda: ["RPUSH", key, pick.value(rng)],
        lambda: ["LRANGE", key, 0, -1],
        lambda: ["SADD", key, pick.value(rng)],
        lambda: ["SUNION", key, pick.key(rng)],
        lambda: ["DEL", key],
        lambda: ["MSET", key, "1", pick.key(rng), "2"],
        lambda: ["EXPIRE", key, 1000],
        lambda: ["TTL", key],
        lambda: ["RENAME", key, pick.key(rng)],
        lambda: ["PING"],
        lambda: ["ECHO", pick.value(rng)],
        lambda: ["LPOP", key],
        lambda: ["APPEND", key, "x"],
        lambda: ["KEYS", "k*"],
    ])()


def wrong(rng):
    """What spoils or does not spoil a transaction while it is being queued."""
    return rng.choice([["NOSUCH"], ["GET"], ["SET", "k1"], ["WATCH", "k1"], ["MULTI"],
                       ["SET", "k1", "v", "NOSUCH"], ["EXPIRE", "k1", "x"], ["UNWATCH"],
                       ["EXEC", "x"], ["DISCARD", "x"], ["INCRBY", "k1", "x"], ["SELECT", "0"],
                       ["COMMAND", "COUNT"], ["LPUSH", "k1"], ["HSET", "k1", "f"]])


def transaction(rng, conn):
    """MULTI to its end, with other connections writing between."""
    watched = rng.random() < 0.5
    if watched:
        yield Step(["WATCH"] + [pick.key(rng) for _ in range(rng.randrange(1, 4))], conn=conn)
        if rng.random() < 0.4:
            yield Step(command(rng), conn=conn)
        if rng.random() < 0.4:
            yield Step(command(rng), conn=(conn + 1) % 3)
        if rng.random() < 0.1:
            yield Step(["UNWATCH"], conn=conn)
        if rng.random() < 0.03:
            yield Step(["FLUSHALL"], conn=(conn + 1) % 3)
    yield Step(["MULTI"], conn=conn)
    for _ in range(rng.choice([0, 1, 2, 3, 5, 20])):
        yield Step(wrong(rng) if rng.random() < 0.06 else command(rng), conn=conn)
        if rng.random() < 0.05:
            yield Step(command(rng), conn=(conn + 1) % 3)
    dice = rng.random()
    if dice < 0.8:
        yield Step(["EXEC"], conn=conn)
    elif dice < 0.95:
        yield Step(["DISCARD"], conn=conn)
    elif dice < 0.98:
        yield Step(["RESET"], conn=conn)
    else:
        yield Step(None, conn=conn, kind="reconnect")


def expiring(rng, conn):
    """A watched key's time comes before, between or after WATCH, MULTI and EXEC; what becomes of
    the transaction depends on whether the key was there when it was watched."""
    other, key = (conn + 1) % 3, "watched"

    def pause():
        return Step(200, kind="sleep")

    yield Step(rng.choice([["SET", key, "v"], ["RPUSH", key, "a"], ["HSET", key, "f", "v"],
                           ["DEL", key]]), conn=other)
    yield Step(["PEXPIRE", key, rng.choice([150, 150, 150, 1000000])], conn=other)
    if rng.random() < 0.5:
        yield pause()
    yield Step(["WATCH", "k1", key], conn=conn)
    meddling = [["GET", key], ["DEL", key], ["SET", key, "w"], ["EXISTS", key], ["FLUSHALL"],
                ["PERSIST", key], ["RENAME", key, "k7"], ["SET", key, "w", "PX", "150"],
                ["EXPIRE", key, "-1"], ["COPY", "k1", key], ["GETEX", key, "PERSIST"],
                ["SETRANGE", key, 0, ""], ["SETBIT", key, 1, 1], ["TOUCH", key], ["PING"],
                ["BITFIELD", key, "SET", "u8", "0", "118"], ["LREM", key, 0, "none"],
                ["HDEL", key, "none"], ["LTRIM", key, 0, -1], ["APPEND", key, ""],
                ["SET", key, "v", "EXAT", "1"], ["HSET", key, "f", "v"], ["LSET", key, 0, "a"]]
    if rng.random() < 0.6:
        yield Step(rng.choice(meddling), conn=other)
    if rng.random() < 0.5:
        yield pause()
    if rng.random() < 0.6:
        yield Step(rng.choice(meddling), conn=rng.choice([conn, other]))
    yield Step(["MULTI"], conn=conn)
    yield Step(rng.choice([["GET", key], ["SET", key, "mine"], ["PTTL", "none"], ["PING"],
                           ["PEXPIRE", key, -5], ["EXISTS", key]]), conn=conn)
    yield Step(rng.choice([["EXISTS", key], ["TYPE", key], ["GET", key]]), conn=conn)
    if rng.random() < 0.3:
        yield pause()
    yield Step(["EXEC"], conn=conn)
    yield Step(["TYPE", key], conn=other)
    yield Step(["DEL", key], conn=other)


def lasting(rng):
    while True:
        conn = rng.randrange(3)
        dice = rng.random()
        if dice < 0.6:
            yield from transaction(rng, conn)
        elif dice < 0.9:
            yield Step(command(rng), conn=conn)
        else:
            yield Step(rng.choice([["EXEC"], ["DISCARD"], ["UNWATCH"], ["WATCH"], ["MULTI", "x"],
                                   ["WATCH", "k1", "k1"], ["UNWATCH", "x"]]), conn=conn)


def steps(rng):
    yield from now_and_then(rng, lasting(rng), lambda: expiring(rng, rng.randrange(3)))
