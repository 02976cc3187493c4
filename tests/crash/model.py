#!/usr/bin/env python3
"""Each type against a plain model: random operations with checkpoints, restarts and kill -9 in
between. Every reply is that of the model; after every step the number of elements, the key's time
to live and what the step touched are compared, and the whole content with all times after every
checkpoint, restart and kill, and now and then.

    tests/crash/model.py --cairn build/debug/cairn-server [--types hash,list] [--seed 1] [--steps N]

Collections are driven to sizes about those at which their form changes, and kept there for a while
(model_key.py); some steps go out as a transaction, a script or a pipeline."""
import argparse
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

from harness.servers import LONG, Server  # noqa: E402
from model_collections import List, Set, Zset  # noqa: E402
from model_fields import Hash, Stream, String  # noqa: E402

TYPES = {c.name: c for c in (Hash, List, Set, Zset, Stream, String)}


class Run:
    def __init__(self, args, name):
        self.args, self.rng = args, random.Random("%d %s" % (args.seed, name))
        self.node = Server(args.cairn, "cairn", {"appendfsync": "no", "memtable-max": "1mb",
                                                 "enable-debug-command": "yes"})
        self.node.start()
        self.client = self.node.client()
        self.model = TYPES[name](self.client, self.rng)
        self.lives = self.checkpoints = 0

    def event(self):
        """A checkpoint, which may go on while what comes next is done; or the store closed and
        opened; or the end of the process, by itself or by SIGKILL."""
        dice = self.rng.random()
        if dice < 0.5:
            self.client.call("SAVE" if dice < 0.2 else "BGSAVE")
            self.checkpoints += 1
        elif dice < 0.65:
            self.client.call("DEBUG", "RELOAD" if dice < 0.57 else "LOADAOF")
        else:
            if self.rng.random() < 0.3:
                self.client.call("BGSAVE")  # it is under way when the end comes
            self.client.close()
            if dice < 0.75:
                assert self.node.stop() == 0, "the end was not clean"
            else:
                self.node.kill()
            self.node.start()
            self.client = self.model.client = self.node.client()
            self.lives += 1
        self.model.whole()

    def run(self):
        done, begin = 0, time.monotonic()
        try:
            while done < self.args.steps:
                self.model.step()
                if self.rng.random() < self.args.events:
                    self.event()
                elif done % 25 == 0:
                    self.model.whole()
                done += 1
            self.model.whole()
        except Exception as e:
            self.node.keep = True
            print("%s, seed %d, step %d: %s" % (self.model.name, self.args.seed, done,
                                                str(e)[:2000]))
            return 1
        finally:
            self.client.close()
            self.node.close()
        used = self.model.used
        print("%s, seed %d: %d steps, %d commands of %d kinds, %d checkpoints, %d restarts and "
              "kills, %.1f s" % (self.model.name, self.args.seed, done, sum(used.values()),
                                 len(used), self.checkpoints, self.lives,
                                 time.monotonic() - begin))
        return 0


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cairn", required=True)
    options.add_argument("--types", type=lambda s: s.split(","), default=list(TYPES))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--steps", type=int, default=100000 if LONG else 1000, help="of each type")
    options.add_argument("--events", type=float, default=0.015,
                         help="checkpoints, restarts, kills")
    args = options.parse_args()
    return 1 if sum(Run(args, name).run() for name in args.types) else 0


if __name__ == "__main__":
    sys.exit(main())
