"""unittest with the servers' binaries from the command line."""
import argparse
import os
import sys
import unittest

from harness.servers import Server

BINARIES = argparse.Namespace(cairn=None, hiredis=None, shim=None)


class Case(unittest.TestCase):
    """Servers started by self.server() end with the test; their directories are kept when it
    failed."""

    def server(self, options=None, start=True, **more):
        server = Server(BINARIES.cairn, "cairn", options, **more)
        self.addCleanup(self._finish, server)
        return server.start() if start else server

    def _finish(self, server):
        outcome = getattr(self._outcome, "result", None)
        if outcome is not None:
            server.keep = any(test is self for test, _ in outcome.failures + outcome.errors)
        server.close()

    def sanitized(self):
        """True for a build whose memory and time are not its own."""
        return any(kind in BINARIES.cairn for kind in ("asan", "tsan"))

    def wait_exit(self, server, seconds=60):
        return server.process.wait(seconds)

    def error(self, client, *args):
        """The text of the error that the command is answered with."""
        with self.assertRaises(Exception) as caught:
            client.call(*args)
        return str(caught.exception)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--cairn", required=True)
    options.add_argument("--hiredis")
    options.add_argument("--shim")
    args, rest = options.parse_known_args()
    BINARIES.cairn = os.path.abspath(args.cairn)
    BINARIES.shim = args.shim and os.path.abspath(args.shim)
    BINARIES.hiredis = args.hiredis and os.path.abspath(args.hiredis)
    unittest.main(module="__main__", argv=[sys.argv[0]] + rest, verbosity=1, warnings="ignore")
