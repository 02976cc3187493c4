#!/usr/bin/env python3
"""What TLS costs, Cairn beside redis-server: CPU per operation with and without it, by
redis-benchmark; CPU per handshake; memory per idle client and for handshakes that are never
finished.

    tests/bench/bench_tls.py --cairn build/release/cairn-server

Goals, each of Redis's figure: CPU and memory not above it; half-open handshakes within 64 MiB."""
import argparse
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "e2e"))

from harness.resp import Client  # noqa: E402
from harness.servers import free_port, redis_binary  # noqa: E402
from harness.tls import Papers, TlsServer  # noqa: E402

OPTIONS = {"cairn": {"appendfsync": "everysec"},
           "redis": {"appendfsync": "everysec", "appendonly": "yes",
                     "auto-aof-rewrite-percentage": "0"}}
HALF_OPEN_KIB = 64 * 1024
SETTLE_S = 1.5  # until memory and CPU of what was done show


def cpu_per(server, count, work):
    """Microseconds of the server's CPU for each of count."""
    before = server.cpu_seconds()
    work()
    time.sleep(SETTLE_S)
    return (server.cpu_seconds() - before) / count * 1e6


def benchmark(where, command, depth, count):
    done = subprocess.run(["redis-benchmark"] + where + [
        "-t", command, "-n", str(count), "-P", str(depth), "-q", "-c", "50", "-d", "100",
        "-r", "100000"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
    if b"requests per second" not in done.stdout:
        raise RuntimeError(done.stdout.decode())


def operations(server, papers, scale, figures):
    ways = {"plain": ["-p", str(server.plain_port)],
            "TLS": ["-p", str(server.port)] + papers.cli_words()}
    for command in ("set", "get"):
        for depth, count in ((1, 30000), (16, 300000)):
            count = int(count * scale)
            for way, where in ways.items():
                figures["%s P=%d, %s: CPU us/op" % (command.upper(), depth, way)] = cpu_per(
                    server, count, lambda: benchmark(where, command, depth, count))


def handshakes(server, papers, scale, figures):
    context = papers.context()
    count = int(1000 * scale)

    def connect():
        for _ in range(count):
            Client(server.port, tls=context).close()
    figures["handshake with certificates on both sides: CPU us"] = cpu_per(server, count, connect)


def greeted(client):
    client.call("PING")
    return client


def memory(server, papers, scale, figures):
    context = papers.context()
    count = int(1000 * scale)
    before = server.status_kb("VmRSS")
    made = [greeted(Client(server.port, tls=context)) for _ in range(count)]
    time.sleep(SETTLE_S)
    figures["idle client of TLS: KiB"] = (server.status_kb("VmRSS") - before) / count
    for m in made:
        m.close()


def half_open(server, papers, scale, figures):
    hello = ssl.MemoryBIO()
    try:
        papers.context().wrap_bio(ssl.MemoryBIO(), hello).do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = hello.read()
    before = server.status_kb("VmRSS")
    made = []
    for _ in range(int(1000 * scale)):
        made.append(socket.create_connection(("127.0.0.1", server.port)))
        try:
            made[-1].sendall(hello)
        except OSError:
            pass  # it was closed, as one too many
    time.sleep(SETTLE_S)
    figures["1000 half-open handshakes: KiB"] = server.status_kb("VmRSS") - before
    for m in made:
        m.close()


PARTS = {"operations": operations, "handshakes": handshakes, "memory": memory,
         "half-open": half_open}


def measure(kind, binary, papers, parts, scale):
    figures = {}
    for part in parts:
        with TlsServer(binary, kind, papers, OPTIONS[kind], plain_port=free_port()) as server:
            server.start()
            greeted(server.client()).close()
            PARTS[part](server, papers, scale, figures)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cairn", required=True)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    folder = tempfile.mkdtemp(prefix="cairn-tls-bench-")
    try:
        papers = Papers(folder)
        parts = options.parts.split(",")
        ours = measure("cairn", options.cairn, papers, parts, options.scale)
        theirs = measure("redis", redis_binary(), papers, parts, options.scale)
    finally:
        shutil.rmtree(folder)
    for name, value in ours.items():
        most = HALF_OPEN_KIB if "half-open" in name else theirs[name]
        print("%-55s Cairn %9.2f  Redis %9.2f  %5.2fx  %s" % (
            name, value, theirs[name], value / theirs[name] if theirs[name] else 0,
            "ok" if value <= most else "missed"), flush=True)


if __name__ == "__main__":
    main()
