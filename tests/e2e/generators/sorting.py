"""SORT and SORT_RO: lists, sets and sorted sets of numbers and words, weights and replies from
strings and hash fields, stored results, bad options and wrong types.

Where Redis leaves the order open - equal weights of ALPHA, sets that are not sorted - replies are
compared as a multiset, and what is stored that way is looked at in an order of its own. SORT makes
Redis keep a sorted set as a skip list from then on; Cairn writes nothing when it reads, so the
encoding of sorted sets is not asked for here."""
from harness.steps import Step, pick

LISTS = ["list1", "list2", "{t}list"]
SETS = ["set1", "set2"]
ZSETS = ["zset1", "zset2"]
LOOSE = "loose"  # stored in an order that Redis leaves open
OTHER = ["string", "hash", "nosuchkey"]
NUMBERS = ["1", "2", "3", "10", "-5", "1.5", "-0", "3e2", "0x10", "inf", "007", " 4", "2"]
WORDS = ["a", "b", "B", "ab", "", "z", "ä", "10", "9", "w" * 70, "*", "with space"]


def key(rng):
    dice = rng.random()
    return rng.choice(LISTS if dice < 0.5 else SETS if dice < 0.7 else
                      ZSETS if dice < 0.93 else OTHER)


def element(rng):
    if rng.random() < 0.01:
        return rng.choice(["x", "nan", "1x"])
    return rng.choice(NUMBERS + [str(rng.randrange(40))])


def word(rng):
    return rng.choice(WORDS + ["w%d" % rng.randrange(30)])


def fill(rng):
    make = word if rng.random() < 0.3 else element
    count = rng.choice([1, 2, 5, 30, 200 if rng.random() < 0.2 else 3])
    items = [make(rng) for _ in range(count)]
    return rng.choice([
        lambda: ["RPUSH", rng.choice(LISTS)] + items,
        lambda: ["LPUSH", rng.choice(LISTS)] + items,
        lambda: ["SADD", rng.choice(SETS)] + items,
        lambda: ["ZADD", rng.choice(ZSETS)] + [x for i in items for x in (
            str(rng.randrange(-20, 20)), i)],
        lambda: ["DEL", rng.choice(LISTS + SETS + ZSETS + [LOOSE])],
        lambda: ["SREM", rng.choice(SETS)] + items,
    ])()


def weights(rng):
    name = rng.choice([element, element, word])(rng)
    return rng.choice([
        lambda: ["SET", "w_%s" % name, rng.choice([element, element, word])(rng)],
        lambda: ["SET", "v_%s_x" % name, rng.choice([word(rng), "V" * 20000])],
        lambda: ["HSET", "h_%s" % name, "weight", element(rng), "text", word(rng)],
        lambda: ["DEL", "w_%s" % name, "h_%s" % name],
        lambda: ["MSET"] + [x for i in range(20) for x in ("w_%d" % i, str(rng.randrange(30)))],
    ])()


BY = ["w_*", "h_*->weight", "h_*->none", "w_*->x", "nothing_*", "*"]
GET = ["#", "w_*", "v_*_x", "h_*->weight", "h_*->text", "h_*->", "const", "nothing_*", "*",
       "set1*", "h_*->a->b"]


def limit(rng):
    if rng.random() < 0.6:
        return []
    return [pick.case(rng, "LIMIT"), rng.choice([0, 1, 2, 10, -1, 1000, 1 << 62]),
            rng.choice([0, 1, 3, 20, -1, -5, 1000, (1 << 63) - 1])]


def sort(rng):
    name = key(rng)
    alpha = rng.random() < 0.5
    options = [limit(rng)]
    by = None
    if rng.random() < 0.6:
        by = rng.choice(BY + ["nosort", "nosort", "#", "h->x"])
        options.append([pick.case(rng, "BY"), by])
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        options.append([pick.case(rng, "GET"), rng.choice(GET)])
    if rng.random() < 0.5:
        options.append([pick.case(rng, rng.choice(["ASC", "DESC", "DESC"]))])
    if alpha:
        options.append([pick.case(rng, "ALPHA")])
    loose = (alpha and by in BY) or (by is not None and by not in BY and name in SETS)
    kind = "exact" if not loose else "kind" if options[0] else "unordered"
    command = rng.choice(["SORT", "SORT", "SORT_RO"])
    if rng.random() < 0.3:
        if not loose:
            target = rng.choice(LISTS + SETS + OTHER[:1])
        elif options[0]:
            target = "lost"
        else:
            target = LOOSE
        options.append([pick.case(rng, "STORE"), target])
        kind = "exact"
        command = "SORT"
    rng.shuffle(options[1:])
    options = options[1:] + options[:1] if rng.random() < 0.5 else options
    return Step([command, name] + [x for o in options for x in o], compare=kind)


def read(rng):
    return rng.choice([
        lambda: ["LRANGE", rng.choice(LISTS), 0, -1],
        lambda: ["SORT", LOOSE, "ALPHA"],
        lambda: ["LLEN", LOOSE],
        lambda: ["TYPE", key(rng)],
        lambda: ["TTL", rng.choice(LISTS)],
        lambda: ["EXPIRE", rng.choice(LISTS), 1000],
    ])()


def script(rng):
    """Within a script a set comes sorted."""
    return ["EVAL", "return redis.call('SORT', KEYS[1], 'BY', 'nosort', unpack(ARGV))", 1,
            rng.choice(SETS + ZSETS + LISTS)] + rng.choice([[], ["DESC"], ["LIMIT", 1, 3],
                                                            ["GET", "w_*"]])


def wrong(rng):
    name = key(rng)
    return rng.choice([
        lambda: [rng.choice(["SORT", "SORT_RO"])] + [name] * rng.randrange(2),
        lambda: ["SORT_RO", name, "STORE", "list1"],
        lambda: ["SORT", name, rng.choice(["BY", "GET", "STORE", "LIMIT", "x", ""])],
        lambda: ["SORT", name, "LIMIT", "1"],
        lambda: ["SORT", name, "LIMIT", pick.junk_integer(rng), "1"],
        lambda: ["SORT", name, "LIMIT", "1", pick.junk_integer(rng)],
        lambda: ["SORT", name, "ALPHA", "DESC", "ASC", "LIMIT", 0, 2, "LIMIT", 1, 3],
        lambda: ["SORT", rng.choice(LISTS), "BY", "nosort", "BY", "w_*"],
        lambda: ["SORT", rng.choice(LISTS), "BY", "w_*", "BY", "nosort"],
        lambda: ["SORT", name, "STORE", "list1", "STORE", "list2"],
        lambda: ["COMMAND", "GETKEYS", "SORT", name, "BY", "STORE", "GET", "x", "STORE", "a",
                 "STORE", "b"],
        lambda: ["COMMAND", "GETKEYSANDFLAGS", rng.choice(["SORT", "SORT_RO"]), name, "LIMIT",
                 "STORE", "x", "STORE", "a"],
    ])()


def steps(rng):
    makers, shares = zip((fill, 20), (weights, 15), (sort, 40), (read, 12), (wrong, 5),
                         (script, 3))
    yield ["SET", OTHER[0], "text"]
    yield ["HSET", OTHER[1], "f", "v"]
    while True:
        yield rng.choices(makers, shares)[0](rng)
