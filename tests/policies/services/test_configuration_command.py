"""`manage.py config`: what it prints, whom it acts for, and what is recorded of it."""

import io
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from gateway.audit.models import AuditEvent
from gateway.deployments.models import Deployment
from policies.services.configuration import export
from tests.policies.services.test_configuration_apply import WHOLE
from tests.support.world import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def vendor_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_TEST_KEY", "vendor-secret-1")


def test_the_command_prints_the_diff_marks_what_widens_and_exports(tmp_path: Path) -> None:
    path = tmp_path / "sluice.yaml"
    path.write_text(WHOLE)
    out = io.StringIO()
    call_command("config", "diff", str(path), stdout=out)
    assert "+ deployment claude" in out.getvalue()
    assert "WIDENS: a new deployment in cloud is cleared for internal, code" in out.getvalue()
    assert not Deployment.objects.exists()
    with pytest.raises(CommandError, match="--yes-widen"):
        call_command("config", "apply", str(path))
    call_command("config", "apply", str(path), "--yes-widen", stdout=out)
    call_command("config", "export", str(tmp_path / "out.yaml"))
    assert (tmp_path / "out.yaml").read_text() == export()
    event = AuditEvent.objects.get(type="config.exported")
    assert event.details == {"file_digest": sha256(export().encode()).hexdigest()}


def test_the_command_acts_for_the_person_that_is_named(tmp_path: Path) -> None:
    person("eve@hospital.example")
    path = tmp_path / "sluice.yaml"
    path.write_text(WHOLE)
    with pytest.raises(CommandError, match="organisation role admin"):
        call_command("config", "apply", str(path), "--yes-widen", "--by", "eve@hospital.example")
