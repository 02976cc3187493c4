"""HyperLogLog: counts, merges and both encodings. The values themselves are compared byte by byte,
with the counts that they keep.

Not sent: values that end in the midst of a run, since Redis reads on; several elements at once to
values that make no sense, since Redis keeps the first ones when it fails."""
from harness.steps import Step, pick

KEYS = ["hll1", "hll2", "hll3", "{t}hll"]
OTHER = ["string", "list"]
BAD = "bad"  # runs that do not cover all registers


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.96 else rng.choice(OTHER + ["nosuchkey"])


def element(rng):
    dice = rng.random()
    if dice < 0.5:
        return "e%d" % rng.randrange(300)
    if dice < 0.9:
        return bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
    return rng.choice(["", "a", "12345678", "1234567", "x" * 1000, pick.value(rng)])


def add(rng):
    count = rng.choice([0, 1, 1, 2, 10, 100 if rng.random() < 0.5 else 3,
                        1500 if rng.random() < 0.1 else 3])
    return ["PFADD", key(rng)] + [element(rng) for _ in range(count)]


def count(rng):
    return ["PFCOUNT"] + [key(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]


def merge(rng):
    return ["PFMERGE"] + [key(rng) for _ in range(rng.choice([1, 2, 2, 3, 4]))]


def debug(rng):
    return ["PFDEBUG", pick.case(rng, rng.choice(["ENCODING", "DECODE", "TODENSE", "GETREG", "x"])),
            key(rng)]


def look(rng):
    k = key(rng)
    return rng.choice([["GET", k], ["GET", k], ["STRLEN", k], ["TTL", k], ["TYPE", k]])


def meddle(rng):
    """Values as another client might write them."""
    k = rng.choice(KEYS)
    return rng.choice([
        lambda: ["DEL", k], lambda: ["EXPIRE", k, 1000], lambda: ["COPY", k, key(rng), "REPLACE"],
        lambda: ["SETRANGE", k, rng.choice([0, 3, 5, 8, 15]),
                 bytes([rng.choice([0, 1, 2, 0x7f, 0x80])])],
        lambda: ["SETRANGE", k, 4, bytes([rng.choice([0, 2])])],
        lambda: ["SET", k, b"HYLL\x01" + bytes(11) + rng.choice([
            b"\x7f\xff", b"\x7f\xfe\x00", b"\x40\x00\x7f\xfe", b"\x3f\x7f\xbf", b"\x7f\xfb\x8b",
            b"\xff" * 4096, b"\x9c\x7f\xfe", b"\x00" * 16384])],
        lambda: ["SET", BAD, b"HYLL\x01" + bytes(10) + b"\x80" + rng.choice([
            b"\x7f\xfe", b"\x7f\xff\x00", b"", b"\xff" * 4095, b"\x7f\xff" * 3, b"\x84\x7f\xff"])],
        lambda: rng.choice([["PFADD", BAD, element(rng)], ["PFCOUNT", BAD], ["PFCOUNT", BAD, k],
                            ["PFMERGE", k, BAD], ["PFMERGE", BAD], ["GET", BAD],
                            ["PFDEBUG", rng.choice(["DECODE", "TODENSE", "GETREG"]), BAD]]),
        lambda: ["SET", k, b"HYLL\x00" + bytes(11) + bytes(rng.randrange(256)
                                                           for _ in range(64)) * 192],
        lambda: ["SET", k, b"HYLL\x00" + bytes(12)]
    ])()


def settings(rng):
    return ["CONFIG", "SET", "hll-sparse-max-bytes", rng.choice([0, 20, 64, 3000, 3000, 16000])]


def restart(rng):
    return Step("check" if rng.random() < 0.3 else "kill", kind="restart")


def wrong(rng):
    return rng.choice([["PFADD"], ["PFCOUNT"], ["PFMERGE"], ["PFDEBUG"], ["PFDEBUG", "ENCODING"],
                       ["PFDEBUG", "ENCODING", "hll1", "x"], ["PFSELFTEST", "x"],
                       ["COMMAND", "GETKEYSANDFLAGS", "PFMERGE", "a", "b", "c"],
                       ["COMMAND", "GETKEYSANDFLAGS", "PFCOUNT", "a", "b"]])


def transaction(rng):
    return rng.choice([
        [["EVAL", "return redis.call('PFCOUNT', KEYS[1])", 1, key(rng)]],
        [["EVAL_RO", "return redis.call('PFCOUNT', KEYS[1])", 1, key(rng)]],
        [["MULTI"], add(rng), count(rng), ["EXEC"]]])


def steps(rng):
    # What CONFIG SET has said a restart forgets: a stream has one or the other.
    rare = rng.choice([settings, restart])
    makers, shares = zip((add, 40), (count, 20), (merge, 8), (debug, 6), (look, 20), (meddle, 3),
                         (rare, 0.5), (wrong, 1))
    yield ["SET", OTHER[0], "text"]
    yield ["RPUSH", OTHER[1], "a"]
    while True:
        if rng.random() < 0.02:
            yield from transaction(rng)
        yield rng.choices(makers, shares)[0](rng)
