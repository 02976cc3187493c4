"""All data commands with checkpoints, orderly restarts and kills of Cairn in between, after which
the whole keyspace is compared; collections cross the border between blob and elements in both
directions, before and after a checkpoint."""
from generators import mixed
from harness.steps import Step

ROUND = 600
LARGE = ["huge", "{t}huge", "k0"]


def bulk(rng):
    """Collections of thousands of elements, made, thinned out and emptied again."""
    key = rng.choice(LARGE)
    count = rng.choice([40, 300, 3000])
    names = ["f%d" % i for i in range(count)]
    return rng.choice([
        lambda: ["HSET", key] + [x for n in names for x in (n, "v" * rng.choice([1, 9]))],
        lambda: ["HDEL", key] + names,
        lambda: ["HDEL", key] + names[:rng.randrange(1, count)],
        lambda: ["SADD", key] + names,
        lambda: ["SADD", key] + [n[1:] for n in names],
        lambda: ["SREM", key] + names[:rng.randrange(1, count)],
        lambda: [rng.choice(["SUNIONSTORE", "SDIFFSTORE"]), rng.choice(LARGE), key,
                 rng.choice(LARGE)],
        lambda: [rng.choice(["RPUSH", "LPUSH"]), key] + names,
        lambda: ["LTRIM", key, rng.randrange(count), -1 - rng.randrange(count)],
        lambda: ["LTRIM", key, rng.choice([0, count // 2]), rng.choice([0, 3, 20, 63])],
        lambda: [rng.choice(["LPOP", "RPOP"]), key, rng.randrange(count)],
        lambda: ["LREM", key, rng.choice([0, 1, -1]), rng.choice(names)],
        lambda: ["LINSERT", key, "BEFORE", rng.choice(names), "between"],
        lambda: ["ZADD", key] + [x for i, n in enumerate(names)
                                 for x in (rng.choice([i, rng.randrange(50)]), n)],
        lambda: ["ZREM", key] + names[rng.randrange(count):],
        lambda: ["ZREMRANGEBYRANK", key, rng.randrange(count), -1 - rng.randrange(60)],
        lambda: [rng.choice(["ZPOPMIN", "ZPOPMAX"]), key, rng.randrange(count)],
        lambda: ["ZUNIONSTORE", rng.choice(LARGE), "2", key, "k0", "WEIGHTS", "1", "-1"],
        lambda: ["DEL", key],
        lambda: ["RENAME", key, rng.choice(LARGE)],
        lambda: ["COPY", key, rng.choice(LARGE), "REPLACE"],
        lambda: ["SETRANGE", key, rng.randrange(100000), "part"],
        lambda: ["EXPIRE", key, rng.choice([100000, -1])],
    ])()


def steps(rng):
    commands = mixed(rng, ["strings", "hashes", "lists", "sets", "zsets", "keys", "bitmaps",
                           "expiry", "transactions"])
    while True:
        dice = rng.random()
        if dice < 0.90:
            step = next(commands)
            # Expired keys count for a while; the state tells the number exactly.
            yield Step(["PING"]) if step == ["DBSIZE"] else step
        elif dice < 0.97:
            yield Step(bulk(rng))
        elif dice < 0.985:
            yield Step(None, kind="checkpoint")
        elif dice < 0.991:
            yield Step(rng.choice(["term", "kill", "kill", "check"]), kind="restart")
            yield Step(None, kind="state")
        elif dice < 0.994:
            yield Step(None, kind="state")
