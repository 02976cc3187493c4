"""EVAL and its kin: scripts put together from pieces (commands that succeed and fail, conversions
in both directions, errors of every origin, the sandbox's walls), from several connections."""
import hashlib

from harness.steps import Step, pick

KEYS = ["k1", "k2", "k3", "h1", "l1"]

VALUES = ["1", "-7.9", "3.999", "1e300", "0/0", "'text'", "''", "'a\\0b'", "true", "false", "nil",
          "{}", "{1,2,3}", "{1,nil,3}", "{{1,{2}},'x'}", "{ok='fine'}", "{ok='a\\nb'}",
          "{err='ERR bad'}", "{err='bad\\r\\n'}", "{err=1}", "{double=3.25}", "{double=1/0}",
          "{double='x'}", "{map={a=1}}", "{map={}}", "{set={a=true}}", "{set={}}",
          "{big_number='12345678901234567890'}", "{verbatim_string={string='s',format='txt'}}",
          "{verbatim_string={string='s'}}", "print", "function() end", "redis.status_reply('st')",
          "redis.error_reply('er')", "redis.error_reply('-CODE msg')", "redis.error_reply('a b')",
          "redis.status_reply(1)", "redis.sha1hex('x')", "KEYS", "ARGV", "#KEYS", "ARGV[2]",
          "setmetatable({},{__index=function() return 1 end})", "{[1]=1,[2]=2,[4]=4}"]

ERRORS = ["error('plain')", "error('level 2',2)", "error({err='CODE text'})",
          "error({err='a\\nb'})",
          "error(7)", "error()", "nosuch()", "x=1", "return y", "local a; a.b=1", "return {}..'x'",
          "return 1<'2'", "return nil+1", "redis.nosuch()", "redis.x=1", "string.x=1",
          "rawset(_G,'x',1)", "setmetatable(_G,{})", "table.insert(redis,1)", "_G.x=1",
          "getmetatable('').__index=nil", "return os", "return io", "loadstring('z=1')()",
          "assert(false)", "assert(nil,'am')", "string.rep()", "tonumber()", "coroutine.yield(1)",
          "redis.call()", "redis.call({})", "redis.call('get',nil)", "redis.setresp(4)",
          "redis.log(9,'x')", "redis.sha1hex()", "redis.set_repl(9)", "KEYS=1", "bit.band('x')",
          "return loadstring('return 1+')", "select(0)", "unpack()", "next({},'no')",
          "table.concat({{}})", "string.format('%d','x')", "('x'):nosuch()", "return dofile",
          "load(1)", "xpcall(1)", "ipairs()"]

SHEBANGS = ["#!lua\n", "#!lua flags=no-writes\n", "#!lua flags=no-writes,allow-oom\n",
            "#!lua flags=allow-cross-slot-keys\n", "#!lua flags=nosuch\n", "#!lua name=x\n",
            "#!lua flags=\n", "#!lua flags=no-cluster,allow-stale\n", "#!js\n", "#!lua"]

LIBRARY = ["return {string.find('hello','l(.)')}", "return {('abc'):byte(1,-1)}",
           "return string.format('%5.2f %d %s %q',1,2,'x','y')",
           "return string.gsub('hello','l','L')",
           "return {unpack({1,2,3},2)}", "return table.concat({1,2,3},',')",
           "return {select(2,1,2,3)}",
           "local t={3,1,2} table.sort(t) return t", "return {tonumber('0x10'),tonumber('11',2)}",
           "return {bit.band(255,15),bit.tohex(255),bit.bnot(0),bit.lshift(1,31),bit.rol(1,33)}",
           "math.randomseed(ARGV[1]) return {math.random(1000),math.random(5,9)}",
           "return {math.floor(1.5),math.max(1,3),math.huge,-math.huge}",
           "return loadstring('return ...')(5)", "return {pcall(loadstring('error(1)'))}",
           "local n=0 return load(function() n=n+1 return ({'return ','7'})[n] end)()",
           "return coroutine.wrap(function() coroutine.yield(4) end)()",
           "return tostring(1e15)..tostring(0.1)..tostring(nil)", "return type(next)",
           "return {xpcall(function() error('q') end,function(e) return 'h:'..e end)}",
           "local o={} for k,v in pairs(string) do o[#o+1]=k end table.sort(o) return o",
           "local o={} for k,v in pairs(redis) do o[#o+1]=k end table.sort(o) return o",
           "return rawequal(_G,_G._G)", "return {getmetatable(redis)==nil,next(redis)~=nil}",
           "return {redis.breakpoint()}", "return {redis.replicate_commands()}",
           "return {redis.setresp(2)}", "return redis.acl_check_cmd('get','x')"]


def quoted(text):
    out = "".join("\\%03d" % b if b < 32 or b > 126 or b in b"'\\" else chr(b)
                  for b in (text if isinstance(text, bytes) else str(text).encode("latin-1")))
    return "'%s'" % out


def command(rng):
    k = rng.choice(KEYS)
    words = rng.choice([
        lambda: ["SET", k, pick.value(rng)], lambda: ["GET", k], lambda: ["INCR", k],
        lambda: ["HSET", k, "f", pick.value(rng)], lambda: ["HGETALL", k],
        lambda: ["RPUSH", k, "a", "b"], lambda: ["LRANGE", k, 0, -1], lambda: ["DEL", k],
        lambda: ["MGET", k, rng.choice(KEYS), "nokey"], lambda: ["TYPE", k], lambda: ["EXISTS", k],
        lambda: ["EXPIRE", k, 1000], lambda: ["LPOP", k], lambda: ["APPEND", k, "x"],
        lambda: ["SETBIT", k, 7, 1], lambda: ["INCRBYFLOAT", k, "1.5"], lambda: ["PING"],
        lambda: ["ECHO", "x"], lambda: ["HRANDFIELD", "nokey", 2], lambda: ["RENAME", k, "k1"],
        lambda: ["COPY", k, "k2"], lambda: ["GETRANGE", k, 0, 3], lambda: ["STRLEN", k],
        lambda: ["NOSUCH", k], lambda: ["GET"], lambda: ["SET", k], lambda: ["MULTI"],
        lambda: ["SUBSCRIBE", "c"], lambda: ["CLIENT", "ID"], lambda: ["CONFIG", "GET", "x"],
        lambda: ["EVAL", "return 1", 0], lambda: ["OBJECT", "REFCOUNT", "nokey"],
        lambda: ["OBJECT", "NOSUCH"], lambda: ["SELECT", 0], lambda: ["BLPOP", "nokey", 0],
        lambda: ["xread", "BLOCK", 0, "STREAMS", "nokey", "$"],
        lambda: ["XREAD", "STREAMS", "nokey", 0], lambda: ["ZADD", k, 1, "m"],
    ])()
    how = "pcall" if rng.random() < 0.4 else "call"
    return "redis.%s(%s)" % (how, ",".join(
        str(w) if isinstance(w, int) and rng.random() < 0.5 else quoted(w) for w in words))


def statement(rng):
    dice = rng.random()
    if dice < 0.55:
        return command(rng)
    if dice < 0.65:
        return "pcall(function() %s end)" % command(rng)
    if dice < 0.75:
        return "for i=1,%d do %s end" % (rng.randrange(4), command(rng))
    if dice < 0.8:
        return "coroutine.wrap(function() %s end)()" % command(rng)
    if dice < 0.85:
        return "redis.setresp(%d)" % rng.choice([2, 3, 3])
    if dice < 0.9:
        return rng.choice(["local a={}", "redis.log(redis.LOG_DEBUG,'x')", "local s=#KEYS"])
    return "do %s end" % rng.choice(ERRORS)


JSON = ['{"a":[1,2.5,null,true,"x"]}', "[1,[2,[3]]]", "[]", "{}", '"\\u00e9\\n"', "1e5", "-0.5",
        "nan", "[1,]", "{", '{"a"}', '"open', "tru", "[1 2]", "0x10", "", "1 x", '"\\ud800"']
ENCODED = ["{}", "{1,2,3}", "{a=1}", "{1,nil,3}", "{[1]=1,[30]=2}", "{[true]=1}", "1/0", "'q/\\\"'",
           "cjson.null", "{{{}}}", "0.1", "2^53", "-1", "string.rep('x',300)", "{print=1}",
           "function() end", "nil", "true", "-129", "70000", "{[1.5]=1}", "{a={b={1,{}}}}"]
FORMATS = ["bBhH", ">hHi", "!4bi", "i3I3", "lLT", "fd", ">fd", "s", "c3", "bc0", "!8bd", "x", "i33",
           "y", "!3b", "I16", "c", " b >h <h"]


def library(rng):
    """The libraries that are not Lua's own."""
    data = quoted(bytes(rng.choice([0, 1, 2, 127, 128, 147, 161, 192, 195, 202, 204, 217, 255,
                                    rng.randrange(256)]) for _ in range(rng.randrange(20))))
    return rng.choice([
        lambda: "return cjson.encode(cjson.decode(%s))" % quoted(rng.choice(JSON)),
        lambda: "return {cjson.encode(%s)}" % rng.choice(ENCODED),
        lambda: "return {cmsgpack.pack(%s,%s)}" % (rng.choice(ENCODED), rng.choice(ENCODED)),
        lambda: "return {cmsgpack.unpack(%s)}" % data,
        lambda: "return {cmsgpack.unpack_one(%s,%d)}" % (data, rng.randrange(-1, 6)),
        lambda: "return {cmsgpack.unpack_limit(%s,%d,%d)}" % (
            data, rng.randrange(-1, 4), rng.randrange(4)),
        lambda: "return struct.pack(%s,%s,%s,%d)" % (
            quoted(rng.choice(FORMATS)), rng.choice(ENCODED), rng.choice(ENCODED),
            rng.randrange(-300, 300)),
        lambda: "return {struct.unpack(%s,%s,%d)}" % (
            quoted(rng.choice(FORMATS)), data, rng.randrange(4)),
        lambda: "return struct.size(%s)" % quoted(rng.choice(FORMATS)),
        lambda: "return {bit.bxor(%s,%d),bit.tohex(%d)}" % (
            rng.choice(ENCODED), rng.randrange(1 << 32), rng.randrange(-5, 1 << 33)),
    ])()


def ending(rng):
    dice = rng.random()
    if dice < 0.15:
        return library(rng)
    if dice < 0.4:
        return "return " + command(rng)
    if dice < 0.6:
        return "return " + rng.choice(VALUES)
    if dice < 0.7:
        return "return {%s}" % ",".join(
            rng.choice([rng.choice(VALUES), command(rng)]) for _ in range(rng.randrange(4)))
    if dice < 0.8:
        return rng.choice(ERRORS)
    if dice < 0.85:
        return "return {pcall(function() return %s end)}" % command(rng)
    return rng.choice(LIBRARY)


def script(rng):
    body = rng.choice([" ", "\n"]).join([statement(rng) for _ in range(rng.choice([0, 0, 1, 2, 4]))]
                                        + [ending(rng)])
    if rng.random() < 0.08:
        body = rng.choice(SHEBANGS) + body
    if rng.random() < 0.01:
        body = rng.choice(["return 'open", "x x", "#c", "", "\x1bLua", "return +", "return 1 1"])
    return body


def arguments(rng):
    return rng.choice([[0], [1, "k1"], [2, "k1", "k2", "a1"], [0, "5", "a2"], [1, "k1", 5, ""],
                       [0], [0]])


def steps(rng):
    known = ["return 1"]
    while True:
        dice = rng.random()
        conn = rng.choice([0, 0, 1])
        if dice < 0.8:
            body = script(rng)
            known = (known + [body])[-8:]
            yield Step([rng.choice(["EVAL"] * 9 + ["EVAL_RO"]), body] + arguments(rng), conn=conn)
        elif dice < 0.84:
            yield Step(["SCRIPT", "LOAD", rng.choice(known)], conn=conn)
        elif dice < 0.9:
            yield Step([rng.choice(["EVALSHA", "EVALSHA_RO"]), sha_of(rng.choice(known), rng)]
                       + arguments(rng), conn=conn)
        elif dice < 0.92:
            yield Step(["SCRIPT", "EXISTS"] + [sha_of(rng.choice(known), rng)
                                               for _ in range(rng.randrange(1, 3))], conn=conn)
        elif dice < 0.94:
            yield Step(rng.choice([["SCRIPT", "FLUSH"], ["SCRIPT", "FLUSH", "ASYNC"],
                                   ["SCRIPT", "FLUSH", "x"], ["SCRIPT", "KILL"], ["SCRIPT"],
                                   ["SCRIPT", "NOSUCH"], ["EVAL", "x"],
                                   ["EVAL", "return 1", "x"], ["EVAL", "return 1", 3, "a"],
                                   ["EVAL", "return 1", -1], ["EVALSHA", "x", 0],
                                   ["COMMAND", "GETKEYS", "EVAL", "x", 2, "a", "b", "c"]]),
                       conn=conn)
        else:
            yield Step(["MULTI"], conn=2)
            for _ in range(rng.randrange(4)):
                yield Step(["EVAL", script(rng)] + arguments(rng), conn=2)
            yield Step(["EXEC"], conn=2)


def sha_of(body, rng):
    sha = hashlib.sha1(body.encode("latin-1")).hexdigest()
    return sha.upper() if rng.random() < 0.2 else sha
