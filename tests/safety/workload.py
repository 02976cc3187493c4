"""Clients that write all the time and remember what they were told."""
import threading
import time

import router

ACKED, REFUSED, UNKNOWN = "acked", "refused", "unknown"


class Op:
    """One operation. id: unique in the run; what it leaves behind says it. result: of INCR the
    value, of RPUSH the length, of a compare-and-set the id that it replaced."""

    __slots__ = ("began", "ended", "id", "key", "kind", "node", "result", "status", "text",
                 "waited")

    def __init__(self, kind, key, id_):
        self.kind, self.key, self.id = kind, key, id_
        self.status, self.result, self.text, self.node = UNKNOWN, None, "", None
        self.waited = False  # WAIT said that all replicas have it
        self.began = self.ended = 0.0

    def record(self):
        return {name: getattr(self, name) for name in self.__slots__}


class Worker(threading.Thread):
    """A client. Each kind of operation has a method that fills in an Op."""

    KINDS = ("unique", "unique", "counter", "append", "append", "swap")
    KEYS_EACH = 2  # counters, lists and registers of a tag

    def __init__(self, nodes, number, rng, rate):
        super().__init__(daemon=True)
        self.number, self.rng, self.pause = number, rng, 1.0 / rate
        self.address = nodes.net.client_address()
        self.router = router.Router(nodes, self.address, rng, timeout=nodes.timeout_ms / 1000)
        self.tags, self.replicas = nodes.TAGS, nodes.replicas
        self.ops = []
        self.going = True

    def run(self):
        while self.going:
            begin = time.monotonic()
            self._one()
            time.sleep(max(0.0, self.pause - (time.monotonic() - begin)))
        self.router.close()

    def stop(self):
        self.going = False

    def _one(self):
        kind = self.rng.choice(self.KINDS)
        tag = self.rng.choice(self.tags)
        id_ = "%d.%d" % (self.number, len(self.ops))
        which = self.rng.randrange(self.KEYS_EACH)
        key = {"unique": "%su:%s" % (tag, id_), "counter": "%sc:%d" % (tag, which),
               "append": "%sl:%d" % (tag, which), "swap": "%sr:%d" % (tag, which)}[kind]
        op = Op(kind, key, id_)
        self.ops.append(op)
        op.began = time.monotonic()
        try:
            getattr(self, "_" + kind)(op)
        except router.Refused as e:
            op.status, op.text = REFUSED, str(e)
        except router.Unknown as e:
            op.text = str(e)
        op.ended = time.monotonic()
        op.node = self.router.last
        if op.status == REFUSED:
            time.sleep(0.02)

    def _acked(self, op, result):
        op.status, op.result = ACKED, result

    def _plain(self, op, *command):
        """With or without a WAIT behind it."""
        waits = self.rng.random() < 0.2
        self._acked(op, self.router.call(op.key, command)[0])
        if waits:
            op.waited = self.router.wait(self.replicas, 300) >= self.replicas

    def _unique(self, op):
        self._plain(op, "SET", op.key, op.id)

    def _counter(self, op):
        self._plain(op, "INCR", op.key)

    def _append(self, op):
        self._plain(op, "RPUSH", op.key, op.id)

    def _swap(self, op):
        """The register becomes op.id if it is still what was read; its history says so too."""
        history = op.key.replace("r:", "h:")
        replies = self.router.call(op.key, ("WATCH", op.key), ("GET", op.key))
        address = self.router.last
        if isinstance(replies[1], Exception):
            self.router.drop(address)
            raise router.Refused(str(replies[1]))
        before = replies[1].decode() if replies[1] is not None else "-"
        commands = [("MULTI",), ("SET", op.key, op.id),
                    ("RPUSH", history, "%s>%s" % (before, op.id)), ("EXEC",)]
        try:
            replies = self.router.call(op.key, *commands)
        except router.Refused:
            self.router.drop(address)
            raise
        if self.router.last != address:
            # The slot moved between the two: what was watched there does not count here.
            op.text = "unwatched"
            return
        done = replies[3]
        if isinstance(done, Exception):
            self.router.drop(address)
            # EXECABORT and all that is said before it runs.
            raise router.Refused(str(done))
        if done is None:
            raise router.Refused("changed meanwhile")
        self._acked(op, before)
