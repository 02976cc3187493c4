"""What INFO counts: calls, rejections and failures by command, error codes, keyspace hits."""
from generators import mixed
from generators.scripts import command
from harness.steps import Step

OTHERWISE = ("SCAN", "BITCOUNT", "BITPOS", "LPOS")


def steps(rng):
    commands = mixed(rng, ["strings", "hashes", "lists", "sets", "keys", "bitmaps", "transactions",
                           "grammar", "connection"])
    yield ["CONFIG", "RESETSTAT"]
    for _ in range(380):
        if rng.random() < 0.02:  # with a code or without
            yield ["EVAL", "return {err='%s'}" % rng.choice(["alone", "MY two words", "", "x" * 40,
                                                             "X" * 40 + " y"]), "0"]
            continue
        if rng.random() < 0.1:  # an error counts once, however far it goes
            yield ["EVAL", rng.choice(["return %s", "%s return 1", "pcall(function() %s end)",
                                       "local e=%s if e and e.err then error(e) end",
                                       "return ({%s})[1]"]) % command(rng), "0"]
            continue
        step = next(commands)
        step = step if isinstance(step, Step) else Step(step)
        # A walk takes each server another number of calls, and SCAN TYPE counts a hit per key seen
        # in Redis; the others are refused at different moments, see differences.txt.
        if step.kind == "call" and str(step.args[0]).upper() not in OTHERWISE:
            yield step
    yield Step(None, kind="counted", conn=4)
