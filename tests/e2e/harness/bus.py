"""Messages of the cluster bus, made by hand: right ones, and wrong ones."""
import socket
import struct

HEADER = 2256
PING, PONG, MEET, FAIL, PUBLISH, AUTH_REQUEST, AUTH_ACK, UPDATE, MFSTART, MODULE = range(10)
PUBLISHSHARD = 10
EXT_DATA = 4


def header(kind, sender, body=b"", **more):
    """A message. more: port, bus_port, count, current, config, offset, slots (2048 bytes), primary,
    ip, extensions, flags, mflags, version, length."""
    head = bytearray(HEADER)
    head[0:4] = b"RCmb"
    struct.pack_into(">IHHHHQQQ", head, 4, more.get("length", HEADER + len(body)),
                     more.get("version", 1), more.get("port", 7), kind, more.get("count", 0),
                     more.get("current", 0), more.get("config", 0), more.get("offset", 0))
    head[40:80] = sender.encode()
    head[80:2128] = more.get("slots", bytes(2048))
    head[2128:2168] = more.get("primary", "").encode().ljust(40, b"\0")
    head[2168:2214] = more.get("ip", b"").ljust(46, b"\0")
    struct.pack_into(">H", head, 2214, more.get("extensions", 0))
    struct.pack_into(">HHHBB", head, 2246, 0, more.get("bus_port", 17), more.get("flags", 17), 0,
                     more.get("mflags", 0))
    return bytes(head) + body


def gossip(node, ip=b"127.0.0.1", port=9, bus_port=19, flags=1, pong=0):
    return (node.encode() + struct.pack(">II", 0, pong) + ip.ljust(46, b"\0") +
            struct.pack(">HHHHH", port, bus_port, flags, 0, 0))


def extension(kind, data, length=None):
    data = data.ljust((len(data) + 7) & ~7, b"\0")
    return struct.pack(">IHH", 8 + len(data) if length is None else length, kind, 0) + data


class Peer:
    """A connection to a node's bus."""

    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.options["cluster-port"]),
                                             timeout=10)

    def send(self, data):
        """False: the node has hung up."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def answer(self):
        """The type of the next message, None at the end."""
        data = b""
        try:
            while len(data) < 8 or len(data) < struct.unpack(">I", data[4:8])[0]:
                more = self.sock.recv(1 << 16)
                if not more:
                    return None
                data += more
        except OSError:
            return None
        return struct.unpack(">H", data[12:14])[0]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
