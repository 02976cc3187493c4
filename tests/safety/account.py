"""What became of every operation: present, archived, on a dead node's disk, or gone."""
import collections
import glob
import json
import os

from harness import tools

from workload import ACKED, REFUSED

REGISTER, HISTORY = "r:", "h:"


class Found:
    """What some place holds of a key: strings that it was or that are among its elements."""

    def __init__(self):
        self.values = collections.defaultdict(set)
        self.counts = collections.Counter()  # (key, value) of strings, once per record

    def add(self, key, value):
        self.values[key].add(value)

    def has(self, op):
        if op.kind == "counter":
            return self.counts[op.key, str(op.result)] > 0
        return op.id in self.values[op.key]


def final_state(nodes):
    """{key: bytes or list} by what the primaries answer; each key is asked of its owner."""
    found = {}
    for server in nodes.living():
        with server.client() as c:
            if c.call("ROLE")[0] != b"master":
                continue
            cursor = b"0"
            while True:
                cursor, keys = c.call("SCAN", cursor, "COUNT", 1000)
                kinds = c.pipeline([("TYPE", k) for k in keys])
                values = c.pipeline([("GET", k) if kind == b"string" else ("LRANGE", k, 0, -1)
                                     for k, kind in zip(keys, kinds)])
                for key, value in zip(keys, values):
                    if isinstance(value, Exception):
                        raise AssertionError("%s of port %d: %s" % (key, server.port, value))
                    # A node that lost slots has no keys of them; it would be found here twice.
                    found[key.decode()] = ([v.decode() for v in value]
                                           if isinstance(value, list) else value.decode())
                if cursor == b"0":
                    break
    return found


def _records(wal, path):
    result = tools.run(wal, "dump", "--format", "json", "--value-max", 0, path)
    if result.code not in (0, 1):
        raise AssertionError("cairn-wal dump %s: %d %s" % (path, result.code, result.err))
    return map(json.loads, result.out.decode("utf-8").splitlines())


def in_logs(wal, paths):
    """What the records of archives, or of a dead node's log, name."""
    found = Found()
    seen = set()  # a record is given up by two nodes at times
    for path in paths:
        for record in _records(wal, path):
            key, value = record.get("key"), record.get("value")
            if value is None:
                continue
            for item in value if isinstance(value, list) else [value]:
                found.add(key, item)
            mark = (record["epoch"], record["lsn"], record["ts"], key)
            if not isinstance(value, list) and record["op"] == "put-key" and mark not in seen:
                seen.add(mark)
                found.counts[key, value] += 1
    return found


def archives(nodes):
    return sorted(path for server in nodes.nodes
                  for path in glob.glob(os.path.join(server.dir, "divergent", "*.wal")))


def in_append_only_files(servers):
    """What redis-server nodes that are dead have on their disks."""
    found = Found()
    for server in servers:
        for path in glob.glob(os.path.join(server.dir, "appendonlydir", "*.aof")):
            with open(path, "rb") as f:
                words = f.read().decode("latin-1").split("\r\n")
            for at, word in enumerate(words):
                if word.startswith("{") and at + 2 < len(words):
                    found.add(word, words[at + 2])
    return found


class Verdict:
    def __init__(self):
        self.counts = collections.Counter()
        self.faults = []    # what must not be
        self.lost = []      # acknowledged, and not in the final state
        self.unaccounted = []

    def fault(self, text, *args):
        self.faults.append(text % args)


def _elements(state, key):
    return state.get(key, [])


def _judge_value(verdict, state, archived, ops):
    """SET of keys of their own."""
    for op in ops:
        value = state.get(op.key)
        if value is not None and value != op.id:
            verdict.fault("%s is %r, and only %r was ever written", op.key, value, op.id)
        if op.status == REFUSED and value is not None:
            verdict.fault("%s was refused (%s) and is there", op.id, op.text)
        if op.status == ACKED:
            _settle(verdict, op, value == op.id, archived)


def _settle(verdict, op, present, archived):
    """Books an acknowledged operation."""
    verdict.counts["acknowledged"] += 1
    verdict.counts["with WAIT"] += op.waited
    if present:
        return
    verdict.lost.append(op)
    verdict.counts["lost with WAIT"] += op.waited
    if not any(place.has(op) for place in archived):
        verdict.unaccounted.append(op)


def _judge_list(verdict, state, archived, key, ops):
    """RPUSH: each element once, at the place that its reply named."""
    there = _elements(state, key)
    places = {value: i for i, value in enumerate(there)}
    if len(places) != len(there):
        verdict.fault("%s has elements twice: %s", key, [
            v for v, n in collections.Counter(there).items() if n > 1][:5])
    by_id = {op.id: op for op in ops}
    for value in there:
        if value not in by_id:
            verdict.fault("%s has %r, which nobody wrote", key, value)
    for op in ops:
        place = places.get(op.id)
        if op.status == REFUSED and place is not None:
            verdict.fault("%s was refused (%s) and is in %s", op.id, op.text, key)
        if op.status == ACKED:
            if place is not None and place + 1 != op.result:
                verdict.fault("%s is element %d of %s, its reply said %d", op.id, place + 1, key,
                              op.result)
            _settle(verdict, op, place is not None, archived)


def _judge_counter(verdict, state, archived, key, ops):
    """INCR: of those who were told the same value, one is in the history that lasted; none of a
    value that it did not come to."""
    last = int(state.get(key, "0"))
    sent = sum(op.status != REFUSED for op in ops)
    if last > sent:
        verdict.fault("%s is %d after at most %d increments", key, last, sent)
    told = collections.defaultdict(list)
    for op in ops:
        if op.status == ACKED:
            told[op.result].append(op)
    for value, same in told.items():
        # The ones that were told last are those of the history that lasted.
        same.sort(key=lambda op: op.ended)
        lasting = 1 if value <= last else 0
        kept = sum(place.counts[key, str(value)] for place in archived)
        for i, op in enumerate(reversed(same)):
            present = i < lasting
            verdict.counts["acknowledged"] += 1
            verdict.counts["with WAIT"] += op.waited
            if present:
                continue
            verdict.lost.append(op)
            verdict.counts["lost with WAIT"] += op.waited
            if i - lasting >= kept:
                verdict.unaccounted.append(op)


def _judge_register(verdict, state, archived, key, ops):
    """WATCH, MULTI, EXEC: the history is a chain, and the register is its end."""
    there = _elements(state, key.replace(REGISTER, HISTORY))
    before = "-"
    for entry in there:
        prior, _, now = entry.partition(">")
        if prior != before:
            verdict.fault("%s: %s was set on top of %s, its writer had seen %s", key, now, before,
                          prior)
        before = now
    if state.get(key, "-") != before:
        verdict.fault("%s is %s, its history ends with %s: half a transaction", key,
                      state.get(key, "-"), before)
    done = {entry.partition(">")[2] for entry in there}
    for op in ops:
        if op.status == REFUSED and op.id in done:
            verdict.fault("%s was refused (%s) and is in the history of %s", op.id, op.text, key)
        if op.status == ACKED:
            _settle(verdict, op, op.id in done, archived)


def judge(state, ops, places):
    """state: of the primaries at the end; places: where lost operations may be found."""
    verdict = Verdict()
    by_key = collections.defaultdict(list)
    for op in ops:
        verdict.counts[op.status] += 1
        by_key[op.kind, op.key].append(op)
    for (kind, key), same in by_key.items():
        if kind == "unique":
            _judge_value(verdict, state, places, same)
        else:
            {"append": _judge_list, "counter": _judge_counter,
             "swap": _judge_register}[kind](verdict, state, places, key, same)
    return verdict


def usurped(ops, lost, seconds):
    """Lost operations that a node acknowledged between two that lasted, both of another node and
    no further apart than that: two nodes took writes for one slot at a time."""
    gone = {id(op) for op in lost}
    lasting = collections.defaultdict(list)
    for op in ops:
        # Which of two increments with one result was lost is not known.
        if op.status == ACKED and op.kind != "counter" and id(op) not in gone:
            lasting[_tag(op)].append(op)
    found = []
    for op in lost:
        others = [o for o in lasting[_tag(op)] if o.node != op.node]
        before = max((o for o in others if o.ended < op.began), key=lambda o: o.ended,
                     default=None)
        after = min((o for o in others if o.began > op.ended), key=lambda o: o.began,
                    default=None)
        if op.kind != "counter" and before and after and before.node == after.node and (
                after.began - before.ended < seconds):
            found.append(op)
    return found


def _tag(op):
    return op.key.partition("}")[0]
