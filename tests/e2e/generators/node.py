"""What a node that stands alone says to commands of the cluster, of replication and of its files,
and what it tells about memory and latency."""
from harness.steps import Step, pick

# Refused without cluster support, whatever follows.
CLUSTER = [
    ["INFO"], ["NODES"], ["SLOTS"], ["SHARDS"], ["LINKS"], ["MYID"], ["KEYSLOT", "k"],
    ["COUNTKEYSINSLOT", "1"], ["GETKEYSINSLOT", "1", "10"], ["ADDSLOTS", "1", "2"],
    ["ADDSLOTSRANGE", "1", "2"], ["DELSLOTS", "1"], ["DELSLOTSRANGE", "1", "2"], ["BUMPEPOCH"],
    ["COUNT-FAILURE-REPORTS", "x"], ["FAILOVER"], ["FAILOVER", "FORCE"], ["FLUSHSLOTS"],
    ["FORGET", "x"], ["MEET", "127.0.0.1", "1"], ["MEET", "x"], ["REPLICAS", "x"],
    ["SLAVES", "x"], ["REPLICATE", "x"], ["RESET"], ["RESET", "HARD"], ["SAVECONFIG"],
    ["SET-CONFIG-EPOCH", "1"], ["SETSLOT", "1", "STABLE"], ["NOSUCH"], ["NOSUCH", "x"],
]
ROLES = [
    ["FAILOVER"], ["FAILOVER", "ABORT"], ["FAILOVER", "TO", "x", "y"], ["FAILOVER", "x"],
    ["FAILOVER", "TO", "127.0.0.1", "1", "FORCE"], ["FAILOVER", "TIMEOUT", "x"],
    ["FAILOVER", "TIMEOUT", "-1"], ["FAILOVER", "FORCE"], ["FAILOVER", "ABORT", "TIMEOUT", "1"],
    ["REPLICAOF", "NO", "ONE"], ["replicaof", "no", "one"], ["REPLICAOF", "x", "y"],
    ["REPLICAOF", "127.0.0.1", "-1"], ["REPLICAOF", "127.0.0.1", "65536"], ["REPLICAOF", "x"],
    ["SLAVEOF", "NO", "ONE"], ["SLAVEOF", "x", ""], ["SLAVEOF"],
    ["REPLCONF"], ["REPLCONF", "listening-port", "x"], ["REPLCONF", "listening-port", "7000"],
    ["REPLCONF", "ip-address", "1.2.3.4"], ["REPLCONF", "ip-address", "x" * 300],
    ["REPLCONF", "capa", "eof", "capa", "psync2"], ["REPLCONF", "nosuch", "x"],
    ["REPLCONF", "capa"], ["REPLCONF", "rdb-only", "x"], ["READONLY"], ["READWRITE"], ["ASKING"],
    ["READONLY", "x"], ["ROLE"],
]
FILES = [["SAVE"], ["BGREWRITEAOF"], ["CONFIG", "REWRITE"]]
ABOUT = [
    ["MEMORY", "DOCTOR"], ["MEMORY", "PURGE"], ["MEMORY", "STATS"], ["MEMORY", "STATS", "x"],
    ["LATENCY", "DOCTOR"], ["LATENCY", "DOCTOR", "x"],
    ["LATENCY", "GRAPH", "nosuch"], ["LATENCY", "GRAPH"], ["LATENCY", "HISTOGRAM", "nosuch"],
    ["LATENCY", "HISTOGRAM", "get"], ["LATENCY", "RESET", "nosuch"],
]
HELP = ["ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY",
        "MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO"]


def migrate(rng):
    """To nowhere: what is not there, a port that nobody listens on, wrong arguments."""
    start = ["MIGRATE", "127.0.0.1"]
    return rng.choice([
        lambda: start + ["1", "nosuchkey", "0", "100"],
        lambda: start + ["1", "", "0", "100", "KEYS", "nosuchkey", "nor this"],
        lambda: start + [rng.choice(["1", "x"]), pick.key(rng), rng.choice(["0", "x"]),
                         rng.choice(["100", "x"])],
        lambda: start + ["1", "k", "0", "10", "KEYS", "a", "b"],
        lambda: start + ["1", "", "0", "10"] + rng.choice([
            ["COPY", "REPLACE", "AUTH"], ["AUTH2", "x"], ["x"], ["COPY", "x"],
            ["AUTH2", "a", "b", "KEYS", "nosuchkey"]]),
        lambda: ["MIGRATE"] + start[1:] * rng.randrange(4),
    ])()


def databases(rng):
    """There is one; Redis, which has more, says so to none of these."""
    return rng.choice([
        ["MOVE", pick.key(rng), rng.choice(["0", "x", "-1", "99", "99999999999999999999"])],
        ["MOVE", "k"],
        ["SWAPDB", "0", rng.choice(["0", "x", "99"])], ["SWAPDB", "x", "0"], ["SWAPDB", "0"],
    ])


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.3:
            yield ["CLUSTER"] + rng.choice(CLUSTER)
        elif dice < 0.55:
            yield Step(rng.choice(ROLES), conn=rng.randrange(2))
        elif dice < 0.57:
            yield rng.choice(FILES)
        elif dice < 0.7:
            args = rng.choice(ABOUT)
            yield Step(args, "kind" if args[1:] in (["DOCTOR"], ["HISTOGRAM", "get"]) else None)
        elif dice < 0.75:
            yield Step([rng.choice(HELP), pick.case(rng, "HELP")], "kind")
        elif dice < 0.82:
            yield migrate(rng)
        elif dice < 0.9:
            yield databases(rng)
        else:
            yield ["SET", pick.key(rng), pick.value(rng)]
