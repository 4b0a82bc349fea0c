"""What all contenders send and ask alike."""

from django.db import connection

MESSAGE = "x" * 100


def wait() -> None:
    """Let PostgreSQL wait for 20 ms."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.02)")
