"""Client libraries that were not written for Cairn, and where Debian has them."""
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
CLIENTS = os.path.join(os.path.dirname(HERE), "clients")
# Debian's own, for which its libraries are packaged.
PYTHON = "/usr/bin/python3"
ENVIRONMENT = dict(os.environ, PYTHONDONTWRITEBYTECODE="1",
                   NODE_PATH=os.pathsep.join(["/usr/share/nodejs", "/usr/lib/nodejs",
                                              # What tools/check has installed by npm.
                                              os.path.join(ROOT, "build/clients/node_modules"),
                                              os.environ.get("NODE_PATH", "")]))


def _works(*command):
    return shutil.which(command[0]) is not None and subprocess.run(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        check=False).returncode == 0


def node_has(library):
    return _works("node", "-e", "require(process.argv[1])", library)


def python_has_redis():
    return _works(PYTHON, "-c", "from redis.cluster import RedisCluster")


def client(name):
    """The path of a program in clients/."""
    return os.path.join(CLIENTS, name)
