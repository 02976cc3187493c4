"""What an application does with redis-py on one node: PORT. Prints a line of JSON for each step;
the lines of two servers can be compared, since what a server may choose itself is left out or
sorted."""
import json
import sys
import threading
import time

import redis

PORT = int(sys.argv[1])


def plain(value):
    """As JSON has it: bytes as text, sets in order, keys of dicts as text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (set, frozenset)):
        return sorted(plain(v) for v in value)
    if isinstance(value, dict):
        return {str(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Exception):
        return "%s: %s" % (type(value).__name__, value)
    return value


def say(step, *values):
    print(json.dumps([step] + [plain(v) for v in values], sort_keys=True), flush=True)


def attempt(call, *args, **options):
    try:
        return call(*args, **options)
    except redis.RedisError as error:
        return error


def pipelines(r):
    with r.pipeline(transaction=False) as p:
        for i in range(200):
            p.set("p:%d" % i, i).incr("p:%d" % i)
        p.mget(["p:%d" % i for i in range(0, 200, 20)])
        say("pipeline", p.execute())
    with r.pipeline(transaction=False) as p:
        p.set("text", "x").incr("text").get("text")
        say("an error within a pipeline", p.execute(raise_on_error=False))


def transactions(r):
    with r.pipeline() as p:
        p.set("t", 1).incrby("t", 41).rpush("t:list", 1, 2, 3).lrange("t:list", 0, -1)
        say("transaction", p.execute())
    with r.pipeline() as p:
        p.watch("t")
        value = int(p.get("t"))
        r.set("t", 7)
        p.multi()
        p.set("t", value + 1)
        say("a watched key changed", attempt(p.execute), r.get("t"))
    say("transaction function", r.transaction(
        lambda p: (p.get("t"), p.multi(), p.incr("t"))[-1], "t"))
    with r.pipeline() as p:
        p.set("t", "x").incr("t").set("after", 1)
        say("an error within a transaction", p.execute(raise_on_error=False), r.get("after"))


def scripts(r):
    add = r.register_script("""
        local sum = redis.call('INCRBY', KEYS[1], ARGV[1])
        redis.call('HSET', KEYS[2], 'last', ARGV[1], 'sum', sum)
        return {sum, redis.call('HGETALL', KEYS[2]), {ok = 'fine'}, false}""")
    say("script", add(["s:n", "s:h"], [5]), add(["s:n", "s:h"], ["37"]))
    say("script known", r.script_exists(add.sha, "0" * 40))
    r.script_flush()
    say("script sent again", add(["s:n", "s:h"], [1]))
    say("script fails", attempt(r.eval, "return redis.call('INCR', KEYS[1])", 1, "s:h"))
    say("script in a pipeline", r.pipeline().eval("return ARGV[1]", 0, "x").get("s:n").execute())
    lock = r.lock("s:lock", timeout=30)
    say("lock", lock.acquire(), r.lock("s:lock").acquire(blocking=False), lock.extend(10),
        lock.release(), attempt(lock.release))


def messages(r):
    with r.pubsub() as heard:
        heard.subscribe("news", "other")
        heard.psubscribe("n?ws*")
        got = [heard.get_message(timeout=5) for _ in range(3)]
        say("publish", r.publish("news", "one"), r.publish("newsletter", "two"),
            r.publish("nobody", "three"))
        got += [heard.get_message(timeout=5) for _ in range(3)]
        say("messages", got)
        say("who listens", sorted(r.pubsub_channels()), r.pubsub_numsub("news", "nobody"),
            r.pubsub_numpat())
        heard.unsubscribe()
        heard.punsubscribe()
        # In what order, the server may choose.
        say("unsubscribed", {heard.get_message(timeout=5)["channel"] for _ in range(3)})


def streams(r):
    ids = [r.xadd("x", {"n": i, "sq": i * i}, id="%d-1" % (i + 1)) for i in range(20)]
    say("stream", ids, r.xlen("x"), r.xrange("x", "3", "5"), r.xrevrange("x", count=2))
    say("an id too small", attempt(r.xadd, "x", {"a": 1}, id="1-1"))
    say("read", r.xread({"x": "17-1"}, count=2), r.xread({"x": "$"}, block=10))
    r.xgroup_create("x", "g", id="0")
    say("group again", attempt(r.xgroup_create, "x", "g"))
    say("group reads", r.xreadgroup("g", "anna", {"x": ">"}, count=3),
        r.xreadgroup("g", "bert", {"x": ">"}, count=2))
    say("acknowledged", r.xack("x", "g", "1-1", "99-9"), r.xpending("x", "g"))
    say("claimed", r.xclaim("x", "g", "bert", 0, ["2-1"]), r.xautoclaim("x", "g", "carl", 0),
        [[p["message_id"], p["consumer"], p["times_delivered"]]
         for p in r.xpending_range("x", "g", "-", "+", 10)])
    say("trimmed", r.xtrim("x", maxlen=5, approximate=False), r.xlen("x"), r.xdel("x", "18-1"))
    info = r.xinfo_stream("x")
    say("told", {k: info[k] for k in ("length", "groups", "first-entry", "last-entry",
                                      "last-generated-id")},
        [(g["name"], g["pending"], g["consumers"]) for g in r.xinfo_groups("x")])


def iteration(r):
    r.mset({"it:%d" % i: i for i in range(500)})
    r.hset("ith", mapping={"f%d" % i: i for i in range(700)})
    r.sadd("its", *range(700))
    r.zadd("itz", {"m%d" % i: i / 4 for i in range(300)})
    say("scan", len(set(r.scan_iter("it:*", count=50))),
        set(r.scan_iter("it:1?")), set(r.scan_iter("it*", _type="zset")))
    say("scans of collections", len(dict(r.hscan_iter("ith"))), len(set(r.sscan_iter("its"))),
        sorted(r.zscan_iter("itz", match="m1?")))


def collections(r):
    r.hset("h", mapping={"a": 1, "b": "two"})
    say("hash", r.hgetall("h"), r.hincrby("h", "a", 4), r.hmget("h", "a", "none"),
        r.hdel("h", "b"), r.hlen("h"))
    r.rpush("l", *"abcdef")
    say("list", r.lrange("l", 1, -2), r.lpop("l", 2), r.lmove("l", "l2", "RIGHT", "LEFT"),
        r.lpos("l", "d"), r.linsert("l", "before", "d", "c2"), r.lrem("l", 0, "c2"))
    r.sadd("set1", 1, 2, 3)
    r.sadd("set2", 2, 3, 4)
    say("set", r.sinter("set1", "set2"), r.sunion("set1", "set2"), r.sdiff("set1", "set2"),
        r.smismember("set1", [1, 9]), r.sintercard(2, ["set1", "set2"]))
    r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")})
    say("sorted set", r.zrange("z", 0, -1, withscores=True), r.zrank("z", "c"),
        r.zincrby("z", 2, "a"), r.zrangebyscore("z", "(2.5", "+inf", withscores=True),
        r.zpopmin("z"), r.zmscore("z", ["a", "none"]))
    say("sorted", r.sort("its", start=0, num=3, desc=True), r.sort("l", alpha=True))
    say("bits", r.setbit("bits", 7, 1), r.bitcount("bits"), r.bitpos("bits", 1),
        r.bitfield("bits").set("u8", "#1", 200).incrby("u8", "#1", 100, "SAT").execute())


def blocking(r):
    def later():
        time.sleep(0.2)
        with redis.Redis(port=PORT) as other:
            other.rpush("b", "x", "y")
            other.zadd("bz", {"m": 3})

    say("nothing comes", r.blpop("b", timeout=1))
    pusher = threading.Thread(target=later)
    pusher.start()
    say("something comes", r.blpop(["none", "b"], timeout=20), r.bzpopmin("bz", timeout=20),
        r.brpoplpush("b", "b2", timeout=20))
    pusher.join()


def keys(r):
    r.set("k", "v", ex=100)
    say("expiry", 95 < r.ttl("k") <= 100, r.persist("k"), r.ttl("k"), r.ttl("none"),
        r.getex("k", px=50000), 40000 < r.pttl("k") <= 50000)
    say("conditions", r.set("k", "w", nx=True), r.set("k", "w", xx=True, get=True),
        r.getdel("k"), r.exists("k", "h", "h"))
    r.set("gone", 1, px=1)
    time.sleep(0.05)
    say("expired", r.get("gone"), r.type("h"), r.rename("h", "h3"), attempt(r.rename, "h", "h4"))
    copy = r.dump("l2")
    say("dumped", r.restore("l3", 0, copy), r.lrange("l3", 0, -1), r.copy("l3", "l4"),
        attempt(r.restore, "l3", 0, copy))
    say("objects", r.object("encoding", "its"), r.object("encoding", "ith"),
        r.object("refcount", "k") is None, r.memory_usage("ith") > 1000)
    say("wrong kind", attempt(r.lpush, "set1", 1), attempt(r.incr, "set1"),
        attempt(r.execute_command, "NOSUCH", "x"))


def connection(r):
    say("names", r.client_setname("me"), r.client_getname(), r.client_id() > 0,
        [c["name"] for c in r.client_list() if c["name"] == "me"])
    say("server", r.ping(), r.echo("x"), r.info("server")["redis_mode"],
        r.config_get("maxmemory-policy"), r.dbsize() > 1000, r.command_count() > 150)
    with redis.Redis(port=PORT, db=0, decode_responses=True) as text:
        say("text", text.get("p:3"), text.hgetall("h3"))
    say("flushed", r.flushdb(), r.dbsize())


def main():
    with redis.Redis(port=PORT, single_connection_client=True) as r:
        for part in (pipelines, transactions, scripts, messages, streams, iteration, collections,
                     blocking, keys, connection):
            part(r)


main()
