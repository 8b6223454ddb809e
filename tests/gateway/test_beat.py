"""Periodic tasks go on when the clock is set back."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery._state import get_current_app
from typing_extensions import override

from gateway.beat import Scheduler

START = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)


class Clocked(Celery):
    """An application whose clock the test sets."""

    time = START

    @override
    def now(self) -> datetime:
        return self.time


class Sending(Scheduler):
    """Notes what it would send."""

    sent: list[str]

    @override
    def apply_async(self, entry: Any, *_: Any, **__: Any) -> Any:
        self.sent.append(entry.name)


@pytest.fixture
def app() -> Iterator[Clocked]:
    before = get_current_app()
    app = Clocked("test", broker="memory://")
    app.set_current()
    app.conf.beat_schedule = {
        "often": {"task": "often", "schedule": 3.0},
        "seldom": {"task": "seldom", "schedule": 60.0},
    }
    yield app
    app.close()
    before.set_current()


def scheduler(app: Clocked, place: Path) -> Sending:
    made = Sending(app, schedule_filename=str(place / "schedule"))
    made.sent = []
    return made


def run(beat: Sending, app: Clocked, seconds: int) -> list[str]:
    """What is sent while so many seconds pass."""
    beat.sent.clear()
    for _ in range(seconds):
        app.time += timedelta(seconds=1)
        for _ in range(10):
            if beat.tick() > 0:
                break
    return list(beat.sent)


def test_a_clock_that_is_set_back_delays_no_task(app: Clocked, tmp_path: Path) -> None:
    beat = scheduler(app, tmp_path)
    assert set(run(beat, app, 70)) == {"often", "seldom"}
    app.time -= timedelta(hours=1)
    sent = run(beat, app, 70)
    assert sent.count("often") >= 20
    assert sent.count("seldom") == 1
    beat.close()


def test_a_schedule_of_a_time_that_is_not_yet_delays_no_task(app: Clocked, tmp_path: Path) -> None:
    before = scheduler(app, tmp_path)
    run(before, app, 70)
    before.close()
    app.time -= timedelta(hours=1)
    beat = scheduler(app, tmp_path)
    assert set(run(beat, app, 70)) == {"often", "seldom"}
    beat.close()
