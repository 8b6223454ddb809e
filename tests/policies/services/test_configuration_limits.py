"""A project's limits in the configuration file."""

import pytest

from gateway.accounts.limits import Limits, limits_of
from gateway.accounts.models import Project
from gateway.audit.models import AuditEvent
from policies.services.configuration import Authority, ConfigFile, apply, diff, export
from tests.support.world import SETUP

pytestmark = pytest.mark.django_db

FILE = """\
projects:
  - slug: lab
    limits: {batch_rows: 500, active_batches: 2, retention_days: 7}
"""


def applied(text: str) -> str:
    return apply(ConfigFile(text), authority=Authority(SETUP)).as_text()


def of_lab() -> Limits:
    return limits_of(Project.objects.get(slug="lab"))


def test_a_project_has_the_defaults_until_a_file_says_otherwise() -> None:
    applied("projects:\n  - slug: lab\n")
    assert of_lab() == Limits()
    assert "limits" not in export()


def test_what_a_file_says_holds_and_the_rest_has_its_default() -> None:
    told = applied(FILE)
    assert "batch_rows: 100000 -> 500" in told
    assert of_lab() == Limits(batch_rows=500, active_batches=2, retention_days=7)
    assert AuditEvent.objects.filter(type="project.changed", project="lab").exists()


def test_a_file_without_limits_leaves_them_and_one_with_fewer_takes_them_back() -> None:
    applied(FILE)
    assert diff(ConfigFile("projects:\n  - slug: lab\n")).as_text() == ""
    applied("projects:\n  - slug: lab\n    limits: {active_batches: 2}\n")
    assert of_lab() == Limits(active_batches=2)


def test_an_export_applies_without_a_change() -> None:
    applied(FILE)
    assert "batch_rows: 500" in export()
    assert diff(ConfigFile(export()), prune=True).as_text() == ""
