"""Nodes that talk TLS, and the papers that they show: two CAs, certificates of both, and one that
has expired."""
import os
import shutil
import ssl
import subprocess
import tempfile

from harness.case import BINARIES, Case
from harness.resp import Client
from harness.servers import Server, redis_binary

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words):
    subprocess.run(("openssl",) + words, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Papers:
    """NAME.key and NAME.crt for "one" and its like "other", both of the CA one.ca, for "two" of the
    CA two.ca, and for "old", of one.ca until yesterday."""

    def __init__(self, folder):
        self.folder = folder
        for ca in ("one.ca", "two.ca"):
            openssl("req", "-x509", *CURVE, "-days", "2", "-subj", "/CN=" + ca,
                    "-keyout", self.path(ca, "key"), "-out", self.path(ca, "crt"))
        for name, ca, days in (("one", "one.ca", "2"), ("other", "one.ca", "2"),
                               ("two", "two.ca", "2"), ("old", "one.ca", "-1")):
            openssl("req", *CURVE, "-subj", "/CN=" + name,
                    "-keyout", self.path(name, "key"), "-out", self.path(name, "csr"))
            openssl("x509", "-req", "-in", self.path(name, "csr"), "-CA", self.path(ca, "crt"),
                    "-CAkey", self.path(ca, "key"), "-CAcreateserial", "-days", days,
                    "-out", self.path(name, "crt"))

    def path(self, name, kind):
        return os.path.join(self.folder, name + "." + kind)

    def cli_words(self, name="one"):
        """redis-cli's options to the same end."""
        words = ["--tls", "--cacert", self.path("one.ca", "crt")]
        if name is not None:
            words += ["--cert", self.path(name, "crt"), "--key", self.path(name, "key")]
        return words

    def context(self, name="one"):
        """What a client shows (None: nothing); it trusts the first CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.path("one.ca", "crt"))
        if name is not None:
            context.load_cert_chain(self.path(name, "crt"), self.path(name, "key"))
        return context


class TlsServer(Server):
    """Server.port is its TLS port; there is a plain one only where plain_port says so."""

    def __init__(self, binary, kind, papers, options=None, plain_port=0, **more):
        files = {"tls-cert-file": papers.path("one", "crt"),
                 "tls-key-file": papers.path("one", "key"),
                 "tls-ca-cert-file": papers.path("one.ca", "crt")}
        super().__init__(binary, kind, {**files, **(options or {})}, **more)
        self.papers, self.plain_port = papers, plain_port

    def arguments(self):
        args = super().arguments()
        args[args.index("--port") + 1] = str(self.plain_port)
        return args + ["--tls-port", str(self.port)]

    def client(self, proto=2, timeout=60.0, password=None, cert="one"):
        return Client(self.port, proto=proto, timeout=timeout, password=password,
                      tls=self.papers.context(cert))

    def cli(self, *words, cert="one", data=None):
        """What redis-cli prints."""
        args = ["redis-cli", "-p", str(self.port)] + self.papers.cli_words(cert)
        done = subprocess.run(args + [str(w) for w in words], input=data or b"",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        return done.stdout.rstrip(b"\n")

    def plain_client(self):
        """One of the plain port."""
        return Client(self.plain_port)

    def says(self):
        """Its whole log."""
        with open(self.log, errors="replace") as f:
            return f.read()


class TlsCase(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="cairn-tls-")
        cls.papers = Papers(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def made(self, kind="cairn", plain_port=0, **options):
        """A node that is not started; ends with the test."""
        binary = BINARIES.cairn if kind == "cairn" else redis_binary()
        server = TlsServer(binary, kind, self.papers,
                           {k.replace("_", "-"): v for k, v in options.items()}, plain_port)
        self.addCleanup(self._finish, server)
        return server

    def node(self, kind="cairn", plain_port=0, **options):
        return self.made(kind, plain_port, **options).start()
