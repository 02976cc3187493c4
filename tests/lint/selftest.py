#!/usr/bin/env python3
"""The lint checks judged themselves: each must find its fault in a sample that has it."""
import os
import shutil
import tempfile
import unittest

import check_hardening
import check_includes
import check_shape
import check_symbols
import source

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def includes(path, text):
    table = check_includes.rules(source.read(ROOT, "tests/lint/layers.txt"))
    return check_includes.judge(path, text, table, lambda name: True)


def symbols(lib, *lines):
    _, deny, allow = check_symbols.rules(source.read(ROOT, "tests/lint/symbols.txt"))
    return check_symbols.judge(lib, "\n".join(lines), deny, allow)[0]


class Includes(unittest.TestCase):
    def test_an_include_against_the_arrows_is_found(self):
        self.assertEqual(len(includes("engine/x.c", '#include "net/config.h"\n')), 1)
        self.assertEqual(len(includes("engine/wal/x.c", '#include "engine/view.h"\n')), 1)
        self.assertEqual(len(includes("net/proto/x.c", '#include "engine/engine.h"\n')), 1)
        self.assertEqual(includes("net/command/x.c", '#include "engine/engine.h"\n'), [])

    def test_a_private_header_stays_in_its_folder(self):
        self.assertEqual(len(includes("net/command/x.c", '#include "engine/memtable.h"\n')), 1)
        self.assertEqual(includes("engine/engine.c", '#include "engine/memtable.h"\n'), [])

    def test_a_system_header_stays_where_it_belongs(self):
        self.assertEqual(len(includes("engine/engine.c", "#include <lmdb.h>\n")), 1)
        self.assertEqual(includes("engine/store.c", "#include <lmdb.h>\n"), [])
        self.assertEqual(len(includes("net/command/x.c", "#include <event2/event.h>\n")), 1)
        self.assertEqual(includes("net/conn.c", "#include <event2/event.h>\n"), [])
        self.assertEqual(len(includes("engine/view.c", "#include <time.h>\n")), 1)
        self.assertEqual(len(includes("net/conn.c", "#include <cmocka.h>\n")), 1)

    def test_a_commented_include_does_not_count(self):
        self.assertEqual(includes("engine/x.c", "/*\n#include <lmdb.h>\n*/\n"), [])


class Symbols(unittest.TestCase):
    def test_a_forbidden_call_is_found_only_where_it_is_forbidden(self):
        self.assertEqual(len(symbols("engine", "l.a:memtable.c.o:      U malloc")), 1)
        self.assertEqual(symbols("base", "l.a:alloc.c.o:      U malloc"), [])
        self.assertEqual(len(symbols("types", "l.a:type_hash.c.o: U clock_gettime")), 1)
        self.assertEqual(len(symbols("command", "l.a:cmd_key.c.o: U mdb_get")), 1)
        self.assertEqual(symbols("engine", "l.a:store.c.o: U mdb_get"), [])
        self.assertEqual(symbols("types", "l.a:type_hash.c.o: U mem_alloc"), [])


class Hardening(unittest.TestCase):
    GOOD = ("  GNU_STACK 0x0 0x0 0x0 0x0 0x0 RW  0x10\n  GNU_RELRO 0x1 0x2 0x2 0x3 0x3 R 0x1\n"
            " 0x000000006ffffffb (FLAGS_1)            Flags: NOW PIE\n"
            "    71: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND __stack_chk_fail@GLIBC\n"
            "    72: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND __memcpy_chk@GLIBC\n")

    def test_each_protection_is_missed(self):
        self.assertEqual(check_hardening.judge("x", self.GOOD), [])
        for there, instead in (("NOW", ""), ("PIE", ""), ("GNU_RELRO", ""), (" RW ", " RWE "),
                               ("__stack_chk_fail", "f"), ("__memcpy_chk", "memcpy")):
            self.assertEqual(len(check_hardening.judge("x", self.GOOD.replace(there, instead))), 1,
                             there)


class Shape(unittest.TestCase):
    def test_banned_calls_are_found_but_not_in_comments_strings_or_members(self):
        bad = "/* x */\nvoid f(void)\n{\n\tstrcpy(a, b);\n\tfree(a);\n}\n"
        self.assertEqual(len(check_shape.judge_c("engine/x.c", bad)), 2)
        good = '/* strcpy(a) */\nchar *s = "strcpy(a)";\nint x = c->time(0) + now_time(1);\n'
        self.assertEqual(check_shape.judge_c("engine/x.c", good), [])

    def test_the_guard_follows_the_path(self):
        text = "/* x */\n#ifndef CAIRN_%s_H\n#define CAIRN_%s_H\n#endif\n"
        self.assertEqual(check_shape.judge_c("net/a.h", text % ("NET_A", "NET_A")), [])
        self.assertEqual(len(check_shape.judge_c("net/a.h", text % ("NET_B", "NET_B"))), 1)

    def test_a_prototype_without_a_comment_is_found(self):
        self.assertEqual(check_shape.uncommented("int f(int x);\n"), [1])
        self.assertEqual(check_shape.uncommented("/* Does. */\nint f(int x);\nint g(int x);\n"), [])
        self.assertEqual(check_shape.uncommented("/* a */\n\nint f(int x);\n"), [3])
        self.assertEqual(check_shape.uncommented("struct x {\n\tint (*f)(void);\n};\n"), [])

    def test_a_long_function_is_measured(self):
        body = "/* x */\nstatic int f(int a,\n\tint b)\n{\n" + "\ta++;\n" * 80 + "}\n"
        found = list(check_shape.sizes("engine/x.c", body))
        self.assertEqual(found, [("function engine/x.c f", 82, 70)])
        self.assertEqual(len(check_shape.judge_sizes({"function a f": (82, 70)}, {})), 1)
        self.assertEqual(check_shape.judge_sizes({"function a f": (82, 70)},
                                                 {"function a f": 82}), [])
        self.assertEqual(len(check_shape.judge_sizes({}, {"function a f": 82})), 1)

    def test_unfinished_words_long_lines_and_machine_paths_are_found(self):
        self.assertEqual(len(check_shape.judge_text("a.c", "/* TO" + "DO: x */\n")), 1)
        self.assertEqual(len(check_shape.judge_text("a.c", "\t" * 13 + "\n")), 2)
        self.assertEqual(len(check_shape.judge_text("a.c", "/* see /wo" + "rk/x */\n")), 1)
        self.assertEqual(check_shape.judge_text("a.c", "int network_x; // net/work/x\n"), [])

    def test_a_source_without_a_test_needs_a_reason(self):
        self.assertEqual(len(check_shape.untested(["engine/a.c"], "")), 1)
        self.assertEqual(check_shape.untested(["engine/a.c"], "engine/a.c because\n"), [])
        self.assertEqual(check_shape.untested(["engine/a.c", "tests/unit/test_a.c"], ""), [])
        self.assertEqual(len(check_shape.judge_names(["engine/a.c", "net/a.c"])), 1)

    def test_what_was_formatted_well_once_is_judged_again_when_it_changes(self):
        with tempfile.TemporaryDirectory() as root:
            shutil.copy(os.path.join(ROOT, ".clang-format"), root)
            known, path = os.path.join(root, "known"), os.path.join(root, "a.c")
            for text, problems in (("int  a;\n", 1), ("int  a;\n", 1), ("int a;\n", 0),
                                   ("int a;\n", 0), ("int a ;\n", 1)):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                self.assertEqual(len(check_shape.judge_format(root, ["a.c"], known)), problems)


if __name__ == "__main__":
    unittest.main()
