"""MULTI, EXEC, DISCARD, WATCH and UNWATCH over several connections."""
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


def steps(rng):
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
