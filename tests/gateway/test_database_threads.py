"""Threads beside an event loop: their connections end with their work, and mend themselves."""

import asyncio
import threading

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from gateway.accounts.models import User
from gateway.database_threads import DatabaseThreads, in_database_thread

pytestmark = pytest.mark.django_db(transaction=True)


def used() -> BaseDatabaseWrapper:
    """The thread's connection, after a question."""
    User.objects.count()
    assert connection.connection is not None
    return connections["default"]


def failing() -> None:
    used()
    raise DatabaseError("as when the server goes away")


def test_what_is_asked_now_and_then_leaves_no_connection() -> None:
    seen = [asyncio.run(in_database_thread(used))]

    def fail_later() -> None:
        seen.append(used())
        raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        asyncio.run(in_database_thread(fail_later))
    assert [each.connection for each in seen] == [None, None]


def test_every_thread_closes_its_connection_at_the_end() -> None:
    together = threading.Barrier(3)

    def used_beside_others() -> BaseDatabaseWrapper:
        together.wait(10)
        return used()

    async def ask(threads: DatabaseThreads) -> list[BaseDatabaseWrapper]:
        return await asyncio.gather(*(threads(used_beside_others) for _ in range(3)))

    threads = DatabaseThreads(3, name="test")
    seen = asyncio.run(ask(threads))
    assert len({id(each) for each in seen}) == 3
    assert all(each.connection is not None for each in seen)  # kept while they work
    threads.close()
    assert [each.connection for each in seen] == [None, None, None]


def test_threads_that_never_worked_close_as_well() -> None:
    DatabaseThreads(3, name="test").close()


def test_a_connection_that_failed_is_not_used_again() -> None:
    async def ask(threads: DatabaseThreads) -> None:
        kept = (await threads(used)).connection
        with pytest.raises(DatabaseError):
            await threads(failing)
        assert (await threads(used)).connection is not kept

    threads = DatabaseThreads(1, name="test")
    asyncio.run(ask(threads))
    threads.close()


@pytest.mark.skipif(settings.EMBEDDED, reason="SQLite has no server that may go away")
def test_a_connection_that_the_server_ended_while_it_lay_idle_is_opened_again() -> None:
    async def ask(threads: DatabaseThreads) -> None:
        seen = await threads(used)
        pid = seen.connection.info.backend_pid
        await in_database_thread(end, pid)
        await threads(used)

    def end(pid: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    threads = DatabaseThreads(1, name="test", trusted_for_s=0)
    asyncio.run(ask(threads))
    threads.close()
