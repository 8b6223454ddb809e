"""The database in and out of a backup: SQLite as its own online copy, PostgreSQL as COPY texts.

Both are of one moment while others go on writing. Neither needs a program beside Python, so a
container has all it takes. A backup goes back into the engine it came from.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

SQLITE_MEMBER: Final = "database.sqlite3"
TABLE_MEMBERS: Final = "tables"
_MIGRATIONS: Final = "django_migrations"
_BLOCK: Final = 1024 * 1024


class CannotCopy(Exception):
    """The copy is damaged, or does not fit here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A copy in files by the name of their members, and what is in it."""

    members: dict[str, Path]
    migrations: list[tuple[str, str]]
    rows: dict[str, int]
    columns: dict[str, list[str]]


def copy_out(engine: str, directory: Path) -> Copied:
    """Copy the database as it is at this moment into `directory`. Raises CannotCopy,
    DatabaseError, OSError."""
    return _copy_sqlite(directory) if engine == "sqlite" else _copy_postgres(directory)


@contextmanager
def _own_connection() -> Iterator[BaseDatabaseWrapper]:
    # Not the thread's: a transaction may be open there.
    connection = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        yield connection
    finally:
        connection.close()


# --- SQLite --------------------------------------------------------------------------------


def _copy_sqlite(directory: Path) -> Copied:
    source = Path(str(connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]))
    if not source.is_file():
        raise CannotCopy(f"there is no database {source}")
    target = directory / SQLITE_MEMBER
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
        (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise CannotCopy(f"the copy is damaged: {verdict}")
        # One file without a log beside it.
        copy.execute("PRAGMA journal_mode=DELETE")
        tables = [
            name
            for (name,) in copy.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        return Copied(
            members={SQLITE_MEMBER: target},
            migrations=_applied(copy.execute(_APPLIED).fetchall()),
            rows={name: copy.execute(_count(name)).fetchone()[0] for name in sorted(tables)},
            columns={},
        )


def sqlite_rows(path: Path) -> dict[str, int]:
    """Rows by table of a copy."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
        names = copy.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {name: copy.execute(_count(name)).fetchone()[0] for (name,) in names}


# --- PostgreSQL ----------------------------------------------------------------------------


def _copy_postgres(directory: Path) -> Copied:
    members: dict[str, Path] = {}
    rows: dict[str, int] = {}
    columns: dict[str, list[str]] = {}
    with _own_connection() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        tables = _tables(connection, cursor)
        if _MIGRATIONS not in tables:
            raise CannotCopy("there are no tables in the database")
        cursor.execute(_APPLIED)
        migrations = _applied(cursor.fetchall())
        for table in tables:
            columns[table] = _columns(connection, cursor, table)
            path = directory / f"{table}.copy"
            rows[table] = _copy_table(cursor, table, columns[table], path)
            members[f"{TABLE_MEMBERS}/{table}.copy"] = path
        cursor.execute("COMMIT")
    return Copied(members=members, migrations=migrations, rows=rows, columns=columns)


def _copy_table(cursor: Any, table: str, columns: list[str], path: Path) -> int:
    # A query, because a table in partitions cannot be copied out by its name.
    sql = f"COPY (SELECT {_names(columns)} FROM {_quoted(table)}) TO STDOUT"  # noqa: S608 - names
    with path.open("wb") as file, cursor.copy(sql) as copy:
        for block in copy:
            file.write(block)
    return int(cursor.rowcount)


def restore_postgres(
    members: dict[str, Any], *, migrations: list[tuple[str, str]], columns: dict[str, list[str]]
) -> dict[str, int]:
    """Make the tables as they were and fill them, in one transaction; returns rows by table.

    `members`: an open file per table. The database must be empty. Raises CannotCopy, DatabaseError.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    executor = MigrationExecutor(connection)
    unknown = sorted(set(migrations) - set(executor.loader.disk_migrations))
    if unknown:
        raise CannotCopy(f"it is of a later version: {'.'.join(unknown[0])} is not known here")
    executor.migrate(_last_of_each(migrations, executor))
    rows: dict[str, int] = {}
    with _own_connection() as own, own.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(f"TRUNCATE {_names(sorted(columns))} CASCADE")
        for table, names in columns.items():
            sql = f"COPY {_quoted(table)} ({_names(names)}) FROM STDIN"
            with cursor.copy(sql) as copy:
                while block := members[table].read(_BLOCK):
                    copy.write(block)
            rows[table] = int(cursor.rowcount)
        _set_sequences(cursor)
        cursor.execute("COMMIT")
    return rows


def postgres_is_empty() -> bool:
    """Whether the database has no tables."""
    with _own_connection() as connection, connection.cursor() as cursor:
        return not _tables(connection, cursor)


def _last_of_each(
    migrations: list[tuple[str, str]], executor: MigrationExecutor
) -> list[tuple[str, str]]:
    """The applied migrations that no other applied one of the same application follows."""
    applied = set(migrations)
    graph = executor.loader.graph
    return [
        key
        for key in migrations
        if key in graph.nodes
        and not any(
            child.key in applied and child.key[0] == key[0]
            for child in graph.node_map[key].children
        )
    ]


def _set_sequences(cursor: Any) -> None:
    """Let every generated number go on after the highest there is."""
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE is_identity = 'YES' AND table_schema = current_schema()"
    )
    for table, column in cursor.fetchall():
        name = _quoted(column)
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence(%s, %s), COALESCE(max({name}), 1), "  # noqa: S608
            f"max({name}) IS NOT NULL) FROM {_quoted(table)}",
            [_quoted(table), column],
        )


def _tables(connection: BaseDatabaseWrapper, cursor: Any) -> list[str]:
    # Type "t": partitions come with the table they are of.
    listed = connection.introspection.get_table_list(cursor)
    return sorted(table.name for table in listed if table.type == "t")


def _columns(connection: BaseDatabaseWrapper, cursor: Any, table: str) -> list[str]:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_name = %s AND table_schema = current_schema() AND is_generated = 'NEVER' "
        "ORDER BY ordinal_position",
        [table],
    )
    return [name for (name,) in cursor.fetchall()]


_APPLIED: Final = f"SELECT app, name FROM {_MIGRATIONS} ORDER BY id"  # noqa: S608 - a name


def _applied(rows: list[Any]) -> list[tuple[str, str]]:
    return [(str(app), str(name)) for app, name in rows]


def _count(table: str) -> str:
    return f"SELECT count(*) FROM {_quoted(table)}"  # noqa: S608 - a name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _names(names: list[str]) -> str:
    return ", ".join(_quoted(name) for name in names)
