#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/corpus/<name>/: a few inputs each that reach the usual paths. The
files are committed; this says what they are and makes them again."""
import binascii
import os
import re
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
LE16, LE32, LE64 = "<H", "<I", "<Q"


def counted(data):
    return bytes([len(data)]) + data


def number(value):
    return bytes([value]) if value < 255 else b"\xff" + struct.pack(LE64, value)


def resp(*args):
    args = [a if isinstance(a, bytes) else a.encode() for a in args]
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)


def resp_reader():
    cuts = struct.pack(LE64, 1)
    stream = resp("SET", "k", "v" * 40) + resp("GET", "k")
    stream += b"PING\r\nSET 'a b' \"\\x41\\n\"\r\n\r\n"
    for limits in range(4):
        yield "pipeline%d" % limits, bytes([limits]) + cuts + stream
    yield "bad-bulk", b"\0" + cuts + b"*2\r\n$3\r\nGET\r\n:1\r\n"
    yield "empty", b"\0" + cuts + b"*0\r\n*-1\r\n*1\r\n$0\r\n\r\n\r\n"
    yield "too-many", b"\1" + cuts + resp(*["x"] * 11)


def quoted_words():
    yield "plain", b"set key value"
    yield "double", b'set "a \\x41\\n\\r\\t\\b\\a\\"\\\\" x'
    yield "single", b"set 'it\\'s' ''"
    yield "open", b'set "a'
    yield "stuck", b"set 'a'b"


def acl():
    yield "users", (b"# ours\nuser default on nopass ~* &* +@all\nuser bob on >pw ~a* %R~b "
                    b"resetchannels &news +@read -get +select|0 (+set %W~x) (~y)\n\nuser eve off\n")
    yield "wrong", b"user a +nosuch\nuser b (+get\nusr\nuser a on\nuser a off\nuser c ~* ~a #12"
    yield "categories", b"user a on +@all -@dangerous +config|get -config +config|set %RW~k allkeys"


def config():
    text = (b"# comment\nport 7000\nbind 127.0.0.1 -::1\nsave 900 1\nsave 300 10\nmaxmemory 2gb\n"
            b"requirepass \"a \\\"b\\\"\"\nappendfsync everysec\n"
            b"client-output-buffer-limit normal 0 0 0\n"
            b"wal-keep-size 1gb\nunixsocketperm 700\nmaxclients 100\n")
    yield "file", b"\0" + text
    yield "unknown", b"\0nosuch 1\n"
    yield "args", b"\1--port\x007000\0--save\0--bind\x00127.0.0.1 ::1\0--requirepass\0x y\0"
    yield "set", b"\2maxclients\x00200\0hz\x0020\0loglevel\0verbose\0"
    yield "set-many", b"\2save\x00900 1 300 10\0client-output-buffer-limit\0pubsub 32mb 8mb 60\0"
    yield "set-bad", b"\2maxclients\x00200\0appendfsync\0sometimes\0"


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def lengthy(data):
    return varint(len(data)) + data


def record(cmd, ops, client=0, time_ms=1700000000000):
    body = bytes([1 if client else 0]) + struct.pack(LE64, time_ms)[:6] + counted(cmd)
    body += struct.pack(LE64, client) if client else b""
    body += b"".join(ops)
    return struct.pack(LE32, len(body)) + body


def some_ops():
    place = struct.pack(LE16, 100) + varint(300)
    return [b"\0\1" + lengthy(b"user:1") + lengthy(b"value"), b"\1\0" + lengthy(b"{tag}x"),
            b"\2\0" + place + lengthy(b"field") + lengthy(b"v"),
            b"\3\0" + place + lengthy(b"field"),
            b"\4\0" + place + lengthy(b"\0\1") + lengthy(b"e"), b"\5\0" + place + lengthy(b"\0\1"),
            b"\6\0" + place, b"\7\0"]


def wal_record():
    yield "every-op", record(b"hset", some_ops(), client=7)
    yield "two", record(b"set", some_ops()[:1]) + record(b"del", some_ops()[1:2])
    yield "cut", record(b"set", some_ops()[:1])[:-2]


def frame(flags, stored, raw_len, records, payload, first_lsn=5, watermark=4):
    head = b"\xf7CWF" + struct.pack("<HHIIQII", 1, flags, stored, raw_len, first_lsn, records, 0)
    head += struct.pack("<QQQQQQQ", 0, 11, 1700000000000, 3, 0, watermark, 0)
    return head + payload


# A zstd frame of 40 times "user:0000".
ZSTD = bytes.fromhex("28b52ffd60680085000048757365723a3030303001005c54cb11")


def wal_frame():
    yield "raw", b"\7" + frame(0, 24, 24, 2, b"r" * 24)
    yield "zstd", b"\7" + frame(1, len(ZSTD), 360, 2, ZSTD)
    yield "clean", b"\7" + frame(4, 0, 0, 0, b"")
    yield "dictionary", b"\x0f" + frame(3, len(ZSTD), 360, 1, ZSTD)
    yield "unsealed", b"\0" + frame(0, 24, 24, 2, b"r" * 24)
    yield "large", b"\x17" + b"user:0000" * 120
    yield "large-dictionary", b"\x1f" + b"user:0000" * 120


def segment(history, dictionary=b"", flags=0, first_lsn=10, watermark=9):
    head = b"CairnWAL" + struct.pack("<IIQQQQQQIIII", 1, 4096, 0, 5, first_lsn, 77, watermark,
                                     1700000000000, flags, len(history), len(dictionary), 0)
    return head + b"".join(struct.pack("<QQQ", *h) for h in history) + dictionary


def wal_segment():
    yield "first", b"\3" + segment([(11, 0, 1)])
    yield "recycled", b"\3" + segment([(11, 0, 1), (12, 1, 9)], flags=1)
    yield "dictionary", b"\3" + segment([(11, 0, 1)], b"dictionary" * 5)
    yield "two-units", b"\x0b" + segment([(11, 0, 1)])
    yield "cut", b"\7" + segment([(11, 0, 1)])
    yield "name", b"\0" + b"00000000000000ff.wal"


def built_record(ops=1, client=0):
    shape = client | (ops - 1) << 1 | 8
    return bytes([shape]) + b"".join(bytes([0]) + counted(b"key%d" % i) + counted(b"value" * 8)
                                     for i in range(ops))


def built_frame(records, how=0, lie=0):
    return bytes([1, how | len(records)]) + b"".join(records) + bytes([lie])


def wal_reader():
    one = built_record()
    two = built_record(2, 1)
    first = b"\0\0\0" + built_frame([one, two], 8) + built_frame([one], 8)
    yield "one-segment", b"\0\0" + first
    yield "two-segments", b"\2\0" + first + b"\0\1\0" + built_frame([two, one])
    yield "compressed", b"\0\0" + b"\0\2\0" + built_frame([two, two, two], 0x20)
    yield "clean", b"\0\0" + first + bytes([1, 4, 0])
    yield "torn", b"\0\0" + first + built_frame([one], 16) + b"\5\0\x10"
    yield "safe", b"\0\3" + first + b"\5\0\x10"
    yield "flipped", b"\0\0" + first + b"\6\0\x20\x01"
    yield "lies", b"\0\0" + first + built_frame([one], 0, 8) + built_frame([one], 0, 12)
    yield "behind", b"\0\0\0\1\0" + built_frame([one]) + b"\4\0\x40\3\0\x20" + b"x" * 32


def key_codec():
    large = bytes([2 | 1 << 4, 1]) + struct.pack("<QQQQQ", 1700000000000, 7, 100, 0, 0)
    yield "name", b"\0\0\7" + counted(b"user:1") + b"value"
    yield "long-name", b"\0\x3f\7" + counted(b"user:1000000000") + b"value"
    yield "stored", b"\1" + bytes([5]) + struct.pack(">H", 9) + b"K" + b"123456" + b"name..value"
    yield "long-stored", (b"\1" + bytes([171]) + struct.pack(">H", 9) + b"K" + b"n" * 510 +
                          struct.pack(LE32, 600) + b"n" * 600)
    yield "string", b"\2\1\2hello"
    yield "large", b"\2" + large
    yield "index", b"\3" + number(1700000000000) + struct.pack(">H", 9) + b"K123456name"
    yield "state", b"\4" + struct.pack("<QQQQQI", 9, 8, 9, 3, 5, 1) + struct.pack("<QQQ", 11, 0, 1)
    yield "slot", b"\4" + struct.pack("<QQQQ", 1, 0, 20, 0)


def small_blob():
    entries = [b"a", b"bb", b"c" * 130]
    blob = struct.pack(LE16, 3) + b"".join(lengthy(e) for e in entries)
    edits = [(1, 0, b"x"), (3, 1, b"yy"), (2, 0, b""), (9, 2, b"z" * 200)]
    edits = b"".join(bytes([kind, place]) + counted(entry) for kind, place, entry in edits)
    yield "edits", counted(blob) + edits
    yield "empty", counted(struct.pack(LE16, 0)) + edits
    yield "damaged", counted(blob[:-1]) + edits


def hll():
    """The length of sparse values in units of 32, a value, elements."""
    head = b"HYLL\1" + bytes(11)
    elements = b"".join(counted(b"%d" % i) for i in range(20))
    yield "new", b"\x5e" + counted(b"") + elements
    yield "turns-dense", b"\1" + counted(b"") + elements
    yield "runs", b"\x5e" + counted(head + b"\x3f\x83\x8c\x40\x00\x7f\xba") + elements
    yield "too-few", b"\x5e" + counted(head + b"\x7f\xfe") + elements
    yield "too-many", b"\x5e" + counted(head + b"\x7f\xff\x84") + elements
    yield "cut", b"\0" + counted(head + b"\x3f\x7f") + elements


def rows():
    """Names and arities of the commands in the order of fuzz_commands.c."""
    found = []
    for group in ("string", "bitmap", "key", "hash", "list", "txn"):
        path = os.path.join(HERE, "../../net/command/cmd_%s.c" % group)
        with open(path, encoding="utf-8") as f:
            text = f.read().split("commands_%s[] = {" % group)[1]
        found += [(name, int(arity)) for name, arity in re.findall(r'\{"(\w+)",\s*(-?\d+)', text)
                  if not name.startswith("wait")]
    return found


def step(table, line):
    """A command as bytes. A word kN is a key; @N and fN are a number and a field up to 255; any
    other word is given as its bytes."""
    name, *args = line.split()
    index = [row[0] for row in table].index(name.lower())
    more = len(args) + 1 - abs(table[index][1])
    out = bytes([index, max(0, more)])
    for arg in args:
        if re.fullmatch("k[0-5]", arg):
            out += bytes([int(arg[1])])
        elif re.fullmatch("f[0-9]+", arg):
            out += bytes([8, int(arg[1:])])
        elif re.fullmatch("@[0-9]+", arg):
            out += bytes([9, int(arg[1:])])
        elif arg == "LONG":
            out += bytes([12, 250])
        else:
            out += bytes([14, len(arg)]) + arg.encode()
    return out


def commands():
    table = rows()
    late, cycle, checkpoint = b"\xc8\x10", b"\xca\xff", b"\xcb\0"
    scripts = {
        "strings": ["SET k0 value EX @100", "APPEND k0 more", "INCR k1", "SETRANGE k0 @9 x",
                    "GETEX k0 PX @9", "SETBIT k2 @100 @1", "BITFIELD k2 INCRBY u8 @8 @200",
                    "BITOP XOR k3 k2 k0"],
        "hashes": ["HSET k0 f1 a f2 b f3 c", "HSET k0 f9 LONG", "HINCRBY k0 f8 @5", "HDEL k0 f9",
                   "PEXPIRE k0 @100", "HRANDFIELD k0 -3", "HSCAN k0 0"],
        "lists": ["RPUSH k0 a b c d e", "LPUSH k0 LONG", "LINSERT k0 BEFORE c x",
                  "LMOVE k0 k1 LEFT RIGHT", "LTRIM k0 @1 @3", "LREM k0 0 b", "LSET k1 0 y",
                  "LPOS k0 c RANK @1"],
        "keys": ["SET k0 v", "RENAME k0 k1", "COPY k1 k2 REPLACE", "EXPIRE k2 @1",
                 "SCAN 0 COUNT @9", "OBJECT ENCODING k1", "DEL k1 k2", "RANDOMKEY"],
        "transaction": ["WATCH k0", "MULTI", "SET k0 a", "LPUSH k0 b", "INCR k1", "EXEC",
                        "MULTI", "DISCARD"],
        "expiry": ["SET k0 a PX @5", "HSET k1 f1 v", "PEXPIRE k1 @9"],
    }
    for number_of, (name, lines) in enumerate(scripts.items()):
        body = [step(table, line) for line in lines]
        body[4:4] = [checkpoint]
        yield name, bytes([(0, 7, 31, 32, 63, 27)[number_of]]) + b"".join(body) + late + cycle


def rdb_value():
    """The samples of the unit tests: every encoding of every type."""
    with open(os.path.join(HERE, "../support/rdb_samples.c"), encoding="utf-8") as f:
        text = f.read().split("rdb_samples[] = {")[1].split("\n};")[0]
    for what, hexes in re.findall(r'\{"([^"]*)",\s*RDB_KIND_\w+,\s*((?:"[0-9a-f]+"\s*)+),', text):
        name = what.replace(" ", "-").replace(",", "")
        yield name, bytes.fromhex("".join(re.findall("[0-9a-f]+", hexes)))


def library():
    """Payloads, sets and first lines of libraries."""
    code = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)"
    packed = b"\xf5" + bytes([0x40 | len(code) >> 8, len(code) & 255]) + code
    yield "payload", b"\0" + packed
    yield "payload-two", b"\0" + packed + b"\xf5\x07#!lua x"
    yield "payload-number", b"\0\xf5\xc0\x07\xf5\xc2\x01\x02\x03\x04"
    yield "payload-packed", b"\0\xf5\xc3\x05\x0a\x01aa\x60\x00"
    yield "set", b"\1\1" + b"".join(
        struct.pack("<II", len(n), len(code)) + n + code for n in (b"a", b"lib", b"lib2"))
    for number_of, line in enumerate((b"#!lua name=lib\nx", b"#!lua  name='a_1' \r\nx",
                                      b'#!LUA NAME="a\\x62"\n', b"#!js name=x\n",
                                      b"#!lua name=a name=b\n", b"#!lua x\n", b"#!lua")):
        yield "line-%d" % number_of, b"\2" + line


def redis_acks():
    yield "acks", b"\3" + resp("REPLCONF", "ACK", "20") + b"\r\n" + resp("replconf", "ack", "77")
    yield "others", b"\0\nPING\r\n" + resp("REPLCONF", "ACK", "x", "FACK", "1") + b"*1\r\n+x\r\n"


def translate():
    """Lives of large collections."""
    # All keys have this tag, so they are in one slot.
    place = struct.pack(LE16, binascii.crc_hqx(b"t", 0) % 16384) + varint(300)

    def put_key(name, kind, count, low, high, number=300):
        meta = bytes([kind | 1 << 4, 0]) + struct.pack("<QQQQ", number, count, low, high)
        return b"\0\0" + lengthy(name) + lengthy(meta)

    def put(subkey, value, kind=4):
        return bytes([kind, 0]) + place + lengthy(subkey) + lengthy(value)

    def position(i):
        return struct.pack(">Q", i)

    def entry(ms, value=b"\1f\1v"):
        return put(b"E" + struct.pack(">QQ", ms, 0), value)

    group = struct.pack("<Q", 1) + struct.pack(">QQQQ", 2, 0, 0, 0) + struct.pack("<qQQ", 2, 1, 1)
    consumer = struct.pack("<QqQ", 5, 5, 1) + b"alice"
    numbers = struct.pack("<Q", 0) + struct.pack(">QQQQ", 0, 0, 0, 0) + struct.pack("<QQ", 2, 256)
    pending = struct.pack("<QQQ", 2, 1700000000000, 1)
    one, two = struct.pack(">Q", 1), struct.pack(">Q", 2)
    claim = put(b"P" + one + struct.pack(">QQ", 1, 0), pending)
    again = put(b"P" + one + struct.pack(">QQ", 2, 0), pending)
    yield "stream", b"\1" + record(b"xadd", [entry(1), entry(2), put(b"X", numbers),
                                     put_key(b"{t}s", 6, 2, 2, 0)]) + \
        record(b"xgroup", [put(b"Gg", group + b"g"), put(b"D" + one + two, consumer)]) + \
        record(b"xreadgroup", [claim, again, put(b"Gg", group + b"g")]) + \
        record(b"xdel", [b"\5\0" + place + lengthy(b"E" + struct.pack(">QQ", 1, 0)),
                         put_key(b"{t}s", 6, 1, 2, 0)]) + \
        record(b"xgroup", [b"\5\0" + place + lengthy(b"Gg")])
    yield "list", b"\1" + record(b"rpush", [put(position(10), b"a"), put(position(11), b"b"),
                                    put_key(b"{t}l", 2, 2, 10, 12)]) + \
        record(b"lpush", [put(position(9), b"c"), put_key(b"{t}l", 2, 3, 9, 12)]) + \
        record(b"lset", [put(position(10), b"d")]) + \
        record(b"ltrim", [b"\5\0" + place + lengthy(position(9)), put_key(b"{t}l", 2, 2, 10, 12)])
    yield "fields", b"\1" + record(b"hset", [put(b"f", b"v", 2), put(b"g", b"w", 2),
                                     put_key(b"{t}h", 3, 2, 0, 0)]) + \
        record(b"hdel", [b"\3\0" + place + lengthy(b"f"), put_key(b"{t}h", 3, 1, 0, 0)]) + \
        record(b"rename", [b"\1\0" + lengthy(b"{t}h"), put_key(b"{t}i", 3, 1, 0, 0)]) + \
        record(b"flushall", [b"\7\0"])
    code = b"#!lua name=lib\n"
    first = b"\x08\0" + lengthy(b"lib") + lengthy(code)
    then = [b"\x09\0" + lengthy(b"lib"), b"\x08\0" + lengthy(b"b") + lengthy(code), b"\x0a\0"]
    yield "libraries", b"\1" + record(b"function", [first]) + record(b"exec", then)


def main():
    for make in (resp_reader, quoted_words, acl, config, wal_record, wal_frame, wal_segment,
                 wal_reader, key_codec, small_blob, hll, rdb_value, library, commands,
                 redis_acks, translate):
        folder = os.path.join(HERE, "corpus", make.__name__)
        os.makedirs(folder, exist_ok=True)
        for name, data in make():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
