"""Runs cairn-wal and cairn-slot, and a keyspace that remembers what it has written to a node."""
import base64
import binascii
import json
import os
import subprocess

from harness.resp import Client


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr.decode(
            "utf-8", "replace")

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")

    @property
    def json(self):
        """The objects of JSON lines, each line parsed on its own."""
        return [json.loads(line) for line in self.out.decode("utf-8").splitlines()]

    def fields(self, line=-1):
        """key=value words of a text line."""
        return dict(word.split("=", 1) for word in self.text.splitlines()[line].split()
                    if "=" in word)


def keyslot(key):
    begin = key.find(b"{")
    end = key.find(b"}", begin + 1) if begin >= 0 else -1
    tag = key[begin + 1:end] if end > begin + 1 else key
    return binascii.crc_hqx(tag, 0) & 16383


def quoted(data):
    """The bytes as the tools print them in text."""
    names = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return '"%s"' % "".join(names.get(c) or (chr(c) if 32 <= c < 127 else "\\x%02x" % c)
                            for c in data)


def run(binary, *args, stdin=None, timeout=120, env=None):
    words = [a if isinstance(a, bytes) else str(a) for a in args]
    return Result(subprocess.run([binary] + words, stdin=stdin or subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                                 env=env))


def unjson(value):
    """Bytes of a JSON string or of {"b64": ...}; lists element by element."""
    if isinstance(value, list):
        return [unjson(v) for v in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return value.encode("utf-8")


def keys_of_json(objects):
    """{key: (type, value, expires)} of cairn-slot dump --format json."""
    found = {}
    for o in objects:
        value = unjson(o["value"])
        if o["type"] == "hash":
            value = {f: v for f, v in value}
        elif o["type"] == "zset":
            value = {m: float(s) for m, s in value}
        elif o["type"] == "set":
            value = frozenset(value)
        found[unjson(o["key"])] = (o["type"], value, o.get("expires", 0))
    return found


def read_node(client):
    """{key: (type, value, expires)} as a running node answers."""
    found = {}
    for key in client.call("KEYS", "*"):
        kind = client.call("TYPE", key).decode()
        if kind == "string":
            value = client.call("GET", key)
        elif kind == "list":
            value = client.call("LRANGE", key, 0, -1)
        elif kind == "set":
            value = frozenset(client.call("SMEMBERS", key))
        elif kind == "hash":
            flat = client.call("HGETALL", key)
            value = dict(zip(flat[::2], flat[1::2]))
        elif kind == "zset":
            flat = client.call("ZRANGE", key, 0, -1, "WITHSCORES")
            value = dict(zip(flat[::2], map(float, flat[1::2])))
        else:
            raise AssertionError("type %s" % kind)
        found[key] = (kind, value, max(0, client.call("PEXPIRETIME", key)))
    return found


class Keyspace:
    """What the node must hold, kept beside it: every method is one command to the client and its
    meaning in Python. transaction() groups them."""

    def __init__(self, client):
        self.client = client
        self.keys = {}
        self.queue = None
        self.commands = []  # one for each record of the log

    def send(self, *args):
        if self.queue is None:
            self.commands.append(args[0].lower())
        if self.queue is not None:
            self.queue.append(args)
        else:
            self.client.call(*args)

    def copy(self):
        return {k: (t, v.copy() if hasattr(v, "copy") else v, e)
                for k, (t, v, e) in self.keys.items()}

    def begin(self):
        self.queue = []

    def commit(self):
        queue, self.queue = self.queue, None
        self.commands.append("exec")
        replies = self.client.pipeline([("MULTI",)] + queue + [("EXEC",)])
        for reply in replies + (replies[-1] if isinstance(replies[-1], list) else []):
            if isinstance(reply, Exception):
                raise reply

    def _get(self, key, kind, empty):
        return self.keys.get(key, (kind, empty, 0))

    def set(self, key, value, expires=0):
        self.send("SET", key, value, *(["PXAT", expires] if expires else []))
        self.keys[key] = ("string", value, expires)

    def setrange(self, key, off, value):
        self.send("SETRANGE", key, off, value)
        _, old, expires = self._get(key, "string", b"")
        old = old.ljust(off, b"\0")
        self.keys[key] = ("string", old[:off] + value + old[off + len(value):], expires)

    def append(self, key, value):
        self.send("APPEND", key, value)
        _, old, expires = self._get(key, "string", b"")
        self.keys[key] = ("string", old + value, expires)

    def incr(self, key, by):
        self.send("INCRBY", key, by)
        _, old, expires = self._get(key, "string", b"0")
        self.keys[key] = ("string", b"%d" % (int(old) + by), expires)

    def hset(self, key, pairs):
        self.send("HSET", key, *[x for pair in pairs.items() for x in pair])
        _, old, expires = self._get(key, "hash", {})
        self.keys[key] = ("hash", {**old, **pairs}, expires)

    def hdel(self, key, *fields):
        self.send("HDEL", key, *fields)
        _, old, expires = self.keys[key]
        left = {f: v for f, v in old.items() if f not in fields}
        self._keep(key, "hash", left, expires)

    def zadd(self, key, scores):
        self.send("ZADD", key, *[x for m, s in scores.items() for x in (repr(s), m)])
        _, old, expires = self._get(key, "zset", {})
        self.keys[key] = ("zset", {**old, **scores}, expires)

    def zrem(self, key, *members):
        self.send("ZREM", key, *members)
        _, old, expires = self.keys[key]
        self._keep(key, "zset", {m: s for m, s in old.items() if m not in members}, expires)

    def sadd(self, key, *members):
        self.send("SADD", key, *members)
        _, old, expires = self._get(key, "set", frozenset())
        self.keys[key] = ("set", old | frozenset(members), expires)

    def srem(self, key, *members):
        self.send("SREM", key, *members)
        _, old, expires = self.keys[key]
        self._keep(key, "set", old - frozenset(members), expires)

    def _keep(self, key, kind, value, expires):
        if value:
            self.keys[key] = (kind, value, expires)
        else:
            del self.keys[key]

    def rpush(self, key, *values):
        self.send("RPUSH", key, *values)
        _, old, expires = self._get(key, "list", [])
        self.keys[key] = ("list", old + list(values), expires)

    def lpush(self, key, *values):
        self.send("LPUSH", key, *values)
        _, old, expires = self._get(key, "list", [])
        self.keys[key] = ("list", list(values)[::-1] + old, expires)

    def lset(self, key, index, value):
        self.send("LSET", key, index, value)
        _, old, expires = self.keys[key]
        self.keys[key] = ("list", old[:index] + [value] + old[index + 1:], expires)

    def linsert(self, key, pivot, value):
        self.send("LINSERT", key, "BEFORE", pivot, value)
        _, old, expires = self.keys[key]
        at = old.index(pivot)
        self.keys[key] = ("list", old[:at] + [value] + old[at:], expires)

    def lrem(self, key, value):
        self.send("LREM", key, 0, value)
        _, old, expires = self.keys[key]
        self._keep(key, "list", [v for v in old if v != value], expires)

    def ltrim(self, key, first, last):
        self.send("LTRIM", key, first, last)
        _, old, expires = self.keys[key]
        self._keep(key, "list", old[first:last + 1], expires)

    def expire(self, key, expires):
        self.send("PEXPIREAT", key, expires)
        kind, value, _ = self.keys[key]
        self.keys[key] = (kind, value, expires)

    def persist(self, key):
        self.send("PERSIST", key)
        kind, value, _ = self.keys[key]
        self.keys[key] = (kind, value, 0)

    def delete(self, key):
        self.send("DEL", key)
        self.keys.pop(key, None)

    def rename(self, key, to):
        self.send("RENAME", key, to)
        self.keys[to] = self.keys.pop(key)

    def copy_key(self, key, to):
        self.send("COPY", key, to, "REPLACE")
        self.keys[to] = self.keys[key]

    def flush(self):
        self.send("FLUSHALL")
        self.keys.clear()


LATER = 4102444800123  # 2100-01-01


def bulk(n, seed=7):
    """n bytes of every value, no two seeds alike."""
    return bytes((i * 131 + seed * 17 + (i >> 8)) & 255 for i in range(n))


def fill(k):
    """Every type and size, and every change a collection can see."""
    k.set(b"gone", b"before the flush")
    k.hset(b"gone:h", {b"f%d" % i: b"v" * 30 for i in range(200)})
    k.flush()
    k.set(b"", b"the empty key")
    k.set(b"empty", b"")
    k.set(b"text", "grüße ✓".encode())
    k.set(b"\x00\xff\xfe binary", bytes(range(256)))
    k.set(b'quote"back\\slash\n', b'"\\\r\n\t\x7f')
    for end in (b"1", b"2"):
        k.set(b"long" * 150 + end, b"name too long for a store key " + end)
    k.incr(b"counter", 41)
    k.incr(b"counter", -2)
    k.set(b"temp", b"t", LATER)
    k.set(b"forever", b"t", LATER)
    k.persist(b"forever")
    strings(k)
    hashes(k)
    sets(k)
    lists(k)
    zsets(k)
    moves(k)


def strings(k):
    k.set(b"s:16k", bulk(16320))
    k.set(b"s:100k", bulk(100000, 3))
    k.setrange(b"s:100k", 20000, b"in the second chunk")
    k.setrange(b"s:100k", 16310, b"across two chunks of it")
    k.append(b"s:100k", b"tail" * 10)
    k.append(b"s:100k", bulk(40000, 9))
    k.expire(b"s:100k", LATER + 5)
    k.setrange(b"s:hole", 70000, b"end")
    k.setrange(b"s:hole", 200000, b"further")
    k.setrange(b"s:hole", 100, b"begin")
    k.set(b"s:replaced", bulk(50000, 4))
    k.set(b"s:replaced", b"short now")
    k.set(b"s:1m", bulk(1 << 20, 5))


def hashes(k):
    k.hset(b"h:small", {b"a": b"1", b"\xff\x00": b"\x80"})
    k.hset(b"h:big", {b"field:%d" % i: b"value %d" % i for i in range(500)})
    k.hset(b"h:big", {b"field:3": b"changed"})
    k.hset(b"h:big", {b"new": b"one", b"field:4": b"too"})
    k.hdel(b"h:big", b"field:7", b"field:8")
    k.expire(b"h:big", LATER + 1)
    k.hset(b"h:big", {b"x" * 600: b"a long field", b"x" * 600 + b"2": b"another"})
    k.hdel(b"h:big", b"x" * 600 + b"2")
    k.hset(b"h:gone", {b"f%d" % i: bulk(30, i) for i in range(300)})
    k.delete(b"h:gone")
    k.hset(b"h:over", {b"f%d" % i: bulk(30, i) for i in range(300)})
    k.set(b"h:over", b"a string now")
    k.hset(b"h:shrink", {b"f%d" % i: bulk(30, i) for i in range(300)})
    k.hdel(b"h:shrink", *[b"f%d" % i for i in range(295)])


def zsets(k):
    k.zadd(b"z:small", {b"a": 1.0, b"\xff\x00": -0.1, b"": float("inf")})
    k.zadd(b"z:big", {b"member:%d" % i: i * 0.25 for i in range(900)})
    k.zadd(b"z:big", {b"member:3": 1e300, b"between": 7.1, b"member:900": float("-inf")})
    k.zrem(b"z:big", b"member:7", b"member:8")
    k.expire(b"z:big", LATER + 2)
    k.zadd(b"z:big", {b"x" * 600: 0.5, b"x" * 600 + b"2": 0.5, b"y" * 200: 0.5})
    k.zrem(b"z:big", b"x" * 600 + b"2")
    k.zadd(b"z:same", {b"p" * 150 + b"%d" % i: 3.0 for i in range(300)})
    k.zadd(b"z:gone", {b"m%d" % i: i % 5 + 0.0 for i in range(500)})
    k.delete(b"z:gone")
    k.zadd(b"z:shrink", {b"m%d" % i: i % 5 + 0.0 for i in range(500)})
    k.zrem(b"z:shrink", *[b"m%d" % i for i in range(495)])


def sets(k):
    k.sadd(b"set:small", b"a", b"", b"\xff\x00", b"12")
    k.sadd(b"set:ints", *[b"%d" % i for i in range(100)])
    k.sadd(b"set:big", *[b"member:%d" % i for i in range(600)])
    k.sadd(b"set:big", b"new", b"x" * 600, b"x" * 600 + b"2")
    k.srem(b"set:big", b"member:7", b"member:8", b"x" * 600 + b"2")
    k.expire(b"set:big", LATER + 4)
    k.sadd(b"set:gone", *[b"m%d" % i for i in range(600)])
    k.delete(b"set:gone")
    k.sadd(b"set:over", *[b"m%d" % i for i in range(600)])
    k.set(b"set:over", b"a string now")
    k.sadd(b"set:shrink", *[b"member:%d" % i for i in range(600)])
    k.srem(b"set:shrink", *[b"member:%d" % i for i in range(596)])


def lists(k):
    k.rpush(b"l:small", b"a", b"b", b"", b"\xff")
    k.rpush(b"l:big", *[b"element %d" % i for i in range(1000)])
    k.lpush(b"l:big", b"head 1", b"head 2", b"head 3")
    k.rpush(b"l:big", b"tail 1", b"tail 2")
    k.lset(b"l:big", 500, b"set")
    k.linsert(b"l:big", b"element 30", b"inserted near the head")
    k.linsert(b"l:big", b"element 970", b"inserted near the tail")
    k.lrem(b"l:big", b"element 600")
    k.ltrim(b"l:big", 5, 900)
    k.expire(b"l:big", LATER + 2)
    k.lpush(b"l:big", b"after the expiry")
    k.rpush(b"l:trim", *[bulk(40, i) for i in range(800)])
    k.ltrim(b"l:trim", 100, 103)
    k.rpush(b"l:chunky", *[bulk(9000, i) for i in range(20)])


def moves(k):
    k.rpush(b"{m}from", *[b"m%d" % i * 8 for i in range(600)])
    k.rename(b"{m}from", b"{m}to")
    k.rpush(b"{m}to", b"pushed after the rename")
    k.hset(b"{m}h", {b"f%d" % i: b"x" * 40 for i in range(300)})
    k.copy_key(b"{m}h", b"{m}h2")
    k.hset(b"{m}h2", {b"f1": b"only in the copy"})
    k.rename(b"{m}h", b"elsewhere in another slot")
    k.begin()
    k.rpush(b"{m}a", *[b"a%d" % i * 9 for i in range(400)])
    k.lset(b"{m}to", 3, b"in a transaction")
    k.rename(b"{m}to", b"{m}to2")
    k.lpush(b"{m}to2", b"pushed there")
    k.set(b"{m}s", b"1")
    k.delete(b"l:small")
    k.commit()
    k.begin()
    k.rename(b"{m}a", b"{m}x")
    k.rename(b"{m}to2", b"{m}a")
    k.rename(b"{m}x", b"{m}to2")
    k.lpush(b"{m}a", b"they changed places")
    k.hset(b"{m}h2", {b"f2": b"t"})
    k.hdel(b"{m}h2", b"f3")
    k.commit()


def segments(directory):
    """Paths of the log's files, oldest first."""
    folder = os.path.join(directory, "wal")
    return [os.path.join(folder, n) for n in sorted(os.listdir(folder)) if n.endswith(".wal")]


def contents(port):
    with Client(port) as c:
        return read_node(c)
