"""Pub/sub and client-side caching. What comes unasked is read together with the replies: such
sequences are sent in one go on a connection of their own."""
from harness.resp import encode
from harness.steps import Step, pick

CHANNELS = ["c1", "c2", "news", ""]

PLAIN = [
    ["PUBLISH", "c1", "x"], ["PUBLISH", "", ""], ["PUBLISH", "c1"], ["SPUBLISH", "c1", "x"],
    ["PUBSUB", "CHANNELS"], ["PUBSUB", "CHANNELS", "c*"], ["PUBSUB", "NUMPAT"],
    ["PUBSUB", "NUMSUB"], ["PUBSUB", "NUMSUB", "c1", "c2", "c1"], ["PUBSUB", "SHARDCHANNELS"],
    ["PUBSUB", "SHARDCHANNELS", "c*"], ["PUBSUB", "SHARDNUMSUB"],
    ["PUBSUB", "SHARDNUMSUB", "c1", "c2"], ["PUBSUB", "NOSUCH"], ["PUBSUB"],
    ["PUBSUB", "NUMPAT", "x"], ["PUBSUB", "CHANNELS", "a", "b"], ["SUBSCRIBE"], ["PSUBSCRIBE"],
    ["SSUBSCRIBE"], ["CLIENT", "TRACKINGINFO"], ["CLIENT", "GETREDIR"],
    ["CLIENT", "TRACKING", "x"], ["CLIENT", "TRACKING", "on", "OPTIN", "OPTOUT"],
    ["CLIENT", "TRACKING", "on", "REDIRECT", "99999999"], ["CLIENT", "TRACKING", "on", "PREFIX"],
    ["CLIENT", "TRACKING", "on", "PREFIX", "a"], ["CLIENT", "TRACKING", "on", "NOSUCH"],
    ["CLIENT", "TRACKING", "on", "BCAST", "PREFIX", "ab", "PREFIX", "a"],
    ["CLIENT", "TRACKING", "on", "BCAST", "OPTIN"], ["CLIENT", "TRACKING", "off"],
    ["CLIENT", "CACHING", "yes"], ["CLIENT", "CACHING", "x"], ["CLIENT", "TRACKING"],
    ["CLIENT", "CACHING"], ["CLIENT", "GETREDIR", "x"],
]


def channels(rng, most=3):
    return [rng.choice(CHANNELS) for _ in range(rng.randrange(1, most))]


def subscribed(rng):
    """A client that listens, changes what it listens to, and asks for what it may not."""
    words = [["SUBSCRIBE"] + channels(rng)]
    for _ in range(rng.randrange(1, 8)):
        words.append(rng.choice([
            lambda: ["SUBSCRIBE"] + channels(rng), lambda: ["SSUBSCRIBE"] + channels(rng),
            lambda: ["PSUBSCRIBE", rng.choice(["c*", "[cn]*", "*", "c1"])],
            lambda: ["UNSUBSCRIBE"] + channels(rng), lambda: ["UNSUBSCRIBE", rng.choice(CHANNELS)],
            lambda: ["PUNSUBSCRIBE"] + rng.choice([[], ["c*"], ["nosuch"]]),
            lambda: ["SUNSUBSCRIBE"] + rng.choice([["c1"], ["nosuch"]]),
            lambda: ["PING"], lambda: ["PING", "x"], lambda: ["GET", "k1"], lambda: ["NOSUCH"],
            lambda: ["RESET"], lambda: ["MULTI"], lambda: ["EXEC"],
            lambda: ["PUBSUB", "NUMSUB", "c1"], lambda: ["PUBSUB", "NUMPAT"],
            lambda: ["PUBSUB", "SHARDNUMSUB", "c1"], lambda: ["CLIENT", "REPLY", "ON"],
            lambda: ["QUIT"],
        ])())
    # Of several patterns that are given up at once Redis names the first of its hash table first.
    if len({w[1] for w in words if w[0] == "PSUBSCRIBE"}) > 1:
        words = [w for w in words if w != ["PUNSUBSCRIBE"]]
    return words


def tracking(rng):
    """A client that is told of the keys that it caches; what it changes itself comes back to it
    unless it said NOLOOP."""
    mode = rng.choice([[], ["OPTIN"], ["OPTOUT"], ["NOLOOP"], ["BCAST"], ["BCAST", "PREFIX", "k"],
                       ["BCAST", "PREFIX", "k", "PREFIX", "a"], ["BCAST", "NOLOOP"],
                       ["OPTIN", "NOLOOP"]])
    words = [["CLIENT", "TRACKING", rng.choice(["on", "ON"])] + mode]
    for _ in range(rng.randrange(1, 8)):
        words.append(rng.choice([
            ["CLIENT", "TRACKINGINFO"], ["CLIENT", "CACHING", rng.choice(["yes", "no"])],
            ["GET", rng.choice(["k1", "k2", "a"])], ["MGET", "k1", "k2"], ["CLIENT", "GETREDIR"],
            ["CLIENT", "TRACKING", "off"], ["CLIENT", "TRACKING", "on"] + mode,
            ["CLIENT", "TRACKING", "on", "BCAST"], ["CLIENT", "TRACKING", "on", "OPTIN"],
            ["CLIENT", "TRACKINGINFO"], ["PING"], ["RESET"],
        ]))
    return words


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.85:
            yield Step(rng.choice(PLAIN), conn=rng.randrange(2))
        elif dice < 0.9:
            yield ["SET", rng.choice(["k1", "k2", "a"]), pick.value(rng)]
        else:
            words = subscribed(rng) if rng.random() < 0.6 else tracking(rng)
            yield Step(b"".join(encode(args) for args in words), conn=8, kind="raw")
