"""Values in Redis's serialized form (what DUMP answers), in every encoding that Redis up to 7.2 has
for strings, lists, sets, hashes and sorted sets. Made by hand, so that RESTORE is tested with more
than today's servers emit."""
import struct

POLYNOMIAL = 0x95ac9329ac4bc9b5


def _table():
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        rows.append(byte)
    return rows


TABLE = _table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc


def sealed(value, version=10):
    """Type and body as a payload: with version and checksum."""
    data = value + struct.pack("<H", version)
    return data + struct.pack("<Q", crc64(data))


def length(n):
    if n < 64:
        return bytes([n])
    return bytes([0x40 | n >> 8, n & 255]) if n < 16384 else b"\x80" + struct.pack(">I", n)


def number(data):
    """The integer whose canonical text this is, or None."""
    try:
        value = int(data)
    except ValueError:
        return None
    return value if b"%d" % value == data and -1 << 63 <= value < 1 << 63 else None


def raw(data):
    return length(len(data)) + data


def small(data):
    """As a number where it is one of up to 32 bits."""
    value = number(data)
    for code, form, bits in ((0xc0, "<b", 7), (0xc1, "<h", 15), (0xc2, "<i", 31)):
        if value is not None and -1 << bits <= value < 1 << bits:
            return bytes([code]) + struct.pack(form, value)
    return raw(data)


def lzf(data):
    """Packed: literals, and copies of the byte before where one repeats."""
    if not data:
        return raw(data)
    packed, at = b"", 0
    while at < len(data):
        run = 1
        while at > 0 and at + run <= len(data) and run < 9 and \
                data[at:at + run] == data[at - 1:at] * run:
            run += 1
        if run > 4:
            packed += bytes([(run - 3) << 5, 0])
            at += run - 1
        else:
            packed += b"\0" + data[at:at + 1]
            at += 1
    return b"\xc3" + length(len(packed)) + length(len(data)) + packed


def ziplist(entries):
    body, before, last = b"", 0, 10
    for data in entries:
        value = number(data)
        last = 10 + len(body)
        head = bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)
        if value is None:
            n = len(data)
            entry = (bytes([n]) if n < 64 else bytes([0x40 | n >> 8, n & 255]) if n < 16384
                     else b"\x80" + struct.pack(">I", n)) + data
        elif 0 <= value <= 12:
            entry = bytes([0xf1 + value])
        else:
            entry = _packed(value, ((0xfe, 1), (0xc0, 2), (0xf0, 3), (0xd0, 4), (0xe0, 8)))
        body += head + entry
        before = len(head + entry)
    return struct.pack("<IIH", 11 + len(body), last, len(entries)) + body + b"\xff"


def _packed(value, forms):
    for code, size in forms:
        if -1 << 8 * size - 1 <= value < 1 << 8 * size - 1:
            return bytes([code]) + value.to_bytes(size, "little", signed=True)
    raise ValueError(value)


def _back(n):
    count = 1 if n <= 127 else 2 if n < 16383 else 3 if n < 2097151 else 4
    return bytes(n >> 7 * (count - 1 - i) & 127 | (128 if i else 0) for i in range(count))


def listpack(entries):
    body = b""
    for data in entries:
        value = number(data)
        if value is None:
            n = len(data)
            entry = (bytes([0x80 | n]) if n < 64 else bytes([0xe0 | n >> 8, n & 255]) if n < 4096
                     else b"\xf0" + struct.pack("<I", n)) + data
        elif 0 <= value < 128:
            entry = bytes([value])
        elif -4096 <= value < 4096:
            entry = bytes([0xc0 | (value & 0x1fff) >> 8, value & 255])
        else:
            entry = _packed(value, ((0xf1, 2), (0xf2, 3), (0xf3, 4), (0xf4, 8)))
        body += entry + _back(len(entry))
    return struct.pack("<IH", 7 + len(body), len(entries)) + body + b"\xff"


def zipmap(flat):
    out = bytes([len(flat) // 2])
    for i, data in enumerate(flat):
        n = len(data)
        out += (bytes([n]) if n < 254 else b"\xfe" + struct.pack("<I", n)) + b"\0" * (i % 2) + data
    return out + b"\xff"


def string(rng, data):
    return b"\0" + rng.choice([raw, small, lzf])(data)


def list_value(rng, items):
    """A list in one of its encodings."""
    one = rng.choice([raw, small, lzf])
    half = len(items) // 2
    return rng.choice([
        lambda: b"\1" + length(len(items)) + b"".join(map(one, items)),
        lambda: b"\x0a" + rng.choice([raw, lzf])(ziplist(items)),
        lambda: b"\x0e\2" + raw(ziplist(items[:half])) + lzf(ziplist(items[half:])),
        lambda: b"\x12\1\2" + rng.choice([raw, lzf])(listpack(items)),
        lambda: b"\x12" + length(half + 1) + b"".join(b"\1" + one(x or b"-") for x in items[:half])
        + b"\2" + raw(listpack(items[half:])),
    ])()


def hash_value(rng, flat):
    """A hash in one of its encodings; flat: field, value, field, ..."""
    one = rng.choice([raw, small, lzf])
    return rng.choice([
        lambda: b"\4" + length(len(flat) // 2) + b"".join(map(one, flat)),
        lambda: b"\x09" + raw(zipmap(flat)),
        lambda: b"\x0d" + rng.choice([raw, lzf])(ziplist(flat)),
        lambda: b"\x10" + rng.choice([raw, lzf])(listpack(flat)),
    ])()


def intset(numbers):
    """Sorted integers of 2, 4 or 8 bytes each."""
    width, form = next((w, f) for w, f in ((2, "h"), (4, "i"), (8, "q"))
                       if all(-1 << 8 * w - 1 <= n < 1 << 8 * w - 1 for n in numbers))
    return struct.pack("<II%d%s" % (len(numbers), form), width, len(numbers), *numbers)


def set_value(rng, members):
    """A set in one of the encodings that Redis 7.0 reads; members all differ."""
    numbers = [number(m) for m in members]
    if None not in numbers and rng.random() < 0.7:
        return b"\x0b" + rng.choice([raw, lzf])(intset(sorted(numbers)))
    return b"\2" + length(len(members)) + b"".join(map(rng.choice([raw, small, lzf]), members))


def zset_value(rng, scores):
    """A sorted set in one of its encodings; scores: of each member, whole or halves."""
    one = rng.choice([raw, small, lzf])
    order = sorted(scores.items(), key=lambda pair: (pair[1], pair[0]))
    flat = [x for member, score in order for x in (member, b"%g" % score)]

    def text(score):
        if abs(score) == float("inf"):
            return b"\xfe" if score > 0 else b"\xff"
        return bytes([len(b"%g" % score)]) + b"%g" % score

    return rng.choice([
        lambda: b"\3" + length(len(order)) + b"".join(one(m) + text(s) for m, s in order),
        lambda: b"\5" + length(len(order)) + b"".join(one(m) + struct.pack("<d", s)
                                                      for m, s in order),
        lambda: b"\x0c" + rng.choice([raw, lzf])(ziplist(flat)),
        lambda: b"\x11" + rng.choice([raw, lzf])(listpack(flat)),
    ])()
