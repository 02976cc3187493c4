"""Bytes that are not quite requests: inline commands, cut and oversized lengths, broken headers.
Each is sent on a connection of its own and answered until the server closes or falls silent."""
from harness.steps import Step

ROUND = 20
CASES = [
    b"PING\r\n", b"PING\n", b"ping hello\r\n", b"\r\nPING\r\n", b"  PING  \r\n", b"\r\n\r\n",
    b"SET k v\r\nGET k\r\n", b'SET k "a b\\x41\\n"\r\nGET k\r\n', b"SET k 'a b'\r\nGET k\r\n",
    b'SET k "unbalanced\r\n', b"SET k 'unbalanced\r\n", b'SET k "a"b\r\n', b"GET 'a\\'b'\r\n",
    b'ECHO ""\r\n', b'ECHO "\\xzz"\r\n', b"ECHO a\tb\r\n", b"NOSUCH a b\r\n",
    b"*1\r\n$4\r\nPING\r\n", b"*0\r\nPING\r\n", b"*-1\r\nPING\r\n", b"*-10\r\nPING\r\n",
    b"*\r\nPING\r\n", b"*a\r\n", b"*1\r\nPING\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$a\r\n",
    b"*1\r\n:4\r\nPING\r\n", b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", b"*1048577\r\n", b"*1048576\r\n",
    b"*2147483648\r\n", b"*1\r\n$536870913\r\n", b"*1\r\n$536870912\r\n", b"*1\r\n$4\r\nPINGxx",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", b"*1\r\n$ 4\r\nPING\r\n", b"*+1\r\n$4\r\nPING\r\n",
    b"*1 \r\n", b"*01\r\n$4\r\nPING\r\n", b"$4\r\nPING\r\n", b"+PING\r\n", b"-ERR\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nNOPE\r\nPING\r\n", b"*3\r\n$3\r\nSET\r\n",
    b"*1\n$4\nPING\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n",
    b"Host: localhost\r\n", b"*1\r\n$4\r\nQUIT\r\nPING\r\n", b"QUIT\r\nPING\r\n",
    b"x" * 70000, b"*" + b"1" * 70000, b"*1\r\n$" + b"1" * 70000, b"A" * 40 + b"\r\n",
    b"*1\r\n$99999999999999999999\r\n", b"*99999999999999999999\r\n",
    b"*2\r\n$3\r\nGET\r\n$3\r\nab\r\n\r\n", b"*1\r\n\r\n", b"\xff\xfe\r\n",
]


def steps(rng):
    while True:
        data = rng.choice(CASES)
        if rng.random() < 0.15:
            # One byte changed somewhere in its first bytes.
            data = bytearray(data)
            data[rng.randrange(min(len(data), 24))] = rng.choice(b"\r\n*$:0 -19aZ\xff")
            data = bytes(data)
        yield Step(data, kind="raw", conn=9)
