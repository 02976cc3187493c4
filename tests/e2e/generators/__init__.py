"""One module per command group: steps(rng) yields the commands that differential.py compares.

    from harness.steps import Step, pick

    def steps(rng):
        while True:
            yield ["SET", pick.key(rng), pick.value(rng)]
            yield Step(["HGETALL", pick.key(rng)], compare="pairs")

steps() is endless and draws only from rng, so that a seed replays it. Arguments are str, bytes or
int. How a reply is compared follows from the command's name (harness/steps.py, COMPARE) unless the
step says otherwise."""
