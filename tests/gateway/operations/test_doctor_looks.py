"""`manage.py doctor`, look by look: what fails is named, with what to do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django.fixtures import Settings

from gateway.audit.sealing import seal
from gateway.deployments.models import Deployment
from gateway.operations.doctor import evidence, outside, surroundings
from gateway.operations.doctor.findings import Finding, Level, looked_at
from gateway.operations.management.commands.doctor import LOOKS
from policies.services.publishing import publish
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> World:
    settings.VAR_DIR = tmp_path
    settings.JOURNAL_DIR = tmp_path / "journal"
    settings.AUDIT_KEY_FILE = tmp_path / "audit.key"
    settings.AUDIT_ANCHORS = []
    settings.AUDIT_STREAMS = []
    return make_world()


def wrongs(look: Callable[[], Any]) -> list[Finding]:
    return [each for each in look() if each.level is Level.WRONG]


def test_a_setting_that_is_wrong_is_named_by_its_check(world: World, settings: Settings) -> None:
    settings.AUDIT_ANCHORS = ["gopher://elsewhere"]
    [found] = wrongs(surroundings.configuration)
    assert found.what.startswith("sluice.E020: SLUICE_AUDIT_ANCHORS is wrong")
    assert found.todo


def test_a_database_that_is_older_than_the_code_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wrongs(surroundings.versions) == []
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: [("one", False)])
    [found] = wrongs(surroundings.versions)
    assert found.what == "1 migrations are not applied"
    assert "make upgrade" in found.todo


def test_a_database_that_takes_no_writes_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("attempt to write a readonly database: row 7 of jane@clinic.example")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", refuse)
    [found] = looked_at("database", surroundings.database)
    assert found.level is Level.WRONG
    assert found.what == "database could not be looked at (OperationalError)"
    assert "takes writes" in found.todo


class _Store:
    """A store whose clock says what it is told, or that does not answer."""

    def __init__(self, apart_s: float | None) -> None:
        self._apart_s = apart_s

    def time(self) -> tuple[int, int]:
        if self._apart_s is None:
            raise redis.ConnectionError("nobody there")
        return int(datetime.now(UTC).timestamp() + self._apart_s), 0

    def close(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("apart_s", "level", "what", "todo"),
    [
        (None, Level.WRONG, "the store does not answer (ConnectionError)", "start Valkey"),
        (90.0, Level.ODD, "the store's clock is", "NTP"),
        (-90.0, Level.ODD, "the store's clock is", "NTP"),
        (0.5, Level.WELL, "the store's clock agrees", ""),
    ],
    ids=["away", "fast", "slow", "right"],
)
def test_a_store_that_is_away_or_keeps_another_time_is_named(
    monkeypatch: pytest.MonkeyPatch, apart_s: float | None, level: Level, what: str, todo: str
) -> None:
    monkeypatch.setattr(redis.Redis, "from_url", lambda *_, **__: _Store(apart_s))
    found = list(surroundings.store())[-1]
    assert found.level is level
    assert found.what.startswith(what)
    assert todo in found.todo


def test_a_secret_that_opens_with_no_key_is_named(world: World, settings: Settings) -> None:
    assert wrongs(surroundings.secrets) == []
    Deployment.objects.filter(pk=world.cloud.pk).update(credential="gAAAAABnonsense")
    [found] = wrongs(surroundings.secrets)
    assert found.what.startswith("1 values of")
    assert "SLUICE_KEY_ENCRYPTION_KEY" in found.todo


NEVER: dict[str, Any] = {
    "kind": "project-policy",
    "project": "research",
    "never": [{"label": {"at_least": "confidential"}, "zone": ["cloud"]}],
}


def test_a_policy_that_cannot_be_read_is_named_with_its_project(world: World) -> None:
    publish(by=SETUP, document=NEVER, project=world.project)
    assert wrongs(outside.policies) == []
    with connection.cursor() as cursor:  # past the guard of the table
        cursor.execute("""UPDATE policies_policyrevision SET document = '{"kind": "nonsense"}'""")
    [found] = wrongs(outside.policies)
    assert found.what.startswith("research: its policy cannot be read")
    assert "manage.py policy" in found.todo


def test_a_statement_that_does_not_hold_is_named_in_plain_words(world: World) -> None:
    publish(by=SETUP, document=NEVER, project=world.project)
    Deployment.objects.filter(pk=world.cloud.pk).update(
        clearance_sensitivity="restricted", clearance_categories=None
    )
    found = wrongs(outside.policies)
    assert found
    assert all(each.what.startswith("research: ") and each.todo for each in found)


def test_an_audit_that_nobody_seals_any_more_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal()
    assert wrongs(evidence.heads) == []
    monkeypatch.setattr(evidence, "sealed_age", lambda: timedelta(hours=5))
    [found] = wrongs(evidence.heads)
    assert found.what == "the last head is 5 hours old: nothing is sealed"
    assert "beat" in found.todo


def test_heads_that_stay_on_this_machine_are_worth_a_look(world: World) -> None:
    seal()
    assert [each.todo for each in evidence.heads() if each.level is Level.ODD] == [
        "set SLUICE_AUDIT_ANCHORS to a place that its admins cannot write to"
    ]


@pytest.mark.parametrize("name", [name for name, _ in LOOKS])
@pytest.mark.parametrize("error", [DatabaseError("x"), OSError(28, "No space left"), KeyError(1)])
def test_every_look_that_fails_says_its_name_and_what_to_do(name: str, error: Exception) -> None:
    def fail() -> Any:
        raise error

    [found] = looked_at(name, fail)
    assert found.what.startswith(f"{name} could not be looked at")
    assert found.todo
