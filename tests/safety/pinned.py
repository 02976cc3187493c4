"""A client that stays with one node, as one does whose table is stale, and notes each write."""
import threading
import time

from harness.resp import Client, Closed


class Write:
    __slots__ = ("acked", "began", "ended", "error", "key", "waited")

    def __init__(self, key):
        self.key, self.acked, self.waited, self.error = key, False, None, None
        self.began = self.ended = 0.0


class Pinned(threading.Thread):
    """SETs key after key of its own at a node until told to stop; a refusal does not drive it
    away. wait: ask WAIT 1 with that timeout in ms after each."""

    def __init__(self, server, source, prefix, wait=None, pause=0.002, ask_position=False):
        super().__init__(daemon=True)
        self.server, self.source, self.prefix = server, source, prefix
        self.wait_ms, self.pause = wait, pause
        self.ask_position, self.position = ask_position, None
        self.writes = []
        self.going = True
        self.start()

    def run(self):
        client = None
        while self.going:
            write = Write("%s:%d" % (self.prefix, len(self.writes)))
            try:
                if client is None:
                    client = Client(self.server.reach[1], host=self.server.reach[0],
                                    source=self.source, timeout=2.0)
                write.began = time.monotonic()
                self.writes.append(write)
                write.acked = client.call("SET", write.key, write.key) == b"OK"
                write.ended = time.monotonic()
                if self.ask_position and write.acked:
                    self.position = client.call("CLUSTER", "LSN")
                if self.wait_ms:
                    write.waited = client.call("WAIT", 1, self.wait_ms)
            except (OSError, Closed) as e:
                write.error = str(e)
                if client is not None:
                    client.close()
                client = None
            except Exception as e:  # an error reply
                write.error = str(e)
            time.sleep(self.pause)
        if client is not None:
            client.close()

    def last_fate(self):
        """What its node says of the last write that it has taken; once stopped."""
        with Client(self.server.reach[1], host=self.server.reach[0], source=self.source,
                    timeout=2.0) as client:
            flat = client.call("CLUSTER", "LSN", self.position)
        return dict(zip(flat[::2], flat[1::2]))[b"fate"]

    def stop(self):
        self.going = False
        self.join(10)
        return self

    def acked(self, since=0.0):
        """Acknowledged writes that were sent then or later."""
        return [w for w in list(self.writes) if w.acked and w.began >= since]
