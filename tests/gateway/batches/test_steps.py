"""A worker's tasks begin long steps and are done; what is no batch's comes first."""

import logging
import threading
from collections.abc import Iterator

import pytest
from kombu import Connection, Message

from gateway.batches import tasks
from gateway.batches.models import Status
from gateway.batches.sheets import tasks as sheet_tasks
from gateway.batches.steps import Steps
from gateway.celery import app
from tests.support.servers import RedisServer


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a step waits for; it is opened at the end, whatever happened."""
    opened = threading.Event()
    yield opened
    opened.set()


def test_it_begins_a_step_once_and_only_so_many(gate: threading.Event) -> None:
    steps = Steps(most=2)
    done: list[str] = []

    def work() -> None:
        gate.wait(30)
        done.append("done")

    assert steps.begin("a", work)
    assert not steps.begin("a", work)
    assert steps.begin("b", work)
    assert not steps.begin("c", work)
    assert done == []
    gate.set()
    steps.wait(30)
    assert done == ["done", "done"]
    assert steps.begin("c", work)
    steps.wait(30)


def test_a_step_that_fails_is_told_and_may_begin_again(caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps()

    def broken() -> None:
        raise ValueError

    with caplog.at_level(logging.ERROR):
        assert steps.begin("a", broken)
        steps.wait(30)
    assert "a step of a failed: ValueError at broken" in caplog.text
    assert steps.begin("a", lambda: None)
    steps.wait(30)


class _Loop:
    """What a task needs of the worker's loop."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.presence = type("Presence", (), {"name": "here"})
        self.woken: list[str] = []

    def wake(self, batch_id: str) -> None:
        self.woken.append(batch_id)


def test_a_task_does_not_wait_for_the_step_that_it_begins(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    loop, begun = _Loop(), threading.Event()

    def long_step(_: str, *, process: str) -> None:
        assert process == "here"
        begun.set()
        gate.wait(30)

    monkeypatch.setattr(tasks, "worker_loop", lambda: loop)
    monkeypatch.setattr(tasks, "_status", lambda _: Status.VALIDATING)
    monkeypatch.setattr(tasks, "validate", long_step)
    monkeypatch.setattr(sheet_tasks, "worker_loop", lambda: loop)
    monkeypatch.setattr(sheet_tasks, "estimate", long_step)
    monkeypatch.setattr(sheet_tasks, "collect", lambda *_, **__: None)
    for advance, name in ((tasks.advance, "batch_1"), (sheet_tasks.advance, "sheet_1")):
        begun.clear()
        advance(name)
        assert begun.wait(30)
        assert not gate.is_set()
    gate.set()
    loop.steps.wait(30)


def test_what_is_no_batchs_is_taken_first(redis_server: RedisServer) -> None:
    options = {**app.conf.broker_transport_options, "polling_interval": 0.1}
    taken: list[str] = []

    def take(body: str, message: Message) -> None:
        taken.append(body)
        message.ack()

    with Connection(redis_server.new_database(), transport_options=options) as broker:
        with broker.Producer() as producer:
            for number in range(6):
                for queue in reversed(app.conf.task_queues):  # what is a batch's is there first
                    producer.publish(
                        f"{queue.name} {number}", routing_key=queue.name, declare=[queue]
                    )
        with broker.Consumer(
            app.conf.task_queues,
            callbacks=[take],
            prefetch_count=1,
        ):
            while len(taken) < 12:
                broker.drain_events(timeout=30)
    assert [each.split()[0] for each in taken] == ["default"] * 6 + ["batches"] * 6


def test_a_step_whose_thread_cannot_start_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    steps, done = Steps(most=1), threading.Event()
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            steps.begin("a", done.set)
    assert steps.begin("a", done.set)
    steps.wait(10)
    assert done.is_set()
