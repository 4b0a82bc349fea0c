"""PostgreSQL's pool of connections, and how long anything waits for a PostgreSQL that is away."""

from typing import Any

import psycopg
from environs import ValidationError

SIZE = 20
TIMES = {  # in seconds, but for one in milliseconds; the last three find out that packets vanish
    "connect_timeout": 5,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
}
POOL = {"min_size": 1, "max_idle": 10, "timeout": 5, "reconnect_timeout": 5}


class Connection(psycopg.Connection[Any]):
    """One that, if the pool finds it dead, has all others there replaced too.

    The pool by itself would try them one by one, and wait longer each time.
    """

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the pool's check does; Django itself uses cursors only."""
        try:
            return super().execute(*args, **kwargs)
        except psycopg.OperationalError:
            pool: Any = self._pool
            if pool:
                pool.drain()
            raise


def options(given: dict[str, Any]) -> dict[str, Any]:
    """The OPTIONS of the database, with what its URL says."""
    size = given.get("pool", True)
    if not isinstance(size, int):
        raise ValidationError("?pool= takes a number of connections, true or false.")
    pool = POOL | {"max_size": SIZE if size is True else size, "connection_class": Connection}
    return TIMES | given | {"pool": size and pool}
