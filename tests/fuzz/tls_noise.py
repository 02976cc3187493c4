#!/usr/bin/env python3
"""Noise at the TLS port and at a TLS cluster's bus: random bytes, records and hellos that are cut,
split, repeated and altered, handshakes that are left, altered records after a whole one, nonsense
inside of good TLS, sudden ends. Throughout, the node answers a client that behaves; at the end
nothing is left of the others, and the node ends well (under a sanitizer: without a report or leak).

    tests/fuzz/tls_noise.py --cairn build/asan/cairn-server --seconds 300 --seed 1"""
import argparse
import os
import random
import shutil
import socket
import ssl
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from harness.resp import encode  # noqa: E402
from harness.servers import free_port, info  # noqa: E402
from harness.shard import until  # noqa: E402
from harness.tls import Papers, TlsServer  # noqa: E402

THREADS = 6
PAUSE_S = 0.02  # the most between two connections: noise, not a flood
ANSWER_S = 10
HANDSHAKE_S = 10  # what the node gives to a handshake
COMMANDS = (("PING",), ("GET", "k"), ("SET", "k", "v" * 3000), ("HELLO", "3"), ("QUIT",),
            ("SUBSCRIBE", "c"), ("BLPOP", "none", "1"), ("CLIENT", "LIST"), ("RESET",))


class Peer:
    """One connection that does not behave. The TLS is in memory, so that its bytes can be altered
    on their way."""

    def __init__(self, rng, port, contexts):
        self.rng = rng
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.sock.settimeout(0.1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = rng.choice(contexts).wrap_bio(self.incoming, self.outgoing)

    def close(self):
        if self.rng.random() < 0.3:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def altered(self, data):
        """The bytes, with something wrong."""
        data, rng = bytearray(data), self.rng
        if not data:
            return data
        kind = rng.randrange(6)
        at = rng.randrange(len(data))
        if kind == 0:
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 300))
        elif kind == 3:
            return data + data
        elif kind == 4:
            data[3:5] = rng.randbytes(2)  # the record's length
        else:
            data[0] = rng.choice((20, 21, 22, 23, 24, 128, 255))  # its type
        return data

    def send(self, data):
        """In one piece or many."""
        data = bytes(data)
        while data:
            size = len(data) if self.rng.random() < 0.6 else self.rng.randint(1, 50)
            self.sock.sendall(data[:size])
            data = data[size:]

    def send_made(self, spoil):
        made = self.outgoing.read()
        self.send(self.altered(made) if spoil else made)

    def receive(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise ConnectionError
        self.incoming.write(data)

    def shake(self, spoiled_flight):
        """The handshake, until a flight that is spoiled. True: it is done."""
        for flight in range(20):
            try:
                self.tls.do_handshake()
                self.send_made(spoiled_flight == flight)
                return spoiled_flight != flight
            except ssl.SSLWantReadError:
                self.send_made(spoiled_flight == flight)
                self.receive()
        return False

    def inside(self):
        """Nonsense, requests, and spoiled records in good TLS."""
        rng = self.rng
        for _ in range(rng.randint(1, 20)):
            kind = rng.randrange(4)
            if kind == 0:
                self.tls.write(rng.randbytes(rng.randint(1, 40000)))
            elif kind == 1:
                self.tls.write(b"RCmb" + struct.pack(">IHH", rng.randint(0, 1 << 22), 1,
                                                     rng.randrange(65536))
                               + rng.randbytes(rng.randint(0, 4000)))
            else:
                self.tls.write(b"".join(encode(rng.choice(COMMANDS))
                                        for _ in range(rng.randint(1, 50))))
            self.send_made(rng.random() < 0.05)
            if rng.random() < 0.3:
                self.receive()
        if rng.random() < 0.3:
            try:
                self.tls.unwrap()
            except ssl.SSLWantReadError:
                self.send_made(False)
                self.receive()

    def record(self):
        body = self.rng.randbytes(self.rng.randint(0, 2000))
        return struct.pack(">BHH", self.rng.choice((20, 21, 22, 23, 24)),
                           self.rng.choice((0x0300, 0x0301, 0x0303, 0x0304, 0x7f1c)),
                           self.rng.choice((len(body), self.rng.randrange(65536)))) + body

    def trouble(self):
        kind = self.rng.randrange(8)
        if kind == 0:
            self.send(self.rng.randbytes(self.rng.randint(1, 20000)))
        elif kind == 1:
            self.send(b"".join(self.record() for _ in range(self.rng.randint(1, 30))))
        elif kind == 2:
            return  # nothing at all
        elif kind < 5:
            self.shake(self.rng.randrange(3))
            self.send(self.record())
            self.receive()
        elif self.shake(-1):
            self.inside()


def make_trouble(rng, ports, contexts, end, counts, failed):
    while time.monotonic() < end:
        peer = None
        try:
            peer = Peer(rng, rng.choice(ports), contexts)
            peer.trouble()
        except OSError:  # ssl's own errors too
            pass
        except BaseException as e:
            failed.append(repr(e))
            raise
        counts.append(1)
        if peer is not None:
            peer.close()
        time.sleep(rng.random() * PAUSE_S)


def contexts_of(papers):
    found = []
    for name in ("one", "two", "old", None):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = papers.context(name)
            context.maximum_version = version
            found.append(context)
    # Most get further than the certificate.
    return found + [papers.context() for _ in range(12)]


def descriptors(server):
    return len(os.listdir("/proc/%d/fd" % server.process.pid))


def run(server, options):
    rng = random.Random(options.seed)
    with server.client() as c:
        c.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        before = descriptors(server)
    end = time.monotonic() + options.seconds
    counts, failed, slowest = [], [], 0
    threads = [threading.Thread(target=make_trouble,
                                args=(random.Random(rng.random()),
                                      (server.port, server.bus_port), contexts_of(server.papers),
                                      end, counts, failed)) for _ in range(THREADS)]
    for t in threads:
        t.start()
    while time.monotonic() < end:
        begin = time.monotonic()
        with server.client(timeout=ANSWER_S) as c:
            assert c.call("PING") == b"PONG"
        slowest = max(slowest, time.monotonic() - begin)
        time.sleep(0.2)
    for t in threads:
        t.join()
    assert not failed, failed
    with server.client() as c:
        until(lambda: info(c)["connected_clients"] == "1", 4 * HANDSHAKE_S, "clients are gone")
        until(lambda: descriptors(server) <= before, 4 * HANDSHAKE_S, "sockets are closed")
        c.call("SET", "k", "after")
    print("%d connections; slowest answer %.2f s; %d kB at the end" % (
        len(counts), slowest, server.status_kb("VmRSS")))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="cairn-noise-")
    bus_port = free_port()
    try:
        with TlsServer(options.cairn, "cairn", Papers(folder), {
                "cluster-enabled": "yes", "tls-cluster": "yes", "cluster-port": bus_port,
                "cluster-node-timeout": 3000, "appendfsync": "no"}) as server:
            server.bus_port = bus_port
            run(server.start(), options)
            code = server.stop()
            if code != 0 or "Sanitizer" in server.says() or "runtime error" in server.says():
                server.keep = True
                sys.exit("the node ended with %d:\n%s" % (code, server.tail(60)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
