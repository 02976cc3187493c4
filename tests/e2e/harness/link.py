"""A TCP proxy between two nodes whose connection can be cut, held, slowed or damaged."""
import socket
import threading
import time


class Link:
    """Listens on a free port and forwards to another one. damage: a function of (bytes, offset in
    the stream) that gives what the client gets instead; it sees only what the far side sends."""

    def __init__(self, to_port):
        self.to_port = to_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.refusing = False
        self.held = False
        self.damage = None
        self.rate = 0  # bytes per second towards the client, 0: no limit
        self.bytes = 0
        self.pairs = []
        self.lock = threading.Lock()
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.closed:
            try:
                near, peer = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.to_port), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self.lock:
                self.pairs.append((near, far))
            for args in ((near, far, peer[0], False), (far, near, peer[0], True)):
                threading.Thread(target=self._pump, args=args, daemon=True).start()

    def is_held(self, client, towards_client):
        """Whether nothing gets through now, in that direction, for who connected from that
        address."""
        del client, towards_client
        return self.held

    def _pump(self, source, target, client, towards_client):
        offset = 0
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                while self.is_held(client, towards_client) and not self.closed:
                    time.sleep(0.01)
                if towards_client:
                    if self.damage is not None:
                        changed = self.damage(data, offset)
                        offset += len(data)
                        data = changed
                    else:
                        offset += len(data)
                    self.bytes += len(data)
                    if self.rate:
                        time.sleep(len(data) / self.rate)
                target.sendall(data)
        except OSError:
            pass
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Ends the connections there are."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for s in pair:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()

    def close(self):
        self.closed = True
        self.listener.close()
        self.cut()
