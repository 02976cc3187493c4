"""FUNCTION and FCALL: libraries put together from functions that do what scripts do, from
registrations that are wrong in every way, and payloads; calls of what there is, and of what is not;
now and then a restart or a kill of Cairn, after which it must have the same libraries."""
from generators import now_and_then, scripts
from harness import rdb
from harness.steps import Step

LIBRARIES = ["lib", "Lib", "other", "l1"]
FUNCTIONS = ["f", "g", "h", "fn_1"]
FLAGS = ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"]

LINES = ["", "#!lua", "#!lua\n", "#!lua name=\n", "#!lua name=a-b\n", "#!js name=lib\n",
         "no mark", "#!lua name=lib name=x\n", "#!lua name=lib x=1\n", "#! name=lib\n",
         '#!lua name="lib\n', "#!lua flags=no-writes\n", "#!LUA NAME=lib\n",
         "#!lua name=lib\r\n", "#!lua  name='lib' \n"]

WRONG = ["redis.register_function()", "redis.register_function('f')",
         "redis.register_function('f',1)", "redis.register_function({},function() end)",
         "redis.register_function(1,2,3)", "redis.register_function('a-b',function() end)",
         "redis.register_function{}", "redis.register_function{function_name='f'}",
         "redis.register_function{function_name='f',callback=1}",
         "redis.register_function{callback=function() end}",
         "redis.register_function{function_name={},callback=function() end}",
         "redis.register_function{'f',function() end}",
         "redis.register_function{function_name='f',callback=function() end,nosuch=1}",
         "redis.register_function{function_name='f',callback=function() end,flags=1}",
         "redis.register_function{function_name='f',callback=function() end,flags={'nosuch'}}",
         "redis.register_function{function_name='f',callback=function() end,description={}}",
         "x=1", "local x = y", "redis.call('ping')", "redis.x=1", "local x = tostring(1)",
         "error('x')", "local a; a.b=1", "bad(", "math.random()", "string.rep('x',1)", "return 7",
         "('x').y()", "redis.setresp(3)", "redis.log(9,'x')", "redis.log(redis.LOG_DEBUG)",
         "local r = redis.register_function r.x=1", "setmetatable(redis,{})"]

FINE = ["local s = 'x'", "redis.log(redis.LOG_DEBUG,'loading')", "local t = {}",
        "local v = redis.REDIS_VERSION_NUM > 0", "local function help(x) return x end",
        "local up = ('a'):upper()"]


def body(rng):
    """What a function does: a script's body, its keys and arguments being the function's own."""
    return " ".join([scripts.statement(rng) for _ in range(rng.choice([0, 1, 2]))]
                    + [scripts.ending(rng)])


def register(rng, name):
    code = "function(KEYS, ARGV) %s end" % body(rng)
    if rng.random() < 0.5:
        return "redis.register_function('%s', %s)" % (name, code)
    more = ""
    if rng.random() < 0.7:
        more += ", flags={%s}" % ",".join(
            "'%s'" % f for f in sorted(rng.sample(FLAGS, rng.randrange(3))))
    if rng.random() < 0.4:
        more += ", description='what %s does'" % name
    return "redis.register_function{function_name='%s', callback=%s%s}" % (name, code, more)


def library(rng, name=None):
    parts = [rng.choice(FINE) for _ in range(rng.choice([0, 0, 1]))]
    # Names that differ in case alone end redis-server.
    for function in rng.sample(FUNCTIONS, rng.choice([1, 1, 2, 3])):
        parts.append(register(rng, function))
    if rng.random() < 0.12:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(WRONG))
    line = "#!lua name=%s\n" % (name or rng.choice(LIBRARIES))
    if rng.random() < 0.04:
        line = rng.choice(LINES)
    return line + rng.choice([" ", "\n"]).join(parts)


def plain(rng, name, functions):
    """A library that loads everywhere."""
    return "#!lua name=%s\n" % name + " ".join(
        "redis.register_function('%s', function(k, a) return {'%s', #k, a[1]} end)"
        % (f, name + rng.choice("abc")) for f in functions)


def payload(rng):
    """Of FUNCTION RESTORE: mostly whole."""
    value = b"".join(
        b"\xf5" + rdb.raw((library(rng) if rng.random() < 0.2 else
                           plain(rng, name, rng.sample(FUNCTIONS, 2))).encode("latin-1"))
        for name in rng.sample(LIBRARIES, rng.choice([0, 1, 1, 2])))
    if rng.random() < 0.1:
        value += rng.choice([b"\x00\x01x", b"\xf5\x20x", b"\xff", b"\xf5\x00", b"\xf5\xc0\x07"])
    data = rdb.sealed(value)
    if rng.random() < 0.05:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([data[at] ^ 4]) + data[at + 1:]
    return data


def call(rng):
    name = rng.choice(FUNCTIONS + FUNCTIONS + ["F", "nosuch", ""])
    return [rng.choice(["FCALL"] * 5 + ["FCALL_RO"]), name] + scripts.arguments(rng)


def change(rng):
    dice = rng.random()
    if dice < 0.7:
        return ["FUNCTION", "LOAD"] + rng.choice([[], ["REPLACE"], ["REPLACE"]]) + [library(rng)]
    if dice < 0.82:
        return ["FUNCTION", "RESTORE", payload(rng)] + rng.choice(
            [[], ["APPEND"], ["REPLACE"], ["FLUSH"], ["replace"], ["x"], ["FLUSH", "x"]])
    if dice < 0.95:
        return ["FUNCTION", "DELETE", rng.choice(LIBRARIES + ["nosuch"])]
    return rng.choice([["FUNCTION", "FLUSH"], ["FUNCTION", "FLUSH", "SYNC"],
                       ["FUNCTION", "FLUSH", "async"]])


def other(rng):
    return rng.choice([
        lambda: ["FUNCTION", "LIST"], lambda: ["FUNCTION", "LIST", "WITHCODE"],
        lambda: ["FUNCTION", "LIST", "LIBRARYNAME", rng.choice(["l*", "LIB", "x", "[ol]*"])],
        lambda: ["FUNCTION", "STATS"], lambda: ["FUNCTION", "KILL"],
        lambda: ["FUNCTION", "LIST", "x"], lambda: ["FUNCTION", "LIST", "LIBRARYNAME"],
        lambda: ["FUNCTION", "LOAD", "x", "y"], lambda: ["FUNCTION", "LOAD", "REPLACE"],
        lambda: ["FUNCTION", "FLUSH", "x"], lambda: ["FUNCTION", "FLUSH", "SYNC", "x"],
        lambda: ["FUNCTION", "DELETE"], lambda: ["FUNCTION"], lambda: ["FUNCTION", "NOSUCH"],
        lambda: ["FUNCTION", "HELP"], lambda: ["FUNCTION", "DUMP"], lambda: ["FLUSHALL"],
        lambda: ["FCALL", "f"], lambda: ["FCALL", "f", "x"], lambda: ["FCALL", "f", 3, "a"],
        lambda: ["FCALL", "f", -1], lambda: ["EVAL", "return redis.call('fcall','f',0)", 0],
        lambda: ["EVAL", "return redis.call('function','list')", 0],
        lambda: ["COMMAND", "GETKEYS", "FCALL", "f", 2, "a", "b", "c"],
        lambda: ["EVAL", scripts.script(rng)] + scripts.arguments(rng),
    ])()


def stream(rng):
    while True:
        dice = rng.random()
        conn = rng.choice([0, 0, 1])
        if dice < 0.45:
            yield Step(call(rng), conn=conn)
        elif dice < 0.75:
            yield Step(change(rng), conn=conn)
        elif dice < 0.95:
            yield Step(other(rng), conn=conn)
        else:
            yield Step(["MULTI"], conn=2)
            for _ in range(rng.randrange(4)):
                yield Step(rng.choice([call, change, other])(rng), conn=2)
            yield Step(["EXEC"], conn=2)


def restart(rng):
    if rng.random() < 0.5:
        yield Step(None, kind="checkpoint")
    yield Step(rng.choice(["term", "kill", "check"]), kind="restart")
    yield Step(["FUNCTION", "LIST", "WITHCODE"])
    yield Step(None, kind="state")


def steps(rng):
    return now_and_then(rng, stream(rng), lambda: restart(rng))
