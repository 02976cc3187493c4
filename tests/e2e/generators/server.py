"""The server group, as far as replies do not tell of the machine: CONFIG, COMMAND, DEBUG, OBJECT,
MEMORY, SLOWLOG, LATENCY, INFO and their errors."""
from harness.steps import Step, pick

# Subcommands and arity errors whose answers are the protocol's, not the machine's.
FIXED = [
    ["COMMAND", "COUNT"], ["COMMAND", "NOSUCH"], ["COMMAND", "COUNT", "x"], ["COMMAND", "HELP"],
    ["COMMAND", "GETKEYS", "GET", "a"], ["COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"],
    ["COMMAND", "GETKEYS", "NOSUCH", "a"], ["COMMAND", "GETKEYS", "PING"],
    ["COMMAND", "GETKEYS", "GET"], ["COMMAND", "GETKEYS"], ["COMMAND", "GETKEYS", "COPY", "a", "b"],
    ["COMMAND", "GETKEYS", "RENAME", "a", "b"], ["COMMAND", "GETKEYS", "SET", "a", "b"],
    ["COMMAND", "GETKEYSANDFLAGS", "SET", "a", "b"], ["COMMAND", "GETKEYSANDFLAGS", "GET", "a"],
    ["COMMAND", "GETKEYS", "DEL", "a", "b", "c"], ["COMMAND", "GETKEYS", "OBJECT", "ENCODING", "k"],
    ["COMMAND", "GETKEYSANDFLAGS", "MIGRATE", "h", "1", "", "0", "10", "KEYS", "a", "b"],
    ["COMMAND", "GETKEYSANDFLAGS", "SORT", "a", "STORE", "b"],
    ["COMMAND", "GETKEYS", "EVAL", "x", "5", "a"], ["COMMAND", "GETKEYS", "EVAL", "x", "y", "a"],
    ["MODULE"], ["MODULE", "LIST"], ["MODULE", "LOAD", "/x.so"], ["MODULE", "UNLOAD", "x"],
    ["MODULE", "LOADEX", "x", "y"], ["MODULE", "LOAD"], ["MODULE", "nosuch"], ["MODULE", "HELP"],
    ["LOLWUT", "VERSION", "x"], ["LOLWUT", "VERSION", ""],
    ["COMMAND", "INFO", "nosuch"], ["COMMAND", "DOCS", "nosuch"], ["COMMAND", "LIST", "NOSUCH"],
    ["COMMAND", "LIST", "FILTERBY", "NOSUCH", "x"],
    ["CONFIG"], ["CONFIG", "NOSUCH"], ["CONFIG", "GET"], ["CONFIG", "GET", "nosuch"],
    ["CONFIG", "SET"], ["CONFIG", "SET", "nosuch", "1"], ["CONFIG", "SET", "maxclients"],
    ["CONFIG", "SET", "timeout", "x"], ["CONFIG", "SET", "timeout", "-1"],
    ["CONFIG", "SET", "port", "x"], ["CONFIG", "RESETSTAT", "x"], ["CONFIG", "RESETSTAT"],
    ["CONFIG", "SET", "appendfsync", "sometimes"], ["CONFIG", "SET", "loglevel", "nosuch"],
    ["CONFIG", "SET", "timeout", "1", "timeout", "2"], ["CONFIG", "SET", "daemonize", "yes"],
    ["CONFIG", "REWRITE", "x"], ["CONFIG", "HELP"],
    ["CONFIG", "SET", "hash-max-listpack-entries", "x"],
    ["CONFIG", "SET", "client-output-buffer-limit", "normal 1 2"],
    ["CONFIG", "SET", "tcp-keepalive", "x"], ["CONFIG", "SET", "dbfilename", "a/b"],
    ["CONFIG", "SET", "maxmemory-clients", "101%"], ["CONFIG", "SET", "maxmemory-clients", "-1%"],
    ["CONFIG", "SET", "oom-score-adj-values", "1 2 x"], ["CONFIG", "SET", "watchdog-period", "0"],
    ["CONFIG", "GET", "watchdog-period"], ["EVAL_RO", "return redis.call('publish','a','b')", "0"],
    ["DEBUG"], ["DEBUG", "NOSUCH"], ["DEBUG", "SLEEP", "0"], ["DEBUG", "JMAP", "x", "y"],
    ["DEBUG", "SDSLEN", "nosuchkey"], ["DEBUG", "LISTPACK", "k1"], ["DEBUG", "HTSTATS-KEY", "k1"],
    ["DEBUG", "HTSTATS", "x"], ["DEBUG", "HTSTATS", "-1"],
    ["DEBUG", "REPLYBUFFER", "RESIZING", "1"],
    ["DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "never"], ["DEBUG", "PAUSE-CRON", "0"],
    ["DEBUG", "CLIENT-EVICTION"], ["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "0"],
    ["DEBUG", "SDSLEN"], ["DEBUG", "LISTPACK"], ["DEBUG", "HTSTATS"], ["DEBUG", "REPLICATE"],
    ["DEBUG", "ERROR", "CODE a\r\nb"], ["DEBUG", "ERROR", "-x"], ["DEBUG", "ERROR", ""],
    ["INFO"], ["INFO", "server"], ["INFO", "nosuch"], ["INFO", "everything"],
    ["LASTSAVE"], ["LASTSAVE", "x"], ["TIME"], ["TIME", "x"], ["ROLE", "x"],
    ["MEMORY"], ["MEMORY", "NOSUCH"], ["MEMORY", "USAGE"], ["MEMORY", "USAGE", "nosuchkey"],
    ["MEMORY", "USAGE", "k1", "SAMPLES"], ["MEMORY", "USAGE", "k1", "SAMPLES", "x"],
    ["MEMORY", "USAGE", "k1", "SAMPLES", "-1"], ["MEMORY", "HELP"], ["MEMORY", "PURGE", "x"],
    ["SLOWLOG"], ["SLOWLOG", "NOSUCH"], ["SLOWLOG", "RESET"], ["SLOWLOG", "LEN"],
    ["SLOWLOG", "GET", "x"], ["SLOWLOG", "GET", "-2"], ["SLOWLOG", "HELP"],
    ["LATENCY"], ["LATENCY", "NOSUCH"], ["LATENCY", "RESET"], ["LATENCY", "LATEST"],
    ["LATENCY", "HISTORY", "x"], ["LATENCY", "HISTORY"],
    ["SHUTDOWN", "NOSUCH"], ["SHUTDOWN", "SAVE", "NOSAVE"], ["SHUTDOWN", "ABORT"],
    ["SHUTDOWN", "ABORT", "NOW"], ["BGSAVE", "NOSUCH"], ["SAVE", "x"], ["DBSIZE", "x"],
    ["BGREWRITEAOF", "x"],
    ["FLUSHALL", "NOSUCH"], ["FLUSHDB", "ASYNC", "x"], ["WAIT"], ["WAIT", "x", "0"],
    ["WAIT", "0", "0"], ["WAIT", "0", "x"], ["WAIT", "0", "-1"], ["ROLE"],
]
# Directives that both know and whose change is harmless here.
SETTINGS = [
    ("timeout", ["0", "1000"]), ("tcp-keepalive", ["300", "60"]), ("maxclients", ["10000", "5000"]),
    ("hash-max-listpack-entries", ["128", "512", "4"]), ("list-max-listpack-size", ["-2", "-1"]),
    ("hash-max-listpack-value", ["64", "8"]), ("slowlog-log-slower-than", ["10000", "-1"]),
    ("slowlog-max-len", ["128", "64"]), ("loglevel", ["notice", "verbose", "warning"]),
    ("latency-monitor-threshold", ["0", "100"]), ("repl-timeout", ["60", "30"]),
    ("client-output-buffer-limit", ["normal 0 0 0", "pubsub 32mb 8mb 60"]),
    ("maxmemory-policy", ["noeviction"]), ("lazyfree-lazy-expire", ["no", "yes"]),
    ("proto-max-bulk-len", ["512mb", "1gb"]), ("cluster-node-timeout", ["15000"]),
    ("replica-priority", ["100", "10"]), ("slave-priority", ["100"]),
    ("hash-max-ziplist-entries", ["128"]),
]


def directive(rng):
    name, values = rng.choice(SETTINGS)
    if rng.random() < 0.5:
        return ["CONFIG", "GET", rng.choice([name, name.upper(), name])]
    return ["CONFIG", "SET", name, rng.choice(values)]


def command_info(rng):
    """Facts of the commands that both have, one at a time: arity, flags, key positions."""
    name = rng.choice(["get", "set", "del", "mset", "hset", "hgetall", "lpush", "lrange", "incr",
                       "expire", "ttl", "exists", "rename", "scan", "ping", "echo", "multi", "exec",
                       "watch", "getrange", "setbit", "hincrby", "lpop", "append", "strlen"])
    return ["COMMAND", "INFO", name]


def steps(rng):
    while True:
        dice = rng.random()
        if dice < 0.6:
            args = rng.choice(FIXED)
            if args[1:2] == ["HELP"]:
                yield Step(args, compare="kind")
            else:
                yield args
        elif dice < 0.85:
            yield directive(rng)
        elif dice < 0.9:
            yield command_info(rng)
        else:
            yield ["SET", "k1", pick.value(rng)]
