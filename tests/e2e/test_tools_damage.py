#!/usr/bin/env python3
"""The tools on what is damaged, locked, unreadable or no node's directory at all; and repair."""
import os
import random
import shutil
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import case, tools  # noqa: E402
from harness.case import BINARIES, ToolCase  # noqa: E402
from harness.servers import LONG  # noqa: E402


def flip(path, off, bits=1):
    with open(path, "r+b") as f:
        f.seek(off)
        old = f.read(1)
        f.seek(off)
        f.write(bytes([old[0] ^ bits]))


def blank(path, off):
    """Zeros from there to the end, as in a file that was reserved but not written."""
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        f.truncate(off)
        f.truncate(size)


class Logs(ToolCase):
    """Nodes that were killed, with a record per frame."""

    def killed(self, n=9, options=None, write=None):
        server = self.server(options)
        states = [{}]
        with server.client() as c:
            k = tools.Keyspace(c)
            for i in range(n):
                (write or (lambda i: k.set(b"k%d" % i, b"value %d" % i)))(i)
                states.append(k.copy())
        server.kill()
        return server, states

    def killed_in_segments(self):
        server = self.server({"wal-segment-size": "1mb", "wal-compression-level": "0"})
        states = [{}]
        with server.client() as c:
            k = tools.Keyspace(c)
            for i in range(12):
                k.set(b"k%d" % (i % 7), os.urandom(300000))
                states.append(k.copy())
        server.kill()
        self.assertGreater(len(tools.segments(server.dir)), 3)
        return server, states

    def frames(self, server):
        """{lsn: (file, offset)}"""
        return {r["lsn"]: (r["file"], r["off"])
                for r in self.wal("dump", "--format", "json", server.dir).json}

    def starts_with(self, server, state):
        server.start()
        self.assert_keys(tools.contents(server.port), state)
        with server.client() as c:
            c.call("SET", "writes", "work")
            c.call("SAVE")
        self.assertEqual(server.stop(), 0)
        self.wal("verify", "--deep", server.dir)
        self.slot("check", "--deep", server.dir)

    def torn(self, server):
        """Makes the last record's frame one that was not written to its end."""
        lsn, (path, off) = max(self.frames(server).items())
        blank(path, off + 96)
        return lsn - 1, path, off


class Damage(Logs):
    def test_a_flipped_byte_is_told_with_file_offset_and_lsn(self):
        server, _ = self.killed()
        path, off = self.frames(server)[5]
        flip(path, off + 90)
        for args in (["verify"], ["info"], ["dump"], ["stats"], ["train-dict", "-o", "x"],
                     ["replay", "--to-env", server.dir + "/new"], ["replay", "--to-stdout-resp"]):
            err = self.wal(*args, server.dir, code=3).err
            self.assertIn(path, err)
            self.assertIn("offset %d" % off, err)
            self.assertIn("LSN 5", err)
        self.assertFalse(os.path.exists(server.dir + "/new"))
        self.assertEqual(len(self.wal("dump", server.dir, code=3).text.splitlines()), 4)
        got = self.wal("verify", "--format", "json", server.dir, code=3).json[0]
        self.assertEqual((got["verdict"], got["ok_up_to"]), ("damage", 4))
        self.assertIn("offset %d" % off, got["detail"])
        quiet = self.wal("verify", "-q", server.dir, code=3)
        self.assertEqual((quiet.out, quiet.err), (b"", ""))
        for verb in ("info", "stat", "keys", "dump"):
            self.assertIn("offset %d" % off, self.slot(verb, server.dir, code=3).err)
        self.slot("dump", "--at", "checkpoint", server.dir)

    def test_a_torn_tail_is_a_finding(self):
        server, states = self.killed()
        last, path, off = self.torn(server)
        got = self.wal("verify", "--format", "json", server.dir, code=1).json[0]
        self.assertEqual((got["verdict"], got["ok_up_to"]), ("torn", last))
        self.assertGreater(got["torn_bytes"], 0)
        err = self.wal("dump", server.dir, code=1).err
        self.assertIn("torn tail", err)
        self.assertIn("offset %d" % off, err)
        self.assert_keys(tools.keys_of_json(
            self.slot("dump", "--format", "json", server.dir).json), states[-2])
        self.assertEqual(self.slot("info", server.dir, code=1).text.count("torn_tail       yes"), 1)
        self.wal("replay", server.dir, "--to-env", server.dir + "/new")

    def test_a_value_damaged_in_the_store(self):
        server = self.server()
        with server.client() as c:
            for i in range(50):
                c.call("SET", "k%d" % i, "here is value %d" % i)
        server.stop()
        path = os.path.join(server.dir, "keyspace.mdb")
        with open(path, "rb") as f:
            at = f.read().rfind(b"here is value 31")
        flip(path, at + 3)
        result = self.slot("check", server.dir, code=3)
        self.assertIn("damage  slot=%05d" % tools.keyslot(b"k31"), result.text)
        self.assertIn("damages=1", result.text)
        got = self.slot("check", "--format", "json", server.dir, code=3).json
        self.assertEqual(tools.unjson(got[0]["store_key"])[-3:], b"k31")
        self.assertEqual((got[-1]["keys"], got[-1]["damages"]), (49, 1))
        self.assertIn("slot %d" % tools.keyslot(b"k31"),
                      self.slot("get", server.dir, "k31", code=3).err)
        self.slot("get", server.dir, "k30")
        self.slot("dump", server.dir, code=3)

    def test_another_format_version_is_named(self):
        server, _ = self.killed()
        path = tools.segments(server.dir)[0]
        with open(path, "r+b") as f:
            f.seek(8)
            f.write(b"\x09")
        for verb in ("verify", "dump", "info", "stats"):
            self.assertIn("version", self.wal(verb, server.dir, code=3).err)
        self.assertIn("version", self.slot("dump", server.dir, code=3).err)
        copy = os.path.join(server.dir, "copy")
        shutil.copy(path, copy)
        self.assertIn("version", self.wal("verify", copy, code=3).err)

    def test_a_segment_that_is_missing(self):
        server, _ = self.killed_in_segments()
        files = tools.segments(server.dir)
        os.rename(files[1], files[1] + ".away")
        self.assertIn("goes on with", self.wal("verify", server.dir, code=3).err)
        self.wal("verify", server.dir, files[1] + ".away")


class Repair(Logs):
    def test_damage_is_cut_at_the_last_good_record(self):
        server, states = self.killed()
        path, off = self.frames(server)[5]
        flip(path, off + 90)
        before = {n: os.path.getsize(os.path.join(server.dir, "wal", n))
                  for n in os.listdir(os.path.join(server.dir, "wal"))}
        good = self.wal("verify", server.dir, code=3).fields()["ok_up_to"]
        self.assertEqual(good, "0:4")
        server.launch()
        self.assertNotEqual(self.wait_exit(server), 0)
        self.assertIn("--cut-at 4", self.wal("repair", server.dir, "--cut-torn-tail", "--yes",
                                             code=3).err)
        self.wal("repair", server.dir, "--cut-at", "5", "--yes", code=3)
        plan = self.wal("repair", server.dir, "--cut-at", good, code=4)
        self.assertIn("result=plan ends_at=4", plan.text)
        self.assertIn("--yes", plan.err)
        self.assertIn("--max-loss", self.wal("repair", server.dir, "--cut-at", good, "--max-loss",
                                             "10", "--yes", code=4).err)
        self.assertEqual({n: os.path.getsize(os.path.join(server.dir, "wal", n))
                          for n in os.listdir(os.path.join(server.dir, "wal"))}, before)
        with open(path, "rb") as f:
            old = f.read()
        done = self.wal("repair", server.dir, "--cut-at", good, "--max-loss", "64k", "--yes",
                        "--format", "json").json[0]
        self.assertEqual((done["result"], done["ends_at"], done["file"]), ("cut", 4, path))
        self.assertGreater(done["cut_bytes"], 0)
        with open(path + ".cut", "rb") as f:
            self.assertEqual(f.read(), old)
        self.wal("dump", path + ".cut", code=3)
        self.assertEqual(self.wal("verify", server.dir).fields()["ok_up_to"], "0:4")
        self.starts_with(server, states[4])

    def test_a_torn_tail_is_cut_and_nothing_else(self):
        server, states = self.killed()
        done = self.wal("repair", server.dir, "--cut-torn-tail", "--yes")
        self.assertIn("result=nothing ends_at=9", done.text)
        last, path, off = self.torn(server)
        done = self.wal("repair", server.dir, "--cut-torn-tail", "--yes", "--format",
                        "json").json[0]
        self.assertEqual((done["result"], done["ends_at"]), ("cut", last))
        # A note of the node about what is durable, a frame without records, may go with it.
        self.assertIn(off - done["off"], (0, 88))
        self.assertEqual(self.wal("verify", server.dir).fields()["torn_bytes"], "0")
        self.wal("verify", path + ".cut", code=1)
        self.starts_with(server, states[last])

    def test_a_cut_at_every_lsn_keeps_what_is_before_it(self):
        def write(server):
            with server.client() as c:
                c.pipeline([("SET", "k%d" % i, "v%d" % i) for i in range(12)])
        server = self.server()
        write(server)
        server.kill()
        whole = {b"k%d" % i: ("string", b"v%d" % i, 0) for i in range(12)}
        # Several records to a frame, or the test says nothing about cutting one.
        self.assertLess(len({v for v in self.frames(server).values()}), 12)
        for lsn in range(13):
            copy = os.path.join(self.folder(), "copy")
            shutil.copytree(server.dir, copy)
            done = self.wal("repair", copy, "--cut-at", lsn, "--yes", "--format", "json").json[0]
            self.assertEqual(done["result"], "nothing" if lsn == 12 else "cut")
            self.assertEqual(done["cut_records"], 12 - lsn)
            self.assertEqual(self.wal("verify", "--deep", copy).fields()["ok_up_to"], "0:%d" % lsn)
            self.assert_keys(tools.keys_of_json(
                self.slot("dump", "--format", "json", copy).json),
                {key: v for key, v in whole.items() if int(key[1:]) < lsn})
            if lsn in (0, 5):
                self.starts_with(self.server(start=False, directory=copy), {
                    key: v for key, v in whole.items() if int(key[1:]) < lsn})

    def test_segments_behind_the_cut_go_as_a_whole(self):
        server, states = self.killed_in_segments()
        files = tools.segments(server.dir)
        first = int(os.path.basename(files[2])[:16], 16)
        # A repair that was interrupted: its leftovers are in nobody's way.
        with open(files[1] + ".repair", "wb") as f:
            f.write(b"half")
        shutil.copy(files[3], files[3] + ".cut")
        cut = first - 2
        self.wal("repair", server.dir, "--cut-at", cut, "--yes")
        self.assertEqual(tools.segments(server.dir), files[:2])
        for path in files[2:]:
            self.assertTrue(os.path.exists(path + (".cut.1" if path == files[3] else ".cut")))
        self.wal("dump", "--no-value", files[2] + ".cut")
        self.starts_with(server, states[cut])

    def test_a_damaged_header_of_a_segment_that_goes(self):
        server, states = self.killed_in_segments()
        files = tools.segments(server.dir)
        first = int(os.path.basename(files[2])[:16], 16)
        flip(files[2], 40)
        self.assertRegex(self.wal("verify", server.dir, code=3).err, "header .*is damaged")
        self.wal("repair", server.dir, "--cut-at", first - 1, "--yes")
        self.starts_with(server, states[first - 1])

    def test_what_is_refused(self):
        server, _ = self.killed()
        self.wal("repair", server.dir, code=2)
        self.wal("repair", server.dir, "--cut-at", "3", "--cut-torn-tail", code=2)
        self.wal("repair", server.dir, "--cut-at", "99", "--yes", code=2)
        self.wal("repair", os.path.join(server.dir, "wal"), "--cut-at", "3", code=2)
        self.wal("repair", server.dir + "/nowhere", "--cut-at", "3", code=5)
        server.start()
        with server.client() as c:
            c.call("SAVE")
        err = self.wal("repair", server.dir, "--cut-at", "3", "--yes", code=4).err
        self.assertIn("process %d" % server.process.pid, err)
        server.kill()
        err = self.wal("repair", server.dir, "--cut-at", "3", "--yes", code=4).err
        self.assertIn("LSN 9 (its checkpoint)", err)
        self.assertEqual(len(os.listdir(os.path.join(server.dir, "wal"))),
                         len(tools.segments(server.dir)))


class NoNode(ToolCase):
    """Operands that are no data directory."""

    def all_verbs(self, path, codes, **more):
        for args in (["info"], ["dump"], ["verify"], ["verify", "--deep"], ["stats"],
                     ["replay", "--to-stdout-resp"], ["train-dict", "-o", path + ".dict"],
                     ["replay", "--to-env", path + ".new"], ["repair", "--cut-torn-tail"]):
            self.check([BINARIES.wal] + args + [path], codes, more)
        for args in (["info"], ["stat"], ["keys"], ["dump"], ["digest"], ["diff", path], ["check"]):
            self.check([BINARIES.slot] + args + [path], codes, more)
        self.check([BINARIES.slot, "get", path, "k"], codes, more)

    def check(self, args, codes, more):
        done = tools.run(*args, timeout=60, **more)
        self.assertIn(done.code, codes, (args, done.err))
        self.assertTrue(done.err, args)
        self.assertEqual(done.out, b"", args)

    def test_missing_empty_and_foreign(self):
        folder = self.folder()
        self.all_verbs(os.path.join(folder, "nowhere"), {5})
        self.all_verbs(folder, {5, 2})
        path = os.path.join(folder, "text")
        with open(path, "w") as f:
            f.write("no log\n" * 1000)
        self.all_verbs(path, {3, 2})
        os.mkdir(os.path.join(folder, "wal"))
        shutil.copy(path, os.path.join(folder, "wal", "%016x.wal" % 1))
        shutil.copy(path, os.path.join(folder, "keyspace.mdb"))
        for args in (["verify"], ["dump"], ["stats"], ["replay", "--to-stdout-resp"],
                     ):
            self.assertIn("offset 0", self.wal(*args, folder, code=3).err)
        for args in (["info"], ["stat"], ["keys"], ["dump"], ["digest"], ["diff", folder],
                     ["check"]):
            self.check([BINARIES.slot] + args + [folder], {3}, {})
        self.all_verbs("/dev/null", {5, 2})
        self.all_verbs("x" * 5000, {5, 2})

    def test_fifos_do_not_hang(self):
        folder = self.folder()
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        self.all_verbs(fifo, {5, 2})
        os.mkdir(os.path.join(folder, "wal"))
        os.mkfifo(os.path.join(folder, "wal", "%016x.wal" % 1))
        os.mkfifo(os.path.join(folder, "keyspace.mdb"))
        os.mkfifo(os.path.join(folder, "cairn.lock"))
        self.all_verbs(folder, {5, 3})

    def test_links_are_followed_and_circles_are_errors(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "k", "v")
        folder = self.folder()
        link = os.path.join(folder, "link")
        os.symlink(server.dir, link)
        self.assertEqual(self.slot("get", link, "k").text, '"v"\n')
        os.symlink(tools.segments(server.dir)[0], os.path.join(folder, "segment"))
        self.wal("verify", link)
        self.wal("verify", os.path.join(folder, "segment"))
        circle = os.path.join(folder, "circle")
        os.symlink(circle, circle)
        self.all_verbs(circle, {5, 2})

    def test_without_permission(self):
        server = self.server()
        with server.client() as c:
            c.call("SET", "k", "v")
        server.stop()
        folder = self.folder()
        os.chmod(folder, 0o755)
        closed = os.path.join(folder, "closed")
        shutil.copytree(server.dir, closed)
        programs = {}
        for name in ("wal", "slot"):
            programs[name] = shutil.copy(getattr(BINARIES, name), folder)
            os.chmod(programs[name], 0o755)
        nobody = 65534 if os.geteuid() == 0 else None
        for mode in (0o000, 0o400):
            os.chmod(closed, mode)
            for args in ([programs["wal"], "verify", closed], [programs["wal"], "dump", closed],
                         [programs["wal"], "repair", closed, "--cut-at", "0"],
                         [programs["slot"], "info", closed], [programs["slot"], "dump", closed],
                         [programs["wal"], "replay", closed, "--to-env", closed + "/new"]):
                done = subprocess.run(args, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                      stdout=subprocess.PIPE, timeout=60, user=nobody)
                self.assertIn(done.returncode, {5, 4, 2}, (args, done.stderr))
                self.assertTrue(done.stderr)
        os.chmod(closed, stat.S_IRWXU)

    def test_usage(self):
        for binary in (BINARIES.wal, BINARIES.slot):
            for args in ([], ["no-such-verb"], ["info"], ["info", "--no-such-option", "x"],
                         ["info", "--format"], ["info", "--format", "xml", "x"],
                         ["dump", "--slot", "16384", "x"], ["dump", "--slot", "5-4", "x"]):
                done = tools.run(binary, *args)
                self.assertEqual(done.code, 2, args)
                self.assertTrue(done.err.startswith(os.path.basename(binary) + ": "), done.err)
            self.assertEqual(tools.run(binary, "--help").code, 0)
            self.assertRegex(tools.run(binary, "--version").text, r"^cairn-\w+ \d")
        with open("/dev/full", "w") as full:
            self.assertEqual(subprocess.run([BINARIES.wal, "--help"], stdout=full,
                                            stderr=subprocess.DEVNULL).returncode, 5)


class Mutations(ToolCase):
    """Directories with random damage: no crash, no hang, and no wrong answer that looks right."""

    COUNT = int(os.environ.get("CAIRN_MUTATIONS", "400" if LONG else "12"))

    def base(self):
        server = self.server({"wal-compression-level": "1"})
        with server.client() as c:
            k = tools.Keyspace(c)
            for i in range(400):
                k.set(b"k%d" % i, b"value of %d" % i)
            k.hset(b"h", {b"f%d" % i: b"v" * 30 for i in range(200)})
            k.rpush(b"l", *[b"e%d" % i * 9 for i in range(100)])
            k.set(b"long" * 200, tools.bulk(30000))
            k.expire(b"k7", tools.LATER)
            c.call("SAVE")
            k.hset(b"h", {b"f1": b"changed", b"f2": b"too"})
            k.hset(b"h2", {b"f%d" % i: b"v" * 30 for i in range(200)})
            k.lpush(b"l", b"x")
            k.delete(b"k9")
        server.kill()
        for path in tools.segments(server.dir):
            # Without the reserved blanks, so that most mutations hit something.
            with open(path, "rb") as f:
                data = f.read().rstrip(b"\0")
            with open(path, "r+b") as f:
                f.truncate(len(data) + 200)
        return server.dir, k.keys

    @staticmethod
    def mutate(rng, path):
        with open(path, "rb") as f:
            data = bytearray(f.read())
        for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
            at = rng.randrange(len(data))
            kind = rng.randrange(8)
            if kind < 3:
                data[at] ^= 1 << rng.randrange(8)
            elif kind < 5:
                data[at:at + 8] = rng.choice([bytes(8), b"\xff" * 8, rng.randbytes(8),
                                              b"\1" + bytes(7)])
            elif kind == 5:
                page = at // 4096 * 4096
                other = rng.randrange(len(data)) // 4096 * 4096
                data[page:page + 4096] = data[other:other + 4096]
            elif kind == 6:
                # The front of a page: flags, bounds and offsets of a tree's nodes.
                at = at // 4096 * 4096 + rng.randrange(96)
                data[at:at + 2] = rng.randbytes(2)
            elif rng.random() < 0.2:
                del data[at:]
                break
        with open(path, "wb") as f:
            f.write(data)

    def test_no_crash_no_hang_no_wrong_answer(self):
        base, wanted = self.base()
        names = ["keyspace.mdb"] * 2 + [os.path.relpath(tools.segments(base)[0], base)]
        seed = int(os.environ.get("CAIRN_SEED", random.SystemRandom().randrange(1 << 32)))
        for n in range(self.COUNT):
            rng = random.Random(seed + n)
            copy = os.path.join(self.folder(), "copy")
            shutil.copytree(base, copy)
            hit = rng.choice(names)
            self.mutate(rng, os.path.join(copy, hit))
            with self.subTest(seed=seed + n, file=hit):
                self.judge(copy, wanted, hit)
            shutil.rmtree(os.path.dirname(copy))

    def judge(self, copy, wanted, hit):
        results = {}
        for binary, *args in (
                (BINARIES.wal, "verify", "--deep"), (BINARIES.wal, "dump", "--format", "json"),
                (BINARIES.wal, "replay", "--to-stdout-resp"), (BINARIES.wal, "info"),
                (BINARIES.wal, "replay", "--to-env", copy + ".new"),
                (BINARIES.slot, "check", "--deep"), (BINARIES.slot, "stat", "--by", "type"),
                (BINARIES.slot, "dump", "--format", "json"), (BINARIES.slot, "info"),
                (BINARIES.wal, "repair", "--cut-torn-tail", "--yes")):
            done = tools.run(binary, *args, copy, timeout=60)
            self.assertIn(done.code, range(6), (args, done.err[-3000:]))
            for bad in ("Sanitizer", "runtime error", "invariant"):
                self.assertNotIn(bad, done.err)
            results[os.path.basename(binary), args[0]] = done
        check, dump = results["cairn-slot", "check"], results["cairn-slot", "dump"]
        verify = results["cairn-wal", "verify"]
        if check.code == 0 and dump.code == 0 and verify.code == 0:
            self.assert_keys(tools.keys_of_json(dump.json), wanted)
        if hit.endswith(".wal") and verify.code == 0 and results["cairn-wal", "replay"].code == 0:
            new = self.slot("dump", "--format", "json", copy + ".new")
            self.assert_keys(tools.keys_of_json(new.json), wanted)


if __name__ == "__main__":
    case.main()
