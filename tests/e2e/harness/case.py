"""unittest with the servers' binaries from the command line."""
import argparse
import os
import shutil
import sys
import tempfile
import unittest

from harness import tools
from harness.servers import Server

BINARIES = argparse.Namespace(cairn=None, hiredis=None, shim=None, wal=None, slot=None)


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


class ToolCase(Case):
    """With the two tools at hand; a code other than the one expected fails the test."""

    def _tool(self, name, args, code, more):
        result = tools.run(getattr(BINARIES, name), *args, **more)
        self.assertEqual(result.code, code, "cairn-%s %s\n%s%s" % (
            name, args, result.err, result.text[-2000:]))
        return result

    def wal(self, *args, code=0, **more):
        return self._tool("wal", args, code, more)

    def slot(self, *args, code=0, **more):
        return self._tool("slot", args, code, more)

    def assert_keys(self, found, wanted):
        self.assertEqual(sorted(found), sorted(wanted))
        for key in wanted:
            self.assertEqual(found[key], wanted[key], "key %r" % key[:80])

    def filled(self, options=None):
        """A node with the workload, and what it must hold."""
        server = self.server(options)
        client = server.client()
        self.addCleanup(client.close)
        k = tools.Keyspace(client)
        tools.fill(k)
        return server, k

    def folder(self):
        """A temporary one."""
        path = tempfile.mkdtemp(prefix="cairn-tools-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--cairn", required=True)
    options.add_argument("--hiredis")
    options.add_argument("--shim")
    options.add_argument("--wal", help="cairn-wal")
    options.add_argument("--slot", help="cairn-slot")
    args, rest = options.parse_known_args()
    BINARIES.cairn = os.path.abspath(args.cairn)
    for name in ("hiredis", "shim", "wal", "slot"):
        path = getattr(args, name)
        setattr(BINARIES, name, path and os.path.abspath(path))
    unittest.main(module="__main__", argv=[sys.argv[0]] + rest, verbosity=1, warnings="ignore")
