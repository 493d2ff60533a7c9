"""Throw-away servers of a test run: PostgreSQL, Redis and Lianxin itself, each on its own loopback port.

    with PrivatePostgres() as postgres, PrivateRedis() as redis:
        env = {"LIANXIN_DATABASE_URL": postgres.create_database(), "LIANXIN_REDIS_URL": redis.url}
        with AppServer(env) as server:
            ...                      # server.url, server.kill(), server.start(), server.log

Leaving the block ends the processes and removes their folders, even after an exception. A server can be stopped, killed
and started again in between; it keeps its port and its data. A server that cannot start raises `ServerFailed`, also if
its program is not installed: a missing server is a failure, never a skip.
"""

from tests.harness.servers.app import AppServer
from tests.harness.servers.nginx import Nginx
from tests.harness.servers.postgres import PrivatePostgres, create_database, emptying
from tests.harness.servers.process import HOST, Server, ServerFailed, free_port
from tests.harness.servers.redis import PrivateRedis

__all__ = [
    "HOST",
    "AppServer",
    "Nginx",
    "PrivatePostgres",
    "PrivateRedis",
    "Server",
    "ServerFailed",
    "create_database",
    "emptying",
    "free_port",
]
