"""The databases of installations that tests start: SQLite in their directory, or PostgreSQL."""

import os
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import django.db.models  # noqa: F401 -- first: outside of Django the next import needs it
import psycopg
import redis
from django.db.backends.postgresql.operations import DatabaseOperations

_SECRETS = ("SLUICE_SECRET_KEY_FILE", "SLUICE_KEY_ENCRYPTION_KEY_FILE", "SLUICE_AUDIT_KEY")


def databases_for() -> dict[str, str]:
    """The environment for a new installation: empty databases on the servers that DATABASE_URL and
    REDIS_URL name, with their secrets; nothing when the stores are embedded."""
    if not os.environ.get("DATABASE_URL"):
        return {}
    return {
        "DATABASE_URL": _new_database(os.environ["DATABASE_URL"]),
        "REDIS_URL": new_store(os.environ["REDIS_URL"]),
        **{name: os.environ[name] for name in _SECRETS},
    }


def rows(env: Mapping[str, str], sql: str) -> list[tuple[Any, ...]]:
    """What a statement that only reads finds in the database of an installation."""
    if url := env.get("DATABASE_URL"):
        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode()).fetchall()
    path = f"file:{env['SLUICE_VAR']}/sluice.sqlite3?mode=ro"
    with closing(sqlite3.connect(path, uri=True, timeout=20)) as embedded:
        return embedded.execute(sql).fetchall()


def change(env: Mapping[str, str], sql: str) -> None:
    """Run a statement on the database of an installation, behind Sluice's back."""
    if url := env.get("DATABASE_URL"):
        with psycopg.connect(url) as connection:
            connection.execute(sql.encode())
        return
    path = f"{env['SLUICE_VAR']}/sluice.sqlite3"
    with closing(sqlite3.connect(path, timeout=20)) as embedded, embedded:
        embedded.execute(sql)


def delete_instead_of_truncate() -> None:
    """Between tests, empty PostgreSQL's tables by DELETE: each TRUNCATE makes new files for all of
    them, which took longer than most tests. Needs a superuser, as the tests' own servers have."""

    def sql_flush(
        operations: DatabaseOperations,
        style: object,
        tables: Sequence[str],
        **_: object,
    ) -> list[str]:
        names = [operations.quote_name(name) for name in tables]
        without_triggers = "SET LOCAL session_replication_role = replica"
        return [without_triggers, *(f"DELETE FROM {name}" for name in names)]  # noqa: S608

    DatabaseOperations.sql_flush = sql_flush  # type: ignore[assignment, method-assign]


def _new_database(url: str) -> str:
    name = f"sluice_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def new_store(url: str) -> str:
    """The next numbered database that nobody took: counted in number 0, beside them all."""
    shared = urlsplit(url)._replace(path="/0").geturl()
    with redis.Redis.from_url(shared) as client:
        number = int(client.incr("tests:databases"))
    return urlsplit(url)._replace(path=f"/{number + 1}").geturl()
