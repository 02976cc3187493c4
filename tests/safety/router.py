"""A small cluster client with an address of its own, which follows redirections."""
import random

from harness.resp import Client, Closed, encode, plain
from harness.tools import keyslot


class Refused(Exception):
    """An error reply: the command was not carried out."""


class Unknown(Exception):
    """No reply: it was carried out or not."""


class Router:
    """Knows by itself who served which slot last; asks anybody about the others. Never sends a
    command twice after it may have been carried out."""

    def __init__(self, nodes, source, rng=None, timeout=1.0, among=None):
        self.nodes = list(among or nodes.nodes)
        self.source, self.timeout = source, timeout
        self.rng = rng or random.Random(source)
        self.clients = {}  # (host, port) -> Client
        self.owners = {}   # slot -> (host, port)
        self.last = None   # who was asked last

    def _anybody(self):
        return self.rng.choice(self.nodes).reach

    def _client(self, address):
        client = self.clients.get(address)
        if client is None:
            client = Client(address[1], host=address[0], source=self.source, timeout=self.timeout)
            self.clients[address] = client
        return client

    def drop(self, address):
        client = self.clients.pop(address, None)
        if client is not None:
            client.close()

    def call(self, key, *commands):
        """Replies of a pipeline to the owner of the key's slot. Raises Unknown or Refused (the
        first command's error, redirections that lead nowhere included)."""
        slot = keyslot(key.encode())
        for _ in range(4):
            address = self.owners.get(slot) or self._anybody()
            self.last = address
            try:
                client = self._client(address)
            except OSError as e:
                self.owners.pop(slot, None)
                raise Refused("no connection: %s" % e) from e
            try:
                client.send(b"".join(encode(c) for c in commands))
                replies = [plain(client.read()[0]) for _ in commands]
            except (OSError, Closed) as e:
                self.drop(address)
                self.owners.pop(slot, None)
                raise Unknown(str(e)) from e
            first = replies[0]
            if not isinstance(first, Exception):
                self.owners[slot] = address
                return replies
            text = str(first)
            if text.startswith("MOVED "):
                host, _, port = text.split()[2].rpartition(":")
                if not host:
                    host = address[0]
                if (host, int(port)) == address:
                    raise Refused(text)
                self.owners[slot] = (host, int(port))
                continue
            if not text.startswith("CLUSTERDOWN"):
                self.owners.pop(slot, None)
            raise Refused(text)
        raise Refused("redirected in circles")

    def wait(self, replicas, timeout_ms):
        """WAIT for what was written last, on its connection: how many replicas have it."""
        try:
            return self.clients[self.last].call("WAIT", replicas, timeout_ms)
        except (OSError, Closed):
            self.drop(self.last)
        except Exception:  # an error reply: it is no primary any more
            pass
        return 0

    def close(self):
        for address in list(self.clients):
            self.drop(address)
