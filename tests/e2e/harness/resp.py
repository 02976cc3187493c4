"""A minimal RESP2/RESP3 client that keeps the reply's bytes as they came.

A parsed reply is (kind, value): kind is the type byte as str; value is bytes (None for a null), or
a list of replies for the aggregates * ~ > % |."""
import socket

AGGREGATES = "*~>%|"


class Closed(Exception):
    """The server closed the connection."""


class _More(Exception):
    pass


def _line(buf, at):
    end = buf.find(b"\r\n", at)
    if end < 0:
        raise _More
    return bytes(buf[at:end]), end + 2


def parse(buf, at=0):
    """(reply, end) of the reply that starts at offset at; raises _More when it is cut."""
    if at >= len(buf):
        raise _More
    kind = chr(buf[at])
    text, at = _line(buf, at + 1)
    if kind in "$=!":
        size = int(text)
        if size < 0:
            return (kind, None), at
        if len(buf) < at + size + 2:
            raise _More
        if buf[at + size:at + size + 2] != b"\r\n":
            raise ValueError("a bulk string does not end in CRLF: %r" % bytes(buf[:200]))
        return (kind, bytes(buf[at:at + size])), at + size + 2
    if kind in AGGREGATES:
        count = int(text)
        if count < 0:
            return (kind, None), at
        items = []
        for _ in range(count * (2 if kind in "%|" else 1)):
            item, at = parse(buf, at)
            items.append(item)
        return (kind, items), at
    if kind in "+-:,(#_":
        return (kind, text), at
    raise ValueError("not a RESP type: %r" % bytes(buf[:200]))


def encode(args):
    """The request as an array of bulk strings."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        if not isinstance(arg, (bytes, bytearray)):
            arg = str(arg).encode("utf-8", "surrogateescape")
        out.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(out)


def rebuilt(reply):
    """The bytes that a parsed reply came as."""
    kind, value = reply
    head = kind.encode()
    if value is None:
        return head + b"-1\r\n"
    if kind in "$=!":
        return head + b"%d\r\n%s\r\n" % (len(value), value)
    if kind in AGGREGATES:
        count = len(value) // (2 if kind in "%|" else 1)
        return head + b"%d\r\n" % count + b"".join(map(rebuilt, value))
    return head + value + b"\r\n"


def plain(reply):
    """The reply as Python values: bytes, int, None, list, dict; an error becomes an Exception."""
    kind, value = reply
    if value is None or kind == "_":
        return None
    if kind == ":":
        return int(value)
    if kind in "%|":
        items = [plain(v) for v in value]
        return dict(zip(items[::2], items[1::2]))
    if kind in AGGREGATES:
        return [plain(v) for v in value]
    if kind == "-":
        return Exception(value.decode("utf-8", "replace"))
    return value


class Client:
    def __init__(self, port, timeout=20.0, proto=2, host="127.0.0.1", password=None, source=None,
                 tls=None):
        """tls: the ssl.SSLContext to connect with."""
        self.sock = socket.create_connection((host, port), timeout=timeout,
                                             source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock)
        self.buf = bytearray()
        self.at = 0
        if password is not None:
            self.call("AUTH", password)
        if proto == 3:
            self.call("HELLO", "3")

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (ConnectionError, BrokenPipeError) as e:
            raise Closed(str(e)) from e

    def read(self):
        """(reply, its bytes)."""
        while True:
            try:
                reply, end = parse(self.buf, self.at)
            except _More:
                pass
            else:
                raw = bytes(self.buf[self.at:end])
                self.at = end
                if self.at == len(self.buf):
                    self.buf.clear()
                    self.at = 0
                return reply, raw
            try:
                data = self.sock.recv(1 << 18)
            except ConnectionError as e:
                raise Closed(str(e)) from e
            if not data:
                raise Closed("end of stream")
            if self.at > 1 << 20:
                del self.buf[:self.at]
                self.at = 0
            self.buf += data

    def raw(self, *args):
        self.send(encode(args))
        return self.read()[1]

    def call(self, *args):
        """The reply as Python values; an error reply is raised as an Exception."""
        self.send(encode(args))
        value = plain(self.read()[0])
        if isinstance(value, Exception):
            raise value
        return value

    def pipeline(self, commands):
        """Replies as Python values; errors are returned in place."""
        self.send(b"".join(encode(c) for c in commands))
        return [plain(self.read()[0]) for _ in commands]

    def drain(self, seconds):
        """All bytes until the server closes or stays silent for seconds; and whether it closed."""
        data = bytes(self.buf[self.at:])
        self.buf.clear()
        self.at = 0
        self.sock.settimeout(seconds)
        try:
            while True:
                more = self.sock.recv(1 << 16)
                if not more:
                    return data, True
                data += more
        except socket.timeout:
            return data, False
        except ConnectionError:
            return data, True

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
