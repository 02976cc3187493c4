"""Did my write survive? An example on redis-py: writes, keeps the position of the write, and asks
any node of the shard for its fate later, perhaps after a failover.
usage: fate_redis_py.py PORT write KEY VALUE     prints the position
       fate_redis_py.py PORT fate POSITION       prints fate, replicas and file, as far as known"""
import sys

import redis


def write(client, key, value):
    """The write, and where it is: both on one connection."""
    connection = client.connection_pool.get_connection("SET")
    try:
        connection.send_command("SET", key, value)
        connection.read_response()
        connection.send_command("CLUSTER", "LSN")
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def fate(client, position):
    connection = client.connection_pool.get_connection("CLUSTER")
    try:
        connection.send_command("CLUSTER", "LSN", position)
        flat = connection.read_response()
        return dict(zip(flat[::2], flat[1::2]))
    finally:
        client.connection_pool.release(connection)


def main():
    port, what, *args = sys.argv[1:]
    client = redis.Redis(port=int(port), decode_responses=True)
    if what == "write":
        print(write(client, *args))
    else:
        print(" ".join("%s=%s" % (k, "none" if v is None else v)
                       for k, v in fate(client, *args).items()))


main()
