"""Commands of all types for a node, from the generators of the differential test, and what a server
holds afterwards, in a form that can be compared with what another one of either kind holds."""
import random

from generators import mixed
from harness.shard import READS
from harness.steps import Step

GROUPS = ["strings", "lists", "hashes", "sets", "zsets", "streams", "keys", "expiry", "functions",
          "bitmaps", "hyperloglogs", "geo", "transactions"]
# What blocks, ends the session or is about the node, not its data.
LEFT_OUT = {"CONFIG", "DEBUG", "CLIENT", "RESET", "QUIT", "HELLO", "SHUTDOWN", "WAIT", "SUBSCRIBE",
            "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "FLUSHALL", "FLUSHDB", "REPLICAOF", "MIGRATE"}
STREAM_FACTS = (b"length", b"last-generated-id", b"max-deleted-entry-id", b"entries-added",
                b"recorded-first-entry-id")


def commands(seed, groups=None):
    """Commands of all types, endlessly; blocking ones and such without an effect left out."""
    for step in mixed(random.Random(seed), groups or GROUPS):
        if isinstance(step, Step):
            if step.kind != "call":
                continue
            step = step.args
        name = str(step[0]).upper()
        if name in LEFT_OUT or name.startswith("B") and not name.startswith("BIT") or \
                "BLOCK" in step:
            continue
        yield step


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def stream_state(client, key):
    """All of a stream but times. A pending entry whose own entry is gone may be missing after a
    copy by commands, so these are compared where the entry is."""
    about = pairs(client.call("XINFO", "STREAM", key))
    there = {entry[0] for entry in client.call("XRANGE", key, "-", "+")}
    found = [about[name] for name in STREAM_FACTS]
    for group in client.call("XINFO", "GROUPS", key):
        group = pairs(group)
        name = group[b"name"]
        pending = [(p[0], p[1], p[3]) for p in client.call("XPENDING", key, name, "-", "+", 10000)]
        found.append((name, group[b"last-delivered-id"], group[b"entries-read"], group[b"lag"],
                      sorted(pairs(c)[b"name"]
                             for c in client.call("XINFO", "CONSUMERS", key, name)),
                      [p for p in pending if p[0] in there]))
    return found


def zset_state(client, key):
    """Members and scores. Redis forgets the sign of a zero where it keeps a set as a listpack, so
    it depends on the way that a set came to be."""
    flat = client.call("ZRANGE", key, 0, -1, "WITHSCORES")
    return {member: score.replace(b"-0", b"0") if score == b"-0" else score
            for member, score in zip(flat[::2], flat[1::2])}


def state(server):
    """What a server holds, by digests."""
    found = {}
    with server.client() as c:
        for listed in c.call("FUNCTION", "LIST", "WITHCODE"):
            found[("library", listed[1])] = listed[-1]
        for key in sorted(c.call("KEYS", "*")):
            kind = c.call("TYPE", key)
            if kind == b"zset":
                value = zset_state(c, key)
            elif kind == b"stream":
                value = c.call("DEBUG", "DIGEST-VALUE", key), stream_state(c, key)
            else:
                value = c.call("DEBUG", "DIGEST-VALUE", key)
            found[key] = kind, c.call("PEXPIRETIME", key), value
    return found


def shown(server, key):
    """Type and value, for a failure's message."""
    with server.client() as c:
        kind = None if isinstance(key, tuple) else c.call("TYPE", key)
        read = READS.get(kind)
        return kind, read and c.call(read[0], key, *read[1:])


def play(server, seed, count, groups=None):
    """Sends commands in batches; errors are part of it."""
    stream = commands(seed, groups)
    with server.client() as c:
        for _ in range(count // 100):
            c.pipeline([next(stream) for _ in range(100)])
        c.pipeline([["DISCARD"], ["UNWATCH"]])
