"""A connection whose replies and messages are compared as bytes."""
import select
import socket

from harness.resp import encode, parse


class Peer:
    """A connection whose bytes are kept as they came."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.buf = bytearray()

    def send(self, text):
        self.sock.sendall(encode([b"" if w == "''" else w for w in text.split()]))

    def take(self, count):
        """The bytes of the next count replies or messages."""
        taken = b""
        while count > 0:
            try:
                _, end = parse(self.buf)
            except Exception:  # cut: more is to come
                more = self.sock.recv(1 << 20)
                if not more:
                    raise ConnectionError("closed")
                self.buf += more
                continue
            taken += bytes(self.buf[:end])
            del self.buf[:end]
            count -= 1
        return taken

    def ask(self, text):
        self.send(text)
        return self.take(1)

    def silent(self):
        return not self.buf and not select.select([self.sock], [], [], 0.05)[0]

    def close(self):
        self.sock.close()
