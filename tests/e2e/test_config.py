#!/usr/bin/env python3
"""CONFIG beside redis-server: every directive of its own, with the same values; and what changes a
running node (bind, port, limits, renamed commands, protected directives)."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case  # noqa: E402
from harness.resp import Client  # noqa: E402
from harness.servers import Server, free_port, info, redis_binary  # noqa: E402

VALUES = ["yes", "no", "", "0", "1", "-1", "5", "100", "3000", "abc", "1kb", "0700",
          "99999999999999999999", "1 2", "KEA", "local", "normal 1mb 2mb 3", "50 99.9",
          "900 1 300 10", "disabled", "everysec", "debug", "a\"b", "5%", "1.5", "2147483648",
          "nosave now", "save nosave", "1 2 3"]
# Here the two differ, on purpose.
DIFFERENT = {
    "port", "bind", "dir", "logfile", "maxclients", "requirepass", "hz",
    "replica-read-only", "slave-read-only",  # a replica takes no writes
    "activedefrag",  # remembered, where Redis refuses it without jemalloc
    "appendfsync",  # always is the default
    "cluster-announce-hostname", "proc-title-template",  # no meaning yet
    "min-replicas-to-write", "min-slaves-to-write",
    # Redis takes 2^64-1 for these, Cairn 2^63-1.
    "cluster-link-sendbuf-limit", "maxmemory", "maxmemory-clients",
}


class BesideRedis(case.Case):
    def test_every_directive_of_redis_takes_and_refuses_the_same_values(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis", {"save": "3600 1 300 100 60 10000"}).start()
        self.addCleanup(redis.close)
        with cairn.client() as mine, redis.client() as theirs:
            names = theirs.call("CONFIG", "GET", "*")[::2]
            known = set(mine.call("CONFIG", "GET", "*")[::2])
            self.assertGreater(len(names), 180)
            self.assertEqual([n for n in names if n not in known], [])
            compared = 0
            for name in sorted(names):
                if name.decode() in DIFFERENT:
                    continue
                for value in VALUES:
                    answers = [(c.raw("CONFIG", "SET", name, value), c.raw("CONFIG", "GET", name))
                               for c in (mine, theirs)]
                    self.assertEqual(answers[0], answers[1], "%s %r" % (name, value))
                    compared += 1
            self.assertGreater(compared, 4000)

    def test_several_at_once_and_their_errors(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis").start()
        self.addCleanup(redis.close)
        requests = [
            ["SET", "timeout", "3", "tcp-keepalive", "7"],
            ["SET", "timeout", "4", "no-such", "7"],
            ["SET", "timeout", "5", "loglevel", "loud"],
            ["SET", "timeout", "5", "timeout", "6"], ["SET", "timeout", "5", "TIMEOUT", "6"],
            ["SET", "timeout", "5", "tcp-keepalive"], ["SET", "timeout"], ["SET"], ["GET"],
            ["SET", "databases", "3"], ["SET", "dbfilename", "x"], ["SET", "timeout", "5", "", "6"],
            ["GET", "timeout", "tcp-keepalive"], ["GET", "time*", "TIMEOUT", "timeout"],
            ["GET", "hash-max-*-entries", "maxmemory"], ["GET", "no-such"], ["GET", ""],
            ["GET", "[t]imeout"], ["RESETSTAT", "x"], ["REWRITE"], ["NOSUCH"],
            ["SET", "client-output-buffer-limit", "normal 1 2 3 pubsub 4 5 6"],
            ["GET", "client-output-buffer-limit"],
        ]
        for proto in (2, 3):
            with cairn.client(proto=proto) as mine, redis.client(proto=proto) as theirs:
                for words in requests:
                    if words[0] == "GET" and len(words) > 1:
                        # In which order Redis lists them is a matter of its hash table.
                        pairs = [c.call("CONFIG", *words) for c in (mine, theirs)]
                        if proto == 2:
                            pairs = [dict(zip(p[::2], p[1::2])) for p in pairs]
                        self.assertEqual(pairs[0], pairs[1], words)
                        continue
                    self.assertEqual(mine.raw("CONFIG", *words), theirs.raw("CONFIG", *words),
                                     words)

    def test_every_info_field_of_redis_is_there(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis").start()
        self.addCleanup(redis.close)

        def fields(server, *sections):
            found, section = {}, None
            with server.client() as c:
                for words in (["SET", "a", "1", "EX", "100"], ["GET", "a"], ["NOSUCH"]):
                    c.pipeline([words])
                text = c.call("INFO", *sections).decode()
            for line in text.splitlines():
                if line.startswith("#"):
                    section = found.setdefault(line, [])
                elif ":" in line:
                    section.append(line.partition(":")[0])
            return found

        for sections in ([], ["all"], ["everything"], ["default"], ["server", "Clients"],
                         ["nosuch"], ["commandstats"], ["latencystats", "errorstats"]):
            mine, theirs = fields(cairn, *sections), fields(redis, *sections)
            self.assertEqual(list(theirs), [s for s in mine if s in theirs], sections)
            for name, wanted in theirs.items():
                self.assertEqual([f for f in wanted if f not in mine[name]], [], name)

    def test_memory_stats_has_redis_names_and_agrees_with_info(self):
        cairn = self.server()
        redis = Server(redis_binary(), "redis").start()
        self.addCleanup(redis.close)
        names = []
        for server in (cairn, redis):
            with server.client() as c:
                c.call("EVAL", "return 1", 0)
                stats = c.call("MEMORY", "STATS")
                names.append(stats[::2])
                stats = dict(zip(stats[::2], stats[1::2]))
                self.assertGreater(stats[b"lua.caches"], 0)
                used = int(info(c, "memory")["used_memory"])
                self.assertLess(abs(used - stats[b"total.allocated"]), used / 10)
        self.assertEqual([n for n in names[1] if n not in names[0]], [])


class Running(case.Case):
    def test_bind_and_port_change_while_the_node_runs(self):
        server = self.server({"bind": "127.0.0.1"})
        other = free_port()
        with server.client() as c:
            self.assertEqual(c.call("CONFIG", "SET", "port", other), b"OK")
            with Client(other) as d:
                self.assertEqual(d.call("PING"), b"PONG")
                self.assertEqual(int(info(d, "server")["tcp_port"]), other)
            with self.assertRaises(OSError):
                Client(server.port)
            # Those who are there stay.
            self.assertEqual(c.call("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2"), b"OK")
            with Client(other, host="127.0.0.2") as d:
                self.assertEqual(d.call("PING"), b"PONG")

    def test_an_address_that_can_not_be_had_leaves_the_old_one(self):
        server = self.server({"bind": "127.0.0.1"})
        with socket.socket() as s, server.client() as c:
            s.bind(("127.0.0.1", 0))
            s.listen()
            taken = s.getsockname()[1]
            self.assertIn("Unable to listen on this port",
                          self.error(c, "CONFIG", "SET", "timeout", "9", "port", taken))
            self.assertIn("Failed to bind to specified addresses",
                          self.error(c, "CONFIG", "SET", "bind", "192.0.2.1"))
            self.assertEqual(c.call("CONFIG", "GET", "port", "bind", "timeout"),
                             [b"port", str(server.port).encode(), b"bind", b"127.0.0.1",
                              b"timeout", b"0"])
            with server.client() as d:
                self.assertEqual(d.call("PING"), b"PONG")

    def test_maxclients_beyond_the_systems_limit_is_refused(self):
        server = self.server(start=False)
        server.start(prefix=["prlimit", "--nofile=1000:1000", "setpriv", "--no-new-privs",
                             "--bounding-set=-sys_resource", "--inh-caps=-all"]
                     if os.getuid() == 0 else ["prlimit", "--nofile=1000:1000"])
        with server.client() as c:
            lowered = int(c.call("CONFIG", "GET", "maxclients")[1])
            self.assertLess(lowered, 1000)
            self.assertIn("try with %d" % lowered,
                          self.error(c, "CONFIG", "SET", "maxclients", "100000"))
            self.assertEqual(int(c.call("CONFIG", "GET", "maxclients")[1]), lowered)
            self.assertEqual(int(info(c)["maxclients"]), lowered)
        self.assertIn("maxclients is lowered from 10000 to %d" % lowered, server.tail(100))

    def test_renamed_and_removed_commands(self):
        server = self.server(start=False)
        path = os.path.join(server.dir, "r.conf")
        with open(path, "w") as f:
            f.write('rename-command FLUSHALL ""\nrename-command get SECRET-get\n'
                    "rename-command config c0nfig\nport %d\ndir %s\n" % (server.port, server.dir))
        server.arguments = lambda: [server.binary, path]
        server.start()
        with server.client() as c:
            c.call("SET", "a", "1")
            self.assertIn("unknown command 'FLUSHALL'", self.error(c, "FLUSHALL"))
            self.assertIn("unknown command 'GET'", self.error(c, "GET", "a"))
            self.assertEqual(c.call("secret-GET", "a"), b"1")
            self.assertEqual(c.call("C0NFIG", "GET", "timeout"), [b"timeout", b"0"])
            self.assertIn("unknown command 'CONFIG'", self.error(c, "CONFIG", "GET", "x"))
            self.assertEqual(c.call("COMMAND", "INFO", "flushall"), [None])
            self.assertEqual(c.call("COMMAND", "INFO", "secret-get")[0][0], b"get")
            self.assertEqual(c.call("COMMAND", "COUNT"), len(c.call("COMMAND")))
            self.assertNotIn(b"flushall", c.call("COMMAND", "LIST"))
            # Renamed commands count under their own names.
            self.assertEqual(info(c, "commandstats")["cmdstat_get"].split(",")[0], "calls=1")
            self.assertEqual(c.call("C0NFIG", "REWRITE"), b"OK")
        with open(path) as f:
            self.assertIn('rename-command FLUSHALL ""\n', f.read())

    def test_a_rename_that_makes_no_sense_stops_the_start(self):
        for words in (["no-such", "x"], ["get", "SET"]):
            server = self.server({"rename-command": words}, start=False)
            server.launch()
            self.assertEqual(self.wait_exit(server), 1)
            self.assertIn("rename-command", server.tail())

    def test_the_directory_is_told_in_full_and_can_not_be_changed(self):
        server = self.server(start=False)
        os.mkdir(os.path.join(server.dir, "data"))
        server.arguments = lambda: [server.binary, "--port", str(server.port), "--dir", "data"]
        server.start()
        with server.client() as c:
            self.assertEqual(c.call("CONFIG", "GET", "dir")[1].decode(),
                             os.path.join(os.path.realpath(server.dir), "data"))
            self.assertIn("can't set protected config", self.error(c, "CONFIG", "SET", "dir", "/"))

    def test_debug_is_guarded(self):
        for value, works in (("no", False), ("local", True), ("yes", True)):
            server = self.server({"enable-debug-command": value})
            with server.client() as c:
                if works:
                    self.assertEqual(c.call("DEBUG", "SLEEP", "0"), b"OK")
                else:
                    self.assertIn("DEBUG command not allowed", self.error(c, "DEBUG", "SLEEP", "0"))
                self.assertIn("immutable", self.error(c, "CONFIG", "SET", "enable-debug-command",
                                                      "yes"))

    def test_resetstat_zeroes_what_it_does_in_redis(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "a", "1")
            c.call("GET", "a")
            self.error(c, "NOSUCH")
            self.assertEqual(c.call("CONFIG", "RESETSTAT"), b"OK")
            now = info(c, "everything")
            for field in ("keyspace_hits", "total_connections_received", "total_error_replies",
                          "expired_keys"):
                self.assertEqual(now[field], "0", field)
            self.assertLessEqual(int(now["total_commands_processed"]), 2)
            self.assertNotIn("cmdstat_get", now)
            self.assertEqual(int(now["connected_clients"]), 1)

    def test_without_latency_tracking_nothing_is_said_of_latency(self):
        with self.server().client() as c:
            self.assertIn("latency_percentiles_usec_ping", self.latency_after_ping(c))
            c.call("CONFIG", "SET", "latency-tracking", "no")
            self.assertEqual(self.latency_after_ping(c), {})

    @staticmethod
    def latency_after_ping(c):
        c.call("PING")
        return info(c, "latencystats")

    def test_a_password_set_while_running_leaves_those_who_are_in(self):
        server = self.server()
        with server.client() as c, server.client() as d:
            c.call("CONFIG", "SET", "requirepass", "x")
            self.assertEqual(c.call("PING"), b"PONG")
            self.assertEqual(d.call("PING"), b"PONG")
            with server.client() as e:
                self.assertIn("NOAUTH", self.error(e, "PING"))
            c.call("CONFIG", "SET", "requirepass", "")
            with server.client() as e:
                self.assertEqual(e.call("PING"), b"PONG")


if __name__ == "__main__":
    case.main()
