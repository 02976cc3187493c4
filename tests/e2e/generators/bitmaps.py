"""Bitmaps: single bits, counts, positions, combinations and integer fields."""
from harness.steps import pick

CHUNK_BITS = 16320 * 8


def bit_offset(rng):
    if rng.random() < 0.06:
        return rng.choice([-1, 4294967296, (1 << 63) - 1, "#1", pick.junk_integer(rng)])
    return rng.choice([
        rng.randrange(80), rng.randrange(80), rng.randrange(3000),
        rng.randrange(1, 4) * CHUNK_BITS + rng.randrange(-70, 70), rng.randrange(400000)])


def range_edge(rng):
    if rng.random() < 0.04:
        return pick.junk_integer(rng)
    return rng.choice([
        pick.index(rng), pick.index(rng), rng.randrange(-200, 200),
        rng.choice([1, -1]) * (rng.randrange(4) * 16320 + rng.randrange(-3, 4)),
        rng.choice([1, -1]) * (rng.randrange(4) * CHUNK_BITS + rng.randrange(-9, 10)),
        (1 << 63) - 1, -(1 << 63)])


def unit(rng):
    return [] if rng.random() < 0.4 else [rng.choice(["BIT", "BYTE", "bit", "Byte", "BITS"])]


def making(rng, key):
    return rng.choice([
        lambda: ["SET", key, rng.choice(["", "\x00\x00", "\xff\xf0\x00", "foobar", "123"])],
        lambda: ["SET", key, bytes(rng.choice([0, 0, 255, rng.randrange(256)])
                                   for _ in range(rng.randrange(40)))],
        lambda: ["SET", key, rng.choice([b"\x00", b"\xff"]) * rng.choice([16319, 16320, 16321,
                                                                          40000])],
        lambda: ["DEL", key],
        lambda: ["EXPIRE", key, 100],
        lambda: ["APPEND", key, "ab"],
        lambda: ["SETRANGE", key, rng.randrange(50000), "z"],
    ])()


def single(rng, key):
    return rng.choice([
        lambda: ["SETBIT", key, bit_offset(rng), rng.randrange(2)],
        lambda: ["SETBIT", key, bit_offset(rng), rng.randrange(2)],
        lambda: ["SETBIT", key, bit_offset(rng), rng.choice([2, -1, "x", ""])],
        lambda: ["GETBIT", key, bit_offset(rng)],
        lambda: ["GETBIT", key, rng.randrange(80)],
    ])()


def ranges(rng, key):
    return rng.choice([
        lambda: ["BITCOUNT", key],
        lambda: ["BITCOUNT", key, range_edge(rng), range_edge(rng)] + unit(rng),
        lambda: ["BITCOUNT", key, range_edge(rng)],
        lambda: ["BITPOS", key, rng.randrange(2)],
        lambda: ["BITPOS", key, rng.randrange(2), range_edge(rng)],
        lambda: ["BITPOS", key, rng.randrange(2), range_edge(rng), range_edge(rng)] + unit(rng),
        lambda: ["BITPOS", key, rng.choice([2, "x"])],
        lambda: ["BITPOS", key, 1, 0, -1, "BIT", "x"],
        lambda: ["BITCOUNT", key, 0, -1, "BIT", "x"],
    ])()


def combining(rng, key):
    op = rng.choice(["AND", "OR", "XOR", "NOT", "and", "Not", "NAND"])
    return ["BITOP", op, key] + [pick.key(rng) for _ in range(
        1 if op.upper() == "NOT" and rng.random() < 0.9 else rng.randrange(1, 5))]


def field_type(rng):
    if rng.random() < 0.04:
        return rng.choice(["u64", "i65", "u0", "i", "x8", "", "U8", "i08", "u-1", "8"])
    return "%s%d" % (rng.choice("iu"), rng.choice([1, 2, 3, 5, 7, 8, 8, 9, 16, 31, 32, 33, 63]))


def field_offset(rng):
    if rng.random() < 0.04:
        return rng.choice(["#-1", "-1", "#x", "#", "x", "4294967296"])
    return rng.choice(["#%d" % rng.randrange(20), rng.randrange(100), rng.randrange(100),
                       "#%d" % rng.randrange(3000), rng.randrange(CHUNK_BITS - 70, CHUNK_BITS + 70),
                       rng.randrange(300000)])


def field_value(rng):
    return rng.choice([0, 1, -1, 127, 128, 255, 256, -128, -129, rng.randrange(-70000, 70000),
                       (1 << 63) - 1, -(1 << 63), rng.getrandbits(62), pick.junk_integer(rng)
                       if rng.random() < 0.2 else 3])


def fields(rng, key):
    read_only = rng.random() < 0.2
    args = ["BITFIELD_RO" if read_only else "BITFIELD", key]
    for _ in range(rng.randrange(5)):
        kind = rng.randrange(4) if not read_only or rng.random() < 0.05 else 0
        if rng.random() < 0.3 and not read_only:
            args += ["OVERFLOW", rng.choice(["WRAP", "SAT", "FAIL", "sat", "Fail", "x"]
                                            if rng.random() < 0.1 else ["WRAP", "SAT", "FAIL"])]
        if kind == 0:
            args += ["GET", field_type(rng), field_offset(rng)]
        else:
            args += [rng.choice(["SET", "INCRBY", "incrby"]), field_type(rng), field_offset(rng),
                     field_value(rng)]
    if rng.random() < 0.03:
        args.append(rng.choice(["GET", "OVERFLOW", "x"]))
    return args


def looking(rng, key):
    return rng.choice([
        lambda: ["GET", key],
        lambda: ["STRLEN", key],
        lambda: ["TTL", key],
        lambda: ["EXISTS", key],
        lambda: ["LPUSH", key, "x"] if rng.random() < 0.1 else ["GET", key],
    ])()


def steps(rng):
    families = [making, single, ranges, combining, fields, looking]
    weights = [4, 4, 5, 2, 4, 3]
    while True:
        yield rng.choices(families, weights)[0](rng, pick.key(rng))
