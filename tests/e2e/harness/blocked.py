"""The same steps by several clients, some of which wait, on servers of both kinds."""
from harness import cluster
from harness.peer import Peer
from harness.servers import info

BLOCKS = "blocks"
VERSIONED = {"HELLO 2", "HELLO 3"}


def blocked_count(client):
    return int(info(client, "clients")["blocked_clients"])


def until_blocked(client, count):
    cluster.until(lambda: blocked_count(client) == count, "%d clients wait" % count)


def play(server, steps):
    """Steps are (client, request, {client: replies}), the client's own one when not said; BLOCKS:
    the client waits. Returns what was answered; at the end nobody waits, and nothing is left."""
    peers, seen = {}, []
    with server.client() as watcher:
        for step in steps:
            who, text = step[:2]
            counts = step[2] if len(step) == 3 else {who: 1}
            before = blocked_count(watcher)
            peers.setdefault(who, Peer(server.port)).send(text)
            if counts == BLOCKS:
                until_blocked(watcher, before + 1)
                continue
            got = {n: peers[n].take(count) for n, count in counts.items()}
            seen.append((text, None if text in VERSIONED else got))
        assert blocked_count(watcher) == 0
    for peer in peers.values():
        assert peer.silent()
        peer.close()
    return seen
