#!/usr/bin/env python3
"""Users and what they may do: generated rules beside redis-server 7.0.15, what is denied to whom,
the aclfile and the configuration's users, links of replicas."""
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import Client, Closed, encode  # noqa: E402
from harness.servers import LONG, Server, free_port, info, redis_binary  # noqa: E402

ROUNDS = 6000 if LONG else 400
HASH = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

CATEGORIES = ["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
              "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection",
              "transaction", "scripting", "geo", "stream", "hyperloglog", "nosuch", "ALL", "Read"]
COMMANDS = ["get", "set", "del", "mget", "mset", "config", "config|get", "config|set", "client",
            "client|id", "select", "select|0", "select|1", "copy", "publish", "subscribe", "eval",
            "zunionstore", "getex", "bitfield", "acl", "acl|whoami", "nosuch", "config|nosuch",
            "get|", "config|get|x", "GET", "hset", "ping"]
PATTERNS = ["a", "a*", "b?", "[ab]c", "*", "x:*", "", "a b", "*a"]
REQUESTS = [
    ["GET", "a"], ["GET", "b1"], ["GET", "ac"], ["SET", "a", "1"], ["SET", "x:1", "1"],
    ["SET", "x:1", "1", "GET"], ["DEL", "a", "b1"], ["MGET", "a", "zz"],
    ["MSET", "a", "1", "bc", "2"],
    ["CONFIG", "GET", "x"], ["CONFIG", "SET", "a", "b"], ["CONFIG", "RESETSTAT"],
    ["CLIENT", "ID"], ["CLIENT", "LIST"], ["SELECT", "0"], ["SELECT", "1"], ["COPY", "a", "b1"],
    ["COPY", "b1", "a"], ["PUBLISH", "a", "m"], ["SUBSCRIBE", "a", "ac"], ["PSUBSCRIBE", "a*"],
    ["PSUBSCRIBE", "a?"], ["SSUBSCRIBE", "a"], ["SPUBLISH", "x:1", "m"], ["UNSUBSCRIBE", "a"],
    ["EVAL", "x", "2", "a", "b1"], ["EVAL_RO", "x", "1", "a"], ["ZUNIONSTORE", "a", "1", "ac"],
    ["ZUNIONSTORE", "a", "2", "ac", "b1"], ["GETEX", "a"], ["BITFIELD", "a", "GET", "u8", "0"],
    ["BITFIELD", "a", "SET", "u8", "0", "1"], ["ACL", "WHOAMI"], ["ACL", "LIST"],
    ["HSET", "a", "f", "v"], ["PING"], ["AUTH", "x"], ["HELLO"], ["EXISTS", "a"], ["STRLEN", "b1"],
    ["OBJECT", "ENCODING", "a"], ["RENAME", "a", "b1"], ["INCR", "a"], ["APPEND", "a", "x"],
    ["SORT_RO", "a"], ["SORT", "a", "STORE", "b1"], ["SORT", "a", "BY", "x", "STORE", "x:1"],
    ["NOSUCH"], ["GET"], ["BLPOP", "a", "b1", "0"],
    ["LMOVE", "a", "b1", "left", "left"],
    ["SMOVE", "a", "b1", "m"], ["SINTERCARD", "2", "a", "ac"], ["BITOP", "AND", "a", "ac", "b1"],
    ["MULTI"], ["EXEC"], ["FLUSHALL"], ["KEYS", "*"], ["SCAN", "0"], ["TTL", "a"], ["DUMP", "a"],
    ["RESTORE", "a", "0", "x"], ["SUBSTR", "a", "0", "1"], ["SDIFFSTORE", "a", "ac", "b1"],
    ["MIGRATE", "h", "1", "a", "0", "1"], ["MIGRATE", "h", "1", "", "0", "1", "KEYS", "a", "b1"],
]


class Rules:
    """Modifiers by chance, most of them right."""

    def __init__(self, chance):
        self.chance = chance

    def command(self):
        c = self.chance
        if c.random() < 0.4:
            return c.choice("+-") + "@" + c.choice(CATEGORIES)
        return c.choice("+-") + c.choice(COMMANDS)

    def key(self):
        c = self.chance
        return c.choice(["~", "~", "%R~", "%W~", "%RW~", "%wr~", "%~", "%X~"]) + c.choice(PATTERNS)

    def selector(self):
        words = [self.chance.choice([self.command, self.key, self.channel])()
                 for _ in range(self.chance.randrange(4))]
        return "(" + " ".join(w for w in words if " " not in w) + ")"

    def channel(self):
        return "&" + self.chance.choice(PATTERNS)

    def word(self):
        return self.chance.choice([
            "on", "off", "nopass", "resetpass", "reset", "allkeys", "resetkeys", "allchannels",
            "resetchannels", "allcommands", "nocommands", "clearselectors", ">a", "<a", "!" + HASH,
            "#" + HASH, "#abc", "skip-sanitize-payload", "", "foo", "ON"])

    def some(self):
        kinds = [self.command] * 6 + [self.key] * 4 + [self.channel] * 2 + [self.word] * 2 + \
            [self.selector]
        return [self.chance.choice(kinds)() for _ in range(self.chance.randrange(1, 7))]


def without_commands(user):
    """ACL GETUSER without the text of the command rules, which 7.0 makes anew and 7.2 keeps."""
    found = dict(zip(user[::2], user[1::2])) if isinstance(user, list) else dict(user)
    found.pop(b"commands")
    found[b"selectors"] = [
        (s[b"keys"], s[b"channels"]) if isinstance(s, dict) else (s[3], s[5])
        for s in found[b"selectors"]]
    return found


def verdict(answer):
    """What ACL DRYRUN says, without the words that changed with 7.2."""
    return re.sub(rb"(This u|U)ser (\S+ )?has", b"User has", answer)


class BesideRedis(case.Case):
    def test_generated_users_are_the_same(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        redis.start()
        seed = random.randrange(1 << 32) if LONG else 5
        rules = Rules(random.Random(seed))
        taken = 0
        for proto in (2, 3):
            with cairn.client(proto=proto) as mine, redis.client(proto=proto) as theirs:
                for i in range(ROUNDS // 2):
                    # 7.0 has no sanitize-payload in new users.
                    ops = ["u%d" % (i % 5), "sanitize-payload"] + rules.some() + \
                        ["sanitize-payload"]
                    request = encode(["ACL", "SETUSER"] + ops)
                    answers = []
                    for c in (mine, theirs):
                        c.send(request)
                        answers.append(c.read()[1])
                    self.assertEqual(answers[0], answers[1], "seed %d: %s" % (seed, ops))
                    taken += answers[0] == b"+OK\r\n"
                    self.compare(mine, theirs, ops)
        self.assertGreater(taken, ROUNDS // 4)

    def compare(self, mine, theirs, ops):
        users = [c.call("ACL", "GETUSER", ops[0]) for c in (mine, theirs)]
        if None in users:
            self.assertEqual(users, [None, None])
            return
        self.assertEqual(without_commands(users[0]), without_commands(users[1]), ops)
        asked = [["ACL", "DRYRUN", ops[0]] + words for words in REQUESTS]
        answers = [c.pipeline(asked) for c in (mine, theirs)]
        for words, ours, their in zip(REQUESTS, *answers):
            if isinstance(ours, Exception) and "not found" in str(ours):
                continue  # a command that is not there
            if isinstance(their, Exception):
                self.assertEqual(str(ours), str(their), words)
            else:
                self.assertEqual(verdict(ours), verdict(their), (ops, words, users))

    def test_what_cairn_lists_makes_the_same_user_in_redis(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        redis.start()
        rules = Rules(random.Random(7))
        with cairn.client() as mine, redis.client() as theirs:
            for i in range(ROUNDS // 5):
                name = "u%d" % (i % 5)
                mine.pipeline([["ACL", "SETUSER", name] + rules.some()])
                lines = [x for x in mine.call("ACL", "LIST")
                         if x.startswith(b"user " + name.encode() + b" ")]
                if not lines:
                    continue
                self.assertEqual(theirs.call("ACL", "SETUSER", name, "reset",
                                             *lines[0].split(b" ")[2:]), b"OK", lines)
                self.compare(mine, theirs, [name])

    def test_the_other_subcommands_answer_alike(self):
        requests = [
            "ACL CAT", "ACL CAT nosuch", "ACL CAT a b", "ACL GETUSER nobody", "ACL USERS",
            "ACL WHOAMI", "ACL WHOAMI x", "ACL LOG x", "ACL LOG 1 2", "ACL LOG RESET", "ACL LOG",
            "ACL GENPASS 0", "ACL GENPASS 4097", "ACL GENPASS x", "ACL GENPASS 1 2", "ACL LOAD",
            "ACL SAVE", "ACL", "ACL FOO", "ACL DELUSER", "ACL DELUSER default", "ACL DELUSER x y",
            "ACL DRYRUN x get", "ACL DRYRUN default nosuch", "ACL DRYRUN default get",
            "ACL DRYRUN default get x", "ACL DRYRUN default", "ACL SETUSER", "AUTH x", "AUTH x y",
            "AUTH a b c", "HELLO 3 AUTH x y", "CLIENT KILL USER nobody", "CLIENT KILL USER",
        ]
        cairn = self.server()
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        redis.start()
        for proto in (2, 3):
            with cairn.client(proto=proto) as mine, redis.client(proto=proto) as theirs:
                for text in requests:
                    self.assertEqual(mine.raw(*text.split()), theirs.raw(*text.split()), text)
                for bits in (1, 4, 5, 256, 4096):
                    self.assertEqual(len(mine.call("ACL", "GENPASS", bits)), (bits + 3) // 4)
                self.assertNotEqual(mine.call("ACL", "GENPASS"), mine.call("ACL", "GENPASS"))

    def test_every_command_has_redis_categories(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        redis.start()
        with cairn.client() as mine, redis.client() as theirs:
            known = set(theirs.call("COMMAND", "LIST"))
            compared = 0
            for category in theirs.call("ACL", "CAT"):
                lists = [set(c.call("ACL", "CAT", category)) for c in (mine, theirs)]
                of_both = set(mine.call("COMMAND", "LIST")) & known
                self.assertEqual(lists[0] & known, lists[1] & of_both, category)
                compared += len(lists[0] & known)
            self.assertGreater(compared, 600)


def denial(reply):
    """An error that denies, in the words of Redis 7.0 or 7.2, as what it denies."""
    for words in (b"channel", b"key", b"command"):
        if re.search(rb"[Nn]o permissions? to .*\b%s|executing the script can't .*%s"
                     % (words, words), reply):
            return reply[:1], b"script" in reply, words
    return reply


class Denied(case.Case):
    def user(self, server, *rules):
        with server.client() as admin:
            admin.call("ACL", "SETUSER", "bob", "reset", "on", ">pw", *rules)
        client = server.client()
        self.addCleanup(client.close)
        client.call("AUTH", "bob", "pw")
        return client

    def test_by_command_key_and_channel_also_within_transactions_and_scripts(self):
        server = self.server()
        bob = self.user(server, "+@all", "-flushall", "~mine:*", "&mine")
        script = "return redis.call(unpack(ARGV))"
        for words, error in [
                (["FLUSHALL"], "User bob has no permissions to run the 'flushall' command"),
                (["GET", "yours"], "No permissions to access a key"),
                (["PUBLISH", "yours", "x"], "No permissions to access a channel")]:
            self.assertEqual(self.error(bob, *words), "NOPERM " + error)
            self.assertTrue(self.error(bob, "EVAL", script, 0, *words).startswith(
                "ERR ACL failure in script: " + error))
            bob.call("MULTI")
            self.assertEqual(self.error(bob, *words), "NOPERM " + error)
            self.assertTrue(self.error(bob, "EXEC").startswith("EXECABORT"))
        self.assertTrue(self.error(bob, "EVAL", "return 1", 1, "yours").startswith("NOPERM"))
        with server.client() as admin:
            self.assertEqual([e[b"context"] if isinstance(e, dict) else e[5]
                              for e in admin.call("ACL", "LOG")][:3], [b"toplevel", b"multi",
                                                                       b"lua"])
            stats = info(admin, "stats")
            self.assertEqual((stats["acl_access_denied_cmd"], stats["acl_access_denied_key"],
                              stats["acl_access_denied_channel"],
                              stats["acl_access_denied_auth"]), ("3", "4", "3", "0"))
            self.assertEqual(admin.call("DBSIZE"), 0)

    def test_functions_may_no_more_than_who_calls_them(self):
        """As by redis-server: by command, key and channel, in calls, pcalls and questions, alone
        and in transactions, and what the log and the counters say of it."""
        library = """#!lua name=lib
            redis.register_function('call', function(k, a) return redis.call(unpack(a)) end)
            redis.register_function('pcall', function(k, a)
                local r = redis.pcall(unpack(a))
                return type(r) == 'table' and r.err or r end)
            redis.register_function{function_name='read', flags={'no-writes'},
                callback=function(k, a) return redis.call(unpack(a)) end}
            redis.register_function{function_name='asks', flags={'no-writes'},
                callback=function(k, a) return redis.acl_check_cmd(unpack(a)) end}"""
        users = {"keys": ["+@all", "-flushall", "~mine:*", "&mine"],
                 "reads": ["+@all", "%R~yours", "~mine:*", "&*"],
                 "calls": ["+fcall", "+get", "~*"], "fewer": ["+@all", "-fcall", "~*", "&*"],
                 "none": ["+@all", "-@scripting", "~*"],
                 "selects": ["+fcall", "+fcall_ro", "~mine:*", "(+get ~yours)"]}
        words = [["GET", "mine:1"], ["SET", "mine:1", "v"], ["GET", "yours"],
                 ["SET", "yours", "v"], ["FLUSHALL"], ["PUBLISH", "mine", "x"],
                 ["PUBLISH", "yours", "x"], ["CONFIG", "GET", "maxclients"], ["NOSUCH"],
                 ["MGET", "mine:1", "yours"], ["COPY", "yours", "mine:2"], ["ACL", "WHOAMI"]]
        answers = []
        redis = Server(redis_binary(), "redis")
        self.addCleanup(self._finish, redis)
        for server in (self.server(), redis.start()):
            with server.client() as admin:
                admin.call("FUNCTION", "LOAD", library)
                got = []
                for name, rules in users.items():
                    admin.call("ACL", "SETUSER", name, "reset", "on", ">pw", *rules)
                    with server.client() as c:
                        c.call("AUTH", name, "pw")
                        for ask in words:
                            for command, function in (("FCALL", "call"), ("FCALL", "pcall"),
                                                      ("FCALL_RO", "read"), ("FCALL", "asks"),
                                                      ("FCALL_RO", "asks")):
                                got.append((name, command, function, ask,
                                            c.raw(command, function, 0, *ask)))
                            for words_too in (["EVAL", "return redis.call(unpack(ARGV))", 0],
                                              ["FCALL", "call", 1, "yours"],
                                              ["FCALL_RO", "read", 1, "mine:1"]):
                                got.append((name, words_too, ask, c.raw(*words_too, *ask)))
                            for step in (["MULTI"], ["FCALL", "call", 0, *ask], ["EXEC"],
                                         ["RESET"], ["AUTH", name, "pw"]):
                                got.append((name, step, ask, c.raw(*step)))
                counts = {k: v for k, v in info(admin, "stats").items() if "acl_access" in k}
                log = [[e for i, e in enumerate(entry) if i % 2 and entry[i - 1] in
                        (b"count", b"reason", b"context", b"object", b"username")]
                       for entry in admin.call("ACL", "LOG", 128)]
                answers.append((got, counts, log))
        for ours, theirs in zip(answers[0][0], answers[1][0]):
            self.assertEqual(ours[:-1] + (denial(ours[-1]),), theirs[:-1] + (denial(theirs[-1]),))
        self.assertGreater(sum(b"NOPERM" in repr(a).encode() or b"ACL failure" in repr(a).encode()
                               for a in answers[0][0]), 200)
        self.assertEqual(answers[0][2], answers[1][2])
        if answers[1][1]:
            self.assertEqual(answers[0][1], answers[1][1])

    def test_a_blocked_client_is_asked_again_when_it_is_served(self):
        server = self.server()
        bob = self.user(server, "+@all", "~*")
        bob.send(encode(["BLPOP", "list", "0"]))
        with server.client() as admin:
            while info(admin, "clients")["blocked_clients"] != "1":
                time.sleep(0.01)
            admin.call("ACL", "SETUSER", "bob", "resetkeys")
            admin.call("RPUSH", "list", "x")
            self.assertEqual(bob.read()[1], b"-NOPERM No permissions to access a key\r\n")
            self.assertEqual(admin.call("LLEN", "list"), 1)

    def test_clients_of_a_deleted_user_are_closed_and_killed_by_name(self):
        server = self.server()
        first = self.user(server, "+@all", "~*")
        second = server.client()
        second.call("AUTH", "bob", "pw")
        with server.client() as admin:
            listed = admin.call("CLIENT", "LIST").decode()
            self.assertEqual(len(re.findall(r" user=bob ", listed)), 2)
            self.assertEqual(first.call("CLIENT", "KILL", "USER", "bob"), 1)  # not itself
            self.assertEqual(second.drain(5)[1], True)
            admin.call("ACL", "SETUSER", "eve", "on", "nopass", "+@all")
            eve = server.client()
            eve.call("AUTH", "eve", "")
            self.assertEqual(admin.call("ACL", "DELUSER", "bob", "nobody"), 1)
            self.assertEqual(first.drain(5)[1], True)
            # A user may remove itself: it is told, then let go.
            self.assertEqual(eve.call("ACL", "DELUSER", "eve"), 1)
            self.assertEqual(eve.drain(5)[1], True)
            self.assertEqual(admin.call("ACL", "USERS"), [b"default"])

    def test_listeners_are_closed_when_their_channels_are_taken_away(self):
        server = self.server()
        listeners = [self.user(server, "+@all", "allchannels") for _ in range(2)]
        for client, channel in zip(listeners, ("news", "gossip")):
            client.call("SUBSCRIBE", channel)
        with server.client() as admin:
            admin.call("ACL", "SETUSER", "bob", "resetchannels", "&news")
            self.assertEqual(listeners[1].drain(5), (b"", True))
            admin.call("PUBLISH", "news", "x")
            self.assertIn(b"news", listeners[0].read()[1])

    def test_who_has_not_logged_in_costs_little_whatever_the_users(self):
        server = self.server()
        with server.client() as admin:
            admin.call("ACL", "SETUSER", "admin", "on", ">root", "+@all", "~*")
            admin.call("ACL", "SETUSER", "default", "off")
            stranger = server.client()
            self.assertEqual(self.error(stranger, "PING"), "NOAUTH Authentication required.")
            self.assertIn("WRONGPASS", self.error(stranger, "AUTH", "default", ""))
            self.assertIn("unauthenticated bulk", self.error(stranger, "AUTH", "admin",
                                                             "x" * 20000))
            self.assertEqual(stranger.drain(5)[1], True)
            stranger = server.client()
            self.assertIn("unauthenticated multibulk", self.error(stranger, "HELLO", 3,
                                                                  *"abcdefghi"))
            with server.client() as known:
                self.assertEqual(known.call("AUTH", "admin", "root"), b"OK")
                self.assertEqual(known.call("ECHO", "x" * 20000), b"x" * 20000)
            # Names in the log are shortened: strangers may choose them.
            stranger = server.client()
            self.assertIn("WRONGPASS", self.error(stranger, "AUTH", "n" * 16000, "x"))
            entry = admin.call("ACL", "LOG", 1)[0]
            self.assertIn(b"more bytes", entry[9])
            self.assertEqual(entry[3], b"auth")

    def test_protected_directives_are_refused(self):
        server = self.server()
        with server.client() as admin:
            for name, value in (("dbfilename", "x"), ("dir", "/"), ("aclfile", "x")):
                self.assertIn("CONFIG SET failed", self.error(admin, "CONFIG", "SET", name, value))
            self.assertIn("DEBUG command not allowed", self.error(admin, "DEBUG", "JMAP"))


class Files(case.Case):
    def write(self, server, name, text):
        with open(os.path.join(server.dir, name), "w") as f:
            f.write(text)

    def read(self, server, name):
        with open(os.path.join(server.dir, name)) as f:
            return f.read()

    def test_an_aclfile_is_read_written_and_read_again(self):
        server = self.server({"aclfile": "users.acl"}, start=False)
        self.write(server, "users.acl", "# ours\nuser default on >root ~* &* +@all\n"
                   "user bob on nopass ~* +@read\nuser eve on nopass\n")
        server.start()
        admin = server.client(password="root")
        bob, eve = server.client(), server.client()
        bob.call("AUTH", "bob", "")
        eve.call("AUTH", "eve", "")
        before = admin.call("ACL", "LIST")
        admin.call("ACL", "SETUSER", "new", ">x", "+get", "(~a %R~b +set)")
        self.assertEqual(admin.call("ACL", "SAVE"), b"OK")
        after = admin.call("ACL", "LIST")
        self.assertEqual(self.read(server, "users.acl").encode().splitlines(), after)
        self.assertEqual(os.stat(os.path.join(server.dir, "users.acl")).st_mode & 0o777, 0o600)
        self.assertEqual([f for f in os.listdir(server.dir) if "tmp" in f], [])
        # What is wrong is told, and nothing changes.
        self.write(server, "users.acl", "user bob on +nosuch\nuser eve foo\n")
        error = self.error(admin, "ACL", "LOAD")
        self.assertIn("users.acl:1: Error in applying operation '+nosuch'", error)
        self.assertIn("users.acl:2: ", error)
        self.assertIn("no change to the previously active ACL rules was performed", error)
        self.assertEqual(admin.call("ACL", "LIST"), after)
        # Who is in it no more is let go; others go on with what they may now.
        self.write(server, "users.acl", "user bob on nopass ~* +@read -get\n")
        self.assertEqual(admin.call("ACL", "LOAD"), b"OK")
        self.assertEqual(eve.drain(5)[1], True)
        self.assertIn("NOPERM", self.error(bob, "GET", "a"))
        self.assertEqual(bob.call("EXISTS", "a"), 0)
        self.assertEqual(admin.call("ACL", "USERS"), [b"bob", b"default"])
        self.assertNotEqual(before, after)

    def test_users_of_the_configuration_and_their_rewrite(self):
        server = self.server(start=False)
        self.write(server, "node.conf", "user alice on \">a pass\" ~* +@all\nrequirepass old\n"
                   "user bob on nopass +get (~a +set)\nport %d\n" % server.port)
        server.arguments = lambda: [server.binary, os.path.join(server.dir, "node.conf"), "--dir",
                                    server.dir]
        server.start()
        with server.client(password="old") as admin:
            self.assertEqual(admin.call("AUTH", "alice", "a pass"), b"OK")
            self.assertEqual(admin.call("AUTH", "default", "old"), b"OK")
            admin.call("ACL", "SETUSER", "bob", ">pw")
            admin.call("ACL", "SETUSER", "carol", "on", "nopass", "%R~x", "&c", "+@read", "-get")
            admin.call("ACL", "DELUSER", "alice")
            users = admin.call("ACL", "LIST")
            self.assertEqual(admin.call("CONFIG", "REWRITE"), b"OK")
        lines = self.read(server, "node.conf").splitlines()
        self.assertEqual(len([x for x in lines if x.startswith("user ")]), 2)
        self.assertIn("requirepass \"old\"", lines)
        server.stop()
        server.start()
        with server.client(password="old") as admin:
            self.assertEqual(admin.call("ACL", "LIST"), users)
            # The default user has a line of its own once requirepass does not say all.
            admin.call("ACL", "SETUSER", "default", "-debug")
            admin.call("CONFIG", "REWRITE")
            users = admin.call("ACL", "LIST")
        self.assertIn("user default on sanitize-payload #", self.read(server, "node.conf"))
        server.stop()
        server.start()
        with server.client(password="old") as admin:
            self.assertEqual(admin.call("ACL", "LIST"), users)

    def test_what_is_wrong_with_users_stops_the_start(self):
        cases = [
            ({"aclfile": "users.acl"}, "user a +nosuch\n", "users.acl:1: "),
            ({"aclfile": "missing.acl"}, "", "missing.acl"),
            ({"aclfile": "users.acl", "user": "bob on"}, "user a on\n", "both"),
            ({"user": "bob foo"}, "", "Error in user declaration 'bob'"),
            ({"user": "bob on (+get"}, "", "Unmatched parenthesis"),
        ]
        for options, text, told in cases:
            options = dict(options)
            line = options.pop("user", None)
            server = self.server(options, start=False)
            if line is not None:
                server.options["user " + line] = []
            self.write(server, "users.acl", text)
            server.launch()
            self.assertEqual(self.wait_exit(server), 1, (options, server.tail()))
            self.assertIn(told, server.tail())

    def test_requirepass_is_the_default_users_password(self):
        server = self.server({"requirepass": "one"})
        with server.client(password="one") as admin:
            admin.call("CONFIG", "SET", "requirepass", "two")
            with Client(server.port, password="two") as c:
                self.assertEqual(c.call("PING"), b"PONG")
            admin.call("ACL", "SETUSER", "default", "resetpass", ">three")
            admin.call("CONFIG", "SET", "timeout", "100")  # leaves the password alone
            with Client(server.port, password="three") as c:
                self.assertEqual(c.call("PING"), b"PONG")
            admin.call("CONFIG", "SET", "requirepass", "")
            with Client(server.port) as c:
                self.assertEqual(c.call("PING"), b"PONG")
            admin.call("CONFIG", "SET", "acl-pubsub-default", "allchannels")
            admin.call("ACL", "SETUSER", "listener")
            self.assertIn(b"user listener off sanitize-payload &* -@all",
                          admin.call("ACL", "LIST"))
            admin.call("CONFIG", "SET", "acllog-max-len", "0")
            self.error(admin, "AUTH", "nobody", "x")
            self.assertEqual(admin.call("ACL", "LOG"), [])


class Replicas(case.Case):
    def test_a_replica_logs_in_as_masteruser(self):
        primary = self.server({"requirepass": "root"})
        with primary.client(password="root") as admin:
            admin.call("ACL", "SETUSER", "link", "on", ">pw", "+walstream")
            admin.call("SET", "a", "1")
            replica = self.server({"masteruser": "link", "masterauth": "pw",
                                   "replicaof": "127.0.0.1 %d" % primary.port})
            with replica.client() as c:
                end = time.monotonic() + 30
                while c.call("GET", "a") != b"1":
                    self.assertLess(time.monotonic(), end, replica.tail())
                    time.sleep(0.02)
                # Users are not replicated, as in Redis.
                self.assertEqual(c.call("ACL", "USERS"), [b"default"])
            refused = self.server({"masteruser": "link", "masterauth": "wrong",
                                   "replicaof": "127.0.0.1 %d" % primary.port})
            while "Unable to AUTH to MASTER" not in refused.tail():
                self.assertLess(time.monotonic(), end + 30)
                time.sleep(0.05)


if __name__ == "__main__":
    case.main()
