"""What INFO counts: calls, rejections and failures by command, error codes, keyspace hits."""
from generators import mixed
from harness.steps import Step

OTHERWISE = ("SCAN", "BITCOUNT", "BITPOS", "LPOS")


def steps(rng):
    commands = mixed(rng, ["strings", "hashes", "lists", "sets", "keys", "bitmaps", "transactions",
                           "grammar", "connection"])
    yield ["CONFIG", "RESETSTAT"]
    for _ in range(380):
        step = next(commands)
        step = step if isinstance(step, Step) else Step(step)
        # A walk takes each server another number of calls, and SCAN TYPE counts a hit per key seen
        # in Redis; the others are refused at different moments, see differences.txt.
        if step.kind == "call" and str(step.args[0]).upper() not in OTHERWISE:
            yield step
    yield Step(None, kind="counted", conn=4)
