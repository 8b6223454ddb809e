"""A polled snapshot follows commits, and grows old when it cannot."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from typing_extensions import override

from gateway.accounts.roles import Role
from gateway.accounts.services import CreatedKey, create_api_key, deactivate_user, revoke_api_key
from gateway.deployments.services import stop_egress
from gateway.inference.contracts import Snapshot, SnapshotUnavailable
from gateway.snapshot.build import Builder
from gateway.snapshot.source import PolledSnapshot
from tests.support.world import SETUP, project_with

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_S = 20  # only ever waited when something is broken


@pytest.fixture
def source() -> Iterator[PolledSnapshot]:
    made = PolledSnapshot(poll=timedelta(milliseconds=10))
    yield made
    made.stop()


@pytest.fixture
def key() -> CreatedKey:
    project, people = project_with("a", ada=Role.MEMBER)
    return create_api_key(by=SETUP, project=project, name="k", owner=people["ada"])


def knows(source: PolledSnapshot, key: CreatedKey) -> bool:
    return hashlib.sha256(key.text.encode()).digest() in source.current()[0].keys


def until(holds: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(PATIENCE_S * 100):
        if holds():
            return
        tick.wait(0.01)
    pytest.fail("it never came true")


def test_there_is_no_snapshot_before_the_start(source: PolledSnapshot) -> None:
    with pytest.raises(SnapshotUnavailable):
        source.current()


def test_a_revocation_is_seen_after_its_commit(source: PolledSnapshot, key: CreatedKey) -> None:
    source.start()
    assert knows(source, key)
    revoke_api_key(by=SETUP, key=key.key)
    until(lambda: not knows(source, key))


def test_a_deactivated_persons_key_is_gone(source: PolledSnapshot, key: CreatedKey) -> None:
    source.start()
    assert key.key.user is not None
    deactivate_user(by=SETUP, user=key.key.user)
    until(lambda: not knows(source, key))


def test_the_switch_reaches_a_running_process(source: PolledSnapshot, key: CreatedKey) -> None:
    source.start()
    stop_egress(by=SETUP)
    until(lambda: source.current()[0].egress_stopped)


def test_the_first_load_must_succeed() -> None:
    class Broken(Builder):
        @override
        def build(self) -> Snapshot:
            raise DatabaseError("away")

    source = PolledSnapshot(builder=Broken())
    with pytest.raises(DatabaseError):
        source.start()
    with pytest.raises(SnapshotUnavailable):
        source.current()
    source.stop()


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_age_is_counted_from_the_last_confirmation_and_a_dead_database_lets_it_grow(
    key: CreatedKey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    source = PolledSnapshot(monotonic=clock)
    source.refresh()
    clock.now_s += 3
    assert source.current()[1] == 3
    source.refresh()
    assert source.current()[1] == 0

    def away(*args: Any, **kwargs: Any) -> Any:
        raise DatabaseError("a text that quotes rows")

    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", away)
        clock.now_s += 7
        source.refresh()
        source.refresh()
        assert source.current()[1] == 7
        assert knows(source, key)
    assert caplog.text.count("cannot be read") == 1
    assert "quotes rows" not in caplog.text
    source.refresh()
    assert source.current()[1] == 0


def test_the_time_that_the_database_took_to_answer_counts_as_age(key: CreatedKey) -> None:
    clock = Clock()
    source = PolledSnapshot(monotonic=clock)

    def slow(execute: Any, *query: Any) -> Any:
        clock.now_s += 2
        return execute(*query)

    with connection.execute_wrapper(slow):
        source.refresh()
        assert source.current()[1] >= 2
        source.refresh()
        assert source.current()[1] == 2


def test_a_version_that_cannot_be_built_is_not_confirmed(key: CreatedKey) -> None:
    class Fragile(Builder):
        broken = False

        @override
        def build(self) -> Snapshot:
            if self.broken:
                raise ValueError("unreadable")
            return super().build()

    clock, builder = Clock(), Fragile()
    source = PolledSnapshot(builder=builder, monotonic=clock)
    source.refresh()
    builder.broken = True
    revoke_api_key(by=SETUP, key=key.key)
    clock.now_s += 6
    source.refresh()
    assert source.current()[1] == 6


def test_a_state_that_changes_while_it_is_read_is_read_again(key: CreatedKey) -> None:
    class Interrupted(Builder):
        interruptions = 0

        @override
        def _read(self, *args: Any) -> Snapshot:
            snapshot = super()._read(*args)
            if not self.interruptions:
                self.interruptions += 1
                revoke_api_key(by=SETUP, key=key.key)
            return snapshot

    snapshot = Interrupted().build()
    assert snapshot.keys == {}
