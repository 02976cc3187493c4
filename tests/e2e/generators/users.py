"""ACL: users made from rules that are right and wrong, and what they may then do: by ACL DRYRUN, as
clients that have logged in, within transactions and scripts.

Not sent: % without a pattern, which 7.0 takes for an empty one.

7.2 words what is refused otherwise, and keeps the rules of commands as they were given where 7.0
puts them together anew, so of refusals the code is compared, and of users that are shown the rules
only while they are simple."""
from harness.resp import encode
from harness.steps import Step, pick

USERS = ["u1", "u2", "u3"]
KEYS = ["k1", "k2", "a1", "b1"]
CHANNELS = ["c1", "c2", "d1"]
PASSWORD = "secret"
HASH = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"

RULES = ["on", "on", "on", "off", ">" + PASSWORD, ">" + PASSWORD, "<" + PASSWORD, "#" + HASH,
         "!" + HASH, "nopass", "resetpass", "~k*", "~a*", "~*", "allkeys", "resetkeys", "%R~k*",
         "%W~a*", "%RW~b*", "&c*", "&*", "allchannels", "resetchannels", "(+get ~k1)",
         "(+set %W~b*)", "(+@read ~a* &c1)", "clearselectors", "reset", "sanitize-payload",
         "skip-sanitize-payload"]
COMMANDS = ["+get", "+set", "-set", "+@read", "-@write", "+@all", "-@all", "allcommands",
            "nocommands", "+@string", "-@dangerous", "+config|get", "-config|set", "+ping",
            "+publish", "+eval", "+multi", "+exec", "+del", "+acl|whoami", "+@connection",
            "+client|getname", "-client|kill", "+mget", "+sort", "+object|encoding"]
WRONG = ["+nosuch", "+@nosuch", "-nosuch", "foo", "<nosuch", "#abc", "#" + "g" * 64, "!" + "0" * 64,
         "(~x +set", "(+nosuch)", "(reset)", "(on)", ")", "", "+config|nosuch", "+nosuch|x",
         "+config|get|x", "-get|key", "+@", "+", "-", "%~x", "%X~x", "%RW~", "~", "&", "(x)",
         "+get|", "ON x", "@read"]

REQUESTS = [
    lambda rng, k: ["GET", k], lambda rng, k: ["SET", k, "v"], lambda rng, k: ["DEL", k, "b1"],
    lambda rng, k: ["MGET", k, "k1"], lambda rng, k: ["COPY", k, rng.choice(KEYS)],
    lambda rng, k: ["PUBLISH", rng.choice(CHANNELS), "x"], lambda rng, k: ["PING"],
    lambda rng, k: ["CONFIG", "GET", "port-nosuch"],
    lambda rng, k: ["CONFIG", "SET", "nosuch", "1"],
    lambda rng, k: ["ACL", "WHOAMI"], lambda rng, k: ["CLIENT", "GETNAME"],
    lambda rng, k: ["OBJECT", "ENCODING", k], lambda rng, k: ["GETDEL", k],
    lambda rng, k: ["SORT", k, "BY", "nosort", "STORE", "b1"], lambda rng, k: ["DBSIZE"],
    lambda rng, k: ["EVAL", "return redis.call('get', KEYS[1])", 1, k],
    lambda rng, k: ["EVAL", "return redis.pcall('set', KEYS[1], 1)", 0, k],
    lambda rng, k: ["EVAL", "return redis.acl_check_cmd('get', '%s')" % k, 0],
    lambda rng, k: ["BITFIELD", k, "GET", "u8", 0],
    lambda rng, k: ["BITFIELD", k, "SET", "u8", 0, 1],
    lambda rng, k: ["SET", k, "v", "GET"], lambda rng, k: ["LMOVE", k, "a1", "LEFT", "LEFT"],
    lambda rng, k: ["XREADGROUP", "GROUP", "g", "c", "STREAMS", k, ">"],
]


def set_user(rng, simple):
    rules = [rng.choice(RULES) for _ in range(rng.choice([0, 1, 2, 5]))]
    if simple:
        # One rule of commands, after all others were taken back.
        rules += ["-@all", rng.choice([c for c in COMMANDS if c[0] != "-"])]
    elif rng.random() < 0.2:
        rules.insert(rng.randrange(len(rules) + 1), rng.choice(WRONG))
    else:
        rules += [rng.choice(COMMANDS) for _ in range(rng.randrange(4))]
    return ["ACL", pick.case(rng, "SETUSER"), rng.choice(USERS)] + rules


def admin(rng, simple):
    user = rng.choice(USERS + ["nosuch"])
    shown = "users" if simple else "kind"
    return rng.choice([
        lambda: ["ACL", "CAT"], lambda: ["ACL", "CAT", "nosuch"],
        lambda: Step(["ACL", "CAT", rng.choice(["string", "read"])], "kind"),
        lambda: ["ACL", "WHOAMI"], lambda: ["ACL", "USERS"],
        lambda: ["ACL", "DELUSER", user], lambda: ["ACL", "DELUSER", user, rng.choice(USERS)],
        lambda: ["ACL", "DELUSER", "default"],
        lambda: Step(["ACL", "GETUSER", user], shown),
        lambda: Step(["ACL", "LIST"], shown),
        lambda: Step(["ACL", "GENPASS"] + rng.choice([[], [1], [7], [256], [4096]]), "length"),
        lambda: ["ACL", "GENPASS", rng.choice(["x", "0", "4097", "-1"])],
        lambda: ["ACL", rng.choice(["LOAD", "SAVE"])],
        lambda: ["ACL", "LOG", rng.choice(["RESET", "x", "-1", ""])],
        lambda: Step(["ACL", "LOG"] + rng.choice([[], [0], [3]]), "kind"),
        lambda: ["ACL", "SETUSER", "a b"], lambda: ["ACL", "SETUSER"],
        lambda: ["ACL", "SETUSER", "u1", rng.choice(WRONG)], lambda: ["ACL", "NOSUCH"],
        lambda: ["ACL", "GETUSER"], lambda: ["ACL", "DRYRUN", user], lambda: ["ACL", "USERS", "x"],
        lambda: Step(["ACL", "DRYRUN", user] + request(rng), "refusal"),
        lambda: Step(["ACL", "DRYRUN", user] + request(rng), "refusal"),
        lambda: Step(["ACL", "DRYRUN", user] + request(rng), "refusal"),
        lambda: Step(["ACL", "DRYRUN", user, rng.choice(["nosuch", "get", "set"])], "refusal"),
    ])()


def request(rng):
    return rng.choice(REQUESTS)(rng, rng.choice(KEYS))


def steps(rng):
    """Rounds of users with simple rules, which are shown, and of others, which are tried."""
    simple = rng.random() < 0.3
    yield Step(["ACL", "DELUSER"] + USERS, "ignore")  # those of the round before
    yield Step(["ACL", "LOG", "RESET"], "ignore")
    while True:
        dice = rng.random()
        if dice < 0.3:
            yield set_user(rng, simple)
        elif dice < 0.55:
            yield admin(rng, simple)
        elif dice < 0.65:
            yield Step(["AUTH", rng.choice(USERS), rng.choice([PASSWORD, PASSWORD, "wrong"])],
                       conn=1)
        elif dice < 0.97:
            # Within a transaction the refusal aborts EXEC.
            inside = rng.random() < 0.15
            for args in ([["MULTI"]] if inside else []) + [request(rng)] + (
                    [["EXEC"]] if inside else []):
                yield Step(args, "refusal", conn=1)
        elif dice < 0.98:
            user = rng.choice(USERS)
            yield Step(b"".join(encode(args) for args in (
                ["AUTH", user, PASSWORD], ["SUBSCRIBE", "c1"])), "refusal", conn=8, kind="raw")
        else:
            yield Step(None, conn=1, kind="reconnect")
