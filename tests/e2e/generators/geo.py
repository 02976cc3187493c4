"""Geo commands: positions all over the earth and close together, searches of every size and form,
results that are stored, scores that are no positions, bad arguments.

Members at equal distances come in an order that Redis leaves open where results are sorted, so
positions hardly ever come twice."""
from harness.steps import Step, pick

KEYS = ["geo1", "geo2", "{t}geo"]
OTHER = ["string", "plain", "nosuchkey"]  # a string; a sorted set of other scores
UNITS = ["m", "km", "ft", "mi", "M", "KM", "Ft"]


def key(rng):
    return rng.choice(KEYS) if rng.random() < 0.95 else rng.choice(OTHER)


def member(rng):
    return rng.choice(["m%d" % rng.randrange(60), "m%d" % rng.randrange(60), "x" * 200, ""])


def position(rng):
    """Longitude and latitude as texts."""
    dice = rng.random()
    if dice < 0.4:
        return ["%.6f" % rng.uniform(13, 16), "%.6f" % rng.uniform(37, 39)]
    if dice < 0.6:
        return ["%.9f" % rng.uniform(-0.01, 0.01), "%.9f" % rng.uniform(-0.01, 0.01)]
    if dice < 0.97:
        return [repr(rng.uniform(-180, 180)), repr(rng.uniform(-85.05, 85.05))]
    return rng.choice([["180", "85.05112878"], ["-180", "-85.05112878"], ["180", "0"],
                       ["0", "0"], ["-180", "84"], ["181", "0"], ["0", "86"], ["x", "0"],
                       ["0", ""], ["nan", "0"], ["inf", "0"], ["1e1", "0x10"], ["-1e400", "1"]])


def add(rng):
    options = [pick.case(rng, w) for w in ["NX", "XX", "CH"] if rng.random() < 0.12]
    rng.shuffle(options)
    count = rng.choice([1, 1, 2, 5, 60 if rng.random() < 0.2 else 3])
    return ["GEOADD", rng.choice(KEYS)] + options + [
        x for _ in range(count) for x in position(rng) + [member(rng)]]


def size(rng):
    return rng.choice(["%.3f" % (10 ** rng.uniform(-2, 7)), "%.3f" % (10 ** rng.uniform(0, 4)),
                       "200", "1000", "0", "30000000", "1e9"])


def unit(rng):
    return rng.choice(UNITS)


def extras(rng, stored=False):
    """(options, comparison) of a search."""
    options, kind = [], "exact"
    if not stored:
        options = [[pick.case(rng, w)] for w in ("WITHDIST", "WITHCOORD", "WITHHASH")
                   if rng.random() < 0.35]
    if rng.random() < 0.4:
        options.append([pick.case(rng, rng.choice(["ASC", "DESC"]))])
    if rng.random() < 0.4:
        options.append([pick.case(rng, "COUNT"), rng.choice([1, 2, 5, 100])])
        if rng.random() < 0.4:
            options.append([pick.case(rng, "ANY")])
    rng.shuffle(options)
    return [x for o in options for x in o], kind


def where(rng):
    start = ["FROMMEMBER", member(rng)] if rng.random() < 0.5 else ["FROMLONLAT"] + position(rng)
    area = ["BYRADIUS", size(rng), unit(rng)] if rng.random() < 0.5 else [
        "BYBOX", size(rng), size(rng), unit(rng)]
    parts = [start, area]
    rng.shuffle(parts)
    return [x for p in parts for x in [pick.case(rng, p[0])] + p[1:]]


def search(rng):
    k = key(rng)
    dice = rng.random()
    if dice < 0.5:
        options, kind = extras(rng)
        return Step(["GEOSEARCH", k] + where(rng) + options, kind)
    if dice < 0.65:
        options, kind = extras(rng, True)
        # Distances, taken for positions, are all in one place.
        target, distance = rng.choice(["result"] + KEYS), []
        if rng.random() < 0.5:
            target, distance = "result", [pick.case(rng, "STOREDIST")]
        return Step(["GEOSEARCHSTORE", target, k] + where(rng) + options + distance, kind)
    store = rng.random() < 0.2
    options, kind = extras(rng, store)
    if store:
        options += [pick.case(rng, rng.choice(["STORE", "STOREDIST"])), "result"]
    only = "" if store or rng.random() < 0.7 else "_RO"
    if rng.random() < 0.5:
        return Step(["GEORADIUS" + only, k] + position(rng) + [size(rng), unit(rng)] + options,
                    kind)
    return Step(["GEORADIUSBYMEMBER" + only, k, member(rng), size(rng), unit(rng)] + options, kind)


def read(rng):
    k = key(rng)
    return rng.choice([
        lambda: ["GEOPOS", k] + [member(rng) for _ in range(rng.choice([0, 1, 3]))],
        lambda: ["GEOHASH", k] + [member(rng) for _ in range(rng.choice([0, 1, 3]))],
        lambda: ["GEODIST", k, member(rng), member(rng)] + rng.choice([[], [unit(rng)], ["x"]]),
        lambda: ["ZSCORE", k, member(rng)],
        lambda: ["ZRANGE", rng.choice(["result", k]), "0", "-1", "WITHSCORES"],
        lambda: ["GEOPOS", "plain", "a", "b", "c", "d", "e", "f", "g"],
        lambda: ["GEOHASH", "plain", "a", "b", "c", "d", "e", "f", "g"],
        lambda: ["GEOSEARCH", "plain", "FROMLONLAT", "0", "0", "BYRADIUS", "9e9", "km",
                 "WITHDIST", "WITHHASH"],
    ])()


def wrong(rng):
    k = key(rng)
    words = ["GEOADD", "GEODIST", "GEOHASH", "GEOPOS", "GEOSEARCH", "GEOSEARCHSTORE", "GEORADIUS",
             "GEORADIUS_RO", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"]
    return rng.choice([
        lambda: [rng.choice(words)] + [k] * rng.randrange(2),
        lambda: ["GEOADD", k, "1", "2", "a", "3"],
        lambda: ["GEOADD", k, "NX", "XX", "1", "2", "a"],
        lambda: ["GEOADD", k, "NX", "CH", "CH"],
        lambda: ["GEOADD", k, "1", "2", "a", "x", "1", "b"],
        lambda: ["GEODIST", k, "a", "b", "m", "x"],
        lambda: ["GEOSEARCH", k] + (where(rng) + where(rng))[:rng.randrange(5, 12)],
        lambda: ["GEOSEARCH", k] + where(rng) + [rng.choice([
            "COUNT", "ANY", "STORE", "STOREDIST", "x", "FROMMEMBER", "BYBOX"])],
        lambda: ["GEOSEARCH", k] + where(rng) + ["COUNT", rng.choice(["0", "-1", "x", ""])],
        lambda: ["GEOSEARCH", k, "FROMLONLAT", "1", "2", "ASC", "DESC", "COUNT", "3"],
        lambda: ["geoSearch", k, "BYRADIUS", "1", "km", "ASC", "DESC", "COUNT", "3"],
        lambda: ["GEOSEARCH", k, "FROMLONLAT", "1", "2", "BYRADIUS",
                 rng.choice(["-1", "x", "nan", "1"]), rng.choice(["m", "x", ""])],
        lambda: ["GEOSEARCH", k, "FROMLONLAT", "1", "2", "BYBOX",
                 rng.choice(["-1", "x", "1"]), rng.choice(["-1", "x", "1"]), "m"],
        lambda: ["GEOSEARCHSTORE", "result", k] + where(rng) + ["WITHDIST"],
        lambda: ["GEORADIUS", k, "1", "2", "3", "km", "STORE", "result", "WITHHASH"],
        lambda: ["GEORADIUS_RO", k, "1", "2", "3", "km", "STORE", "result"],
        lambda: ["GEORADIUS", k, "1", "2", "3", "km", "STORE"],
        lambda: ["GEORADIUS", k, "x", "2", "-3", "km"],
        lambda: ["GEORADIUSBYMEMBER", k, "nobody", "x", "y", "COUNT", "1"],
        lambda: ["COMMAND", "GETKEYSANDFLAGS", "GEORADIUS", k, "1", "2", "3", "km", "STORE", "a"],
        lambda: ["COMMAND", "GETKEYS", "GEORADIUSBYMEMBER", k, "m", "3", "km", "STOREDIST", "a"],
        lambda: ["COMMAND", "GETKEYS", "GEOSEARCHSTORE", "a", k, "3", "km", "1", "2", "3", "4"],
        lambda: ["COMMAND", "INFO", rng.choice(words)],
    ])()


def life(rng):
    return rng.choice([
        lambda: ["DEL", rng.choice(KEYS + ["result"])],
        lambda: ["ZREM", rng.choice(KEYS)] + [member(rng) for _ in range(3)],
        lambda: ["RENAME", rng.choice(KEYS), rng.choice(KEYS)],
        lambda: ["EXPIRE", rng.choice(KEYS + ["result"]), 1000],
        lambda: ["TTL", "result"], lambda: ["TYPE", key(rng)],
        lambda: ["SET", "result", "text"],
    ])()


def steps(rng):
    makers, shares = zip((add, 25), (search, 45), (read, 18), (wrong, 6), (life, 3))
    yield ["SET", OTHER[0], "text"]
    yield ["ZADD", OTHER[1], "0", "a", "-1", "b", "1.5", "c", "inf", "d", "-inf", "e", "1e300", "f",
           "9007199254740991", "g"]
    while True:
        yield rng.choices(makers, shares)[0](rng)
