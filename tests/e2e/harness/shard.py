"""A shard of nodes: waiting until they agree, and comparing what they hold."""
import time

from harness.servers import info


def until(what, seconds=30, text="condition"):
    """Waits until what() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (seconds, text))
        time.sleep(0.01)


def replication(server):
    with server.client() as c:
        return info(c, "replication")


def linked(server):
    """True when the replica's link to its primary is up."""
    try:
        return replication(server).get("master_link_status") == "up"
    except Exception:  # it is being restarted
        return False


def lsn(server):
    return int(replication(server)["master_repl_offset"])


def wait_linked(*servers, seconds=30):
    for server in servers:
        until(lambda s=server: linked(s), seconds, "link of port %d" % server.port)


def wait_equal(*servers, seconds=60):
    """Until all are at the same LSN."""
    until(lambda: len({lsn(s) for s in servers}) == 1, seconds, "equal LSNs")


READS = {b"string": ("GET",), b"hash": ("HGETALL",), b"list": ("LRANGE", 0, -1),
         b"set": ("SMEMBERS",), b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
         b"stream": ("XRANGE", "-", "+")}


def libraries(client):
    """The code of each library of functions by its name."""
    return {listed[1]: listed[-1] for listed in client.call("FUNCTION", "LIST", "WITHCODE")}


def content(server):
    """Everything a node holds: {key: (type, value, has an expiry)}, and its libraries, if any."""
    found = {}
    with server.client() as c:
        kept = libraries(c)
        if kept:
            found[None] = kept
        cursor = b"0"
        while True:
            cursor, keys = c.call("SCAN", cursor, "COUNT", 1000)
            kinds = c.pipeline([("TYPE", key) for key in keys])
            # One that is none of these expired in between.
            there = [(key, kind) for key, kind in zip(keys, kinds) if kind in READS]
            values = c.pipeline([(READS[kind][0], key) + READS[kind][1:] for key, kind in there])
            times = c.pipeline([("PTTL", key) for key, _ in there])
            for (key, kind), value, ms in zip(there, values, times):
                if kind == b"hash":
                    value = dict(zip(value[::2], value[1::2]))
                elif kind == b"set":
                    value = frozenset(value)
                found[key] = (kind, value, ms != -1)
            if cursor == b"0":
                return found
