#!/usr/bin/env python3
"""The accounts themselves: each way in which a write can be lost, doubled or half done is found in
a history made up for it, and a history with nothing wrong passes."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
sys.path.insert(0, HERE)

import account  # noqa: E402
from workload import ACKED, REFUSED, UNKNOWN, Op  # noqa: E402


def op(kind, key, id_, status=ACKED, result=None, ended=0.0):
    found = Op(kind, key, id_)
    found.status, found.result, found.ended = status, result, ended
    return found


class Accounts(unittest.TestCase):
    def judge(self, state, ops, archive=()):
        place = account.Found()
        for key, value in archive:
            place.add(key, value)
            place.counts[key, value] += 1
        return account.judge(state, ops, [place])

    def assert_sound(self, verdict, lost=0):
        self.assertEqual(verdict.faults, [])
        self.assertEqual(verdict.unaccounted, [])
        self.assertEqual(len(verdict.lost), lost)

    def test_values(self):
        ops = [op("unique", "u:1", "1"), op("unique", "u:2", "2", UNKNOWN),
               op("unique", "u:3", "3", REFUSED)]
        self.assert_sound(self.judge({"u:1": "1"}, ops))
        self.assert_sound(self.judge({"u:1": "1", "u:2": "2"}, ops))
        self.assert_sound(self.judge({}, ops, [("u:1", "1")]), lost=1)
        self.assertEqual([o.id for o in self.judge({}, ops).unaccounted], ["1"])
        # Another key's record is no account of it.
        self.assertEqual(len(self.judge({}, ops, [("u:9", "1")]).unaccounted), 1)
        for state in ({"u:1": "1", "u:3": "3"}, {"u:1": "x"}):
            self.assertTrue(self.judge(state, ops).faults, state)

    def test_lists(self):
        ops = [op("append", "l", "1", result=1), op("append", "l", "2", result=2),
               op("append", "l", "3", UNKNOWN), op("append", "l", "4", REFUSED)]
        self.assert_sound(self.judge({"l": ["1", "2"]}, ops))
        self.assert_sound(self.judge({"l": ["1", "2", "3"]}, ops))
        self.assert_sound(self.judge({"l": ["1"]}, ops, [("l", "2")]), lost=1)
        self.assertEqual(len(self.judge({"l": ["1"]}, ops).unaccounted), 1)
        for there in (["1", "2", "2"], ["2", "1"], ["1", "2", "4"], ["1", "2", "9"], ["3", "1"]):
            self.assertTrue(self.judge({"l": there}, ops).faults, there)

    def test_counters(self):
        ops = [op("counter", "c", "1", result=1), op("counter", "c", "2", result=2),
               op("counter", "c", "3", UNKNOWN)]
        self.assert_sound(self.judge({"c": "2"}, ops))
        self.assert_sound(self.judge({"c": "3"}, ops))
        self.assert_sound(self.judge({"c": "1"}, ops, [("c", "2")]), lost=1)
        self.assertEqual(len(self.judge({"c": "1"}, ops).unaccounted), 1)
        self.assertTrue(self.judge({"c": "4"}, ops).faults)
        # Two were told the same: one history gave way.
        twice = ops + [op("counter", "c", "4", result=2, ended=1.0)]
        self.assert_sound(self.judge({"c": "2"}, twice, [("c", "2")]), lost=1)
        self.assertEqual([o.id for o in self.judge({"c": "2"}, twice).unaccounted], ["2"])

    def test_two_who_take_writes_at_a_time(self):
        def at(id_, node, when):
            found = op("unique", "{a}u:" + id_, id_, ended=when)
            found.began, found.node = when, node
            return found

        ops = [at("1", "x", 1.0), at("2", "y", 1.1), at("3", "x", 1.2), at("4", "y", 1.9)]
        self.assertEqual([o.id for o in account.usurped(ops, ops[1:2], 1.0)], ["2"])
        # Who comes after the last one, or long before the next one, took over.
        self.assertEqual(account.usurped(ops, ops[3:], 1.0), [])
        self.assertEqual(account.usurped(ops, ops[1:2], 0.1), [])

    def test_registers(self):
        ops = [op("swap", "r:0", "1", result="-"), op("swap", "r:0", "2", result="1"),
               op("swap", "r:0", "3", REFUSED)]
        self.assert_sound(self.judge({"r:0": "2", "h:0": ["->1", "1>2"]}, ops))
        self.assert_sound(self.judge({"r:0": "1", "h:0": ["->1"]}, ops, [("r:0", "2")]), lost=1)
        self.assertEqual(len(self.judge({"r:0": "1", "h:0": ["->1"]}, ops).unaccounted), 1)
        for value, history in (("1", ["->1", "1>2"]), ("2", ["->1", "->2"]),
                               ("3", ["->1", "1>2", "2>3"]), ("2", ["1>2"])):
            self.assertTrue(self.judge({"r:0": value, "h:0": history}, ops).faults, history)


if __name__ == "__main__":
    unittest.main()
