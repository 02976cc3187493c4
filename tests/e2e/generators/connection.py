"""The connection group: PING ECHO SELECT HELLO RESET AUTH CLIENT QUIT."""
from harness.resp import encode
from harness.steps import Step, pick

CLIENT = [
    ["CLIENT", "GETNAME"], ["CLIENT", "SETNAME", "name"], ["CLIENT", "SETNAME", ""],
    ["CLIENT", "SETNAME", "with space"], ["CLIENT", "SETNAME", "a\nb"], ["CLIENT", "SETNAME"],
    ["CLIENT", "ID"], ["CLIENT", "INFO"], ["CLIENT", "LIST"], ["CLIENT", "LIST", "ID", "x"],
    ["CLIENT", "LIST", "TYPE", "nosuch"], ["CLIENT", "LIST", "TYPE", "normal"],
    ["CLIENT", "LIST", "NOSUCH"], ["CLIENT", "NOSUCH"], ["CLIENT"], ["CLIENT", "ID", "x"],
    ["CLIENT", "REPLY", "NOSUCH"], ["CLIENT", "REPLY", "ON"], ["CLIENT", "NO-EVICT", "on"],
    ["CLIENT", "NO-EVICT", "off"], ["CLIENT", "NO-EVICT", "x"], ["CLIENT", "KILL", "ID", "0"],
    ["CLIENT", "KILL", "ID", "x"], ["CLIENT", "KILL", "1.2.3.4:5"], ["CLIENT", "KILL"],
    ["CLIENT", "KILL", "TYPE", "nosuch"], ["CLIENT", "KILL", "ADDR", "1.2.3.4:5"],
    ["CLIENT", "KILL", "LADDR", "1.2.3.4:5"], ["CLIENT", "KILL", "ID", "99999999"],
    ["CLIENT", "KILL", "SKIPME", "maybe"], ["CLIENT", "PAUSE"], ["CLIENT", "PAUSE", "x"],
    ["CLIENT", "PAUSE", "-1"], ["CLIENT", "PAUSE", "0", "NOSUCH"], ["CLIENT", "UNPAUSE"],
    ["CLIENT", "UNBLOCK", "99999999"], ["CLIENT", "UNBLOCK", "x"],
    ["CLIENT", "UNBLOCK", "99999999", "NOSUCH"], ["CLIENT", "GETREDIR"], ["CLIENT", "HELP"],
    ["CLIENT", "UNPAUSE", "x"],
]
OTHER = [
    ["PING"], ["ping"], ["PING", "hello"], ["PING", ""], ["PING", "a", "b"], ["ECHO"],
    ["ECHO", "a", "b"], ["SELECT", "0"], ["SELECT", "x"], ["SELECT", "-1"], ["SELECT", "99"],
    ["SELECT"], ["SELECT", "0", "1"], ["AUTH", "x"], ["AUTH", "default", "x"],
    ["AUTH", "nosuch", "x"], ["AUTH", "a", "b", "c"], ["AUTH"], ["RESET"], ["RESET", "x"],
    ["HELLO"], ["HELLO", "2"], ["HELLO", "3"], ["HELLO", "4"], ["HELLO", "1"], ["HELLO", "x"],
    ["HELLO", "3", "SETNAME", "n"], ["HELLO", "3", "SETNAME", "a b"], ["HELLO", "3", "AUTH", "x"],
    ["HELLO", "3", "AUTH", "nosuch", "x"], ["HELLO", "3", "NOSUCH"], ["HELLO", "2", "SETNAME"],
    ["HELLO", "2", "AUTH", "default", "x"], ["HELLO", ""],
]

# Sent in one go where replies are switched off, held back, or the connection ends on the way.
SILENT = [
    ["CLIENT REPLY OFF", "CLIENT REPLY ON"],
    ["CLIENT REPLY OFF", "PING", "NOSUCH", "SET k1 v"],
    ["CLIENT REPLY SKIP"],
    ["CLIENT REPLY SKIP", "PING", "PING"],
    ["CLIENT REPLY SKIP", "NOSUCH"],
    ["CLIENT REPLY OFF", "CLIENT REPLY SKIP", "PING", "PING", "CLIENT REPLY ON"],
    ["CLIENT REPLY SKIP", "CLIENT REPLY SKIP", "PING", "PING"],
    ["CLIENT REPLY SKIP", "CLIENT REPLY ON", "PING"],
    ["CLIENT REPLY SKIP", "CLIENT REPLY x"],
    ["CLIENT REPLY OFF", "MULTI", "SET k1 w", "CLIENT REPLY ON", "EXEC", "GET k1"],
    ["CLIENT REPLY SKIP", "MULTI", "SET k1 w", "CLIENT REPLY OFF", "GET k1", "EXEC", "PING"],
    ["MULTI", "CLIENT REPLY SKIP", "GET k1", "PING", "EXEC", "PING", "PING"],
    ["MULTI", "CLIENT REPLY ON", "EXEC"],
    ["MULTI", "PING", "CLIENT REPLY OFF", "GET k1", "EXEC"],
    ["MULTI", "CLIENT REPLY OFF", "GET k1", "CLIENT REPLY ON", "ECHO a", "EXEC", "PING"],
    ["CLIENT REPLY OFF", "MULTI", "PING", "CLIENT REPLY ON", "ECHO a", "EXEC", "PING"],
    ["CLIENT REPLY OFF", "RESET", "PING"],
    ["CLIENT REPLY SKIP", "RESET", "PING"],
    ["CLIENT REPLY OFF", "HELLO 3", "CLIENT REPLY ON", "HGET h x"],
    ["MULTI", "QUIT", "PING"],
    ["MULTI", "RESET", "EXEC"],
    ["PING", "QUIT", "PING"],
    ["CLIENT PAUSE 20", "PING", "SET k1 a", "GET k1"],
    ["CLIENT PAUSE 20 WRITE", "GET k1", "DEL k1"],
    ["CLIENT PAUSE 20 WRITE", "MULTI", "SET k1 b", "EXEC", "GET k1"],
    ["CLIENT PAUSE 20 ALL", "MULTI", "GET k1", "EXEC"],
    ["MULTI", "CLIENT PAUSE 20", "GET k1", "EXEC", "PING"],
    ["CLIENT PAUSE 20000 WRITE", "GET k1", "CLIENT UNPAUSE", "SET k1 d"],
    ["CLIENT PAUSE 0", "PING"],
    ["CLIENT KILL TYPE normal SKIPME no", "PING"],
    ["CLIENT NO-EVICT ON", "CLIENT NO-EVICT OFF"],
    ["SELECT 0", "SELECT 99", "MULTI", "SELECT 99", "EXEC"],
]


def steps(rng):
    while True:
        conn = rng.randrange(2)
        dice = rng.random()
        if dice < 0.4:
            yield Step(rng.choice(CLIENT), conn=conn)
        elif dice < 0.8:
            yield Step(rng.choice(OTHER), conn=conn)
        elif dice < 0.9:
            yield Step(["ECHO", pick.value(rng)], conn=conn)
        elif dice < 0.97:
            # Replies have the protocol's shape after HELLO as well.
            yield Step(["HSET", "h", "f", "v"], conn=conn)
            yield Step([rng.choice(["HGETALL", "HGET", "GET", "LPOP"]), "h"], conn=conn)
        elif dice < 0.985:
            yield Step(["QUIT"], conn=conn)
        elif dice < 0.99:
            yield Step(b"".join(encode(line.split()) for line in rng.choice(SILENT)), conn=8,
                       kind="raw")
        else:
            yield Step(None, conn=conn, kind="reconnect")
