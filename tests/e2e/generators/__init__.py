"""One module per command group: steps(rng) yields the commands that differential.py compares.

    from harness.steps import Step, pick

    def steps(rng):
        while True:
            yield ["SET", pick.key(rng), pick.value(rng)]
            yield Step(["HGETALL", pick.key(rng)], compare="pairs")

steps() is endless and draws only from rng, so that a seed replays it. Arguments are str, bytes or
int. How a reply is compared follows from the command's name (harness/steps.py, COMPARE) unless the
step says otherwise."""
import importlib


def mixed(rng, names):
    """Steps of several groups in turn, so that their commands meet on the same keys. Where a group
    has lasting steps, without times to live that run out meanwhile, these are taken."""
    modules = [importlib.import_module("generators." + name) for name in names]
    streams = [getattr(m, "lasting", m.steps)(rng) for m in modules]
    while True:
        yield next(rng.choice(streams))


def now_and_then(rng, others, rare):
    """Steps of others, and once in 200 what rare() yields."""
    while True:
        if rng.random() < 0.995:
            yield next(others)
        else:
            yield from rare()
