"""A control that fails refuses, and says which."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import CONFIG, Lab
from tests.support.databases import change
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

BODY = json.dumps({"model": "vendor", "messages": [{"role": "user", "content": "hello"}]}).encode()
ON_PREM = BODY.replace(b"vendor", b"private")


@pytest.fixture
def own_lab(tmp_path: Path) -> Iterator[Lab]:
    server = Sluice(tmp_path / "var", demo=False)
    with Upstream() as onprem, Upstream() as cloud:
        try:
            server.start()
            server.apply(CONFIG.format(onprem=onprem.base_url, cloud=cloud.base_url))
            made = server.manage("key", "create", "own", "--project", "lab", "--service", "own")
            key = next(word for word in made.split() if word.startswith("sk-sluice-"))
            server.settle()
            yield Lab(server, onprem, cloud, key)
        finally:
            server.stop()


def error(answer: bytes) -> dict[str, str]:
    found: dict[str, str] = json.loads(answer)["error"]
    return found


def test_a_journal_that_cannot_be_written_refuses(own_lab: Lab) -> None:
    assert own_lab.post("/v1/chat/completions", BODY)[0] == 200
    own_lab.cloud.reset()
    journal = own_lab.sluice.var / "journal"
    moved = journal.rename(journal.with_name("journal-moved"))
    journal.write_text("not a directory")
    for segment in moved.rglob("*"):
        segment.unlink()
    status, answer = own_lab.post("/v1/chat/completions", BODY)
    assert status == 503
    assert (error(answer)["code"], error(answer)["param"]) == ("fail_closed", "journal")
    assert own_lab.cloud.received == []
    assert own_lab.sluice.get("/readyz")[0] == 503
    assert own_lab.sluice.log.read_text().count("denies") == 1


def test_the_switch_stops_the_cloud_and_not_on_prem(own_lab: Lab) -> None:
    own_lab.sluice.manage("egress", "stop", "--reason", "drill")
    own_lab.sluice.settle()
    status, answer = own_lab.post("/v1/chat/completions", BODY)
    assert status == 403
    assert "egress_stopped" in str(error(answer))
    assert own_lab.cloud.received == []
    assert own_lab.post("/v1/chat/completions", ON_PREM)[0] == 200
    own_lab.sluice.manage("egress", "resume", "--reason", "drill over")
    own_lab.sluice.settle()
    assert own_lab.post("/v1/chat/completions", BODY)[0] == 200


def test_a_revoked_key_is_refused(own_lab: Lab) -> None:
    assert own_lab.post("/v1/chat/completions", ON_PREM)[0] == 200
    prefix = own_lab.api_key[: len("sk-sluice-") + 8]
    own_lab.sluice.manage("key", "revoke", prefix)
    own_lab.sluice.settle()
    assert own_lab.post("/v1/chat/completions", ON_PREM)[0] == 401


def test_a_database_that_is_gone_leaves_on_prem_then_nothing_wider(own_lab: Lab) -> None:
    # Whatever makes the version row unreadable is the same to a snapshot.
    change(own_lab.sluice.env, "alter table accounts_controlversion rename to gone")

    def denied() -> bool:
        status, answer = own_lab.post("/v1/chat/completions", BODY)
        return status == 403 and "snapshot_stale" in str(error(answer))

    own_lab.sluice.wait_for(denied, "denied for a stale snapshot")
    own_lab.cloud.reset()
    assert denied()
    assert own_lab.cloud.received == []
    assert own_lab.post("/v1/chat/completions", ON_PREM)[0] == 200


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    server = Sluice(tmp_path / "var", demo=False, embedded=True)
    try:
        server.start()
        for name in ("secret.key", "kek.key", "sluice.sqlite3"):
            assert stat.S_IMODE((server.var / name).stat().st_mode) == 0o600
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("nonsense: 1\n", "nonsense"),
        ("aliases:\n  - {name: a, deployments: [nowhere]}\n", "nowhere"),
        ("deployments:\n  - {name: d, zone: moon}\n", "sluice.yaml:2:"),
    ],
)
def test_bad_configuration_refuses_to_start(tmp_path: Path, config: str, reason: str) -> None:
    path = tmp_path / "sluice.yaml"
    path.write_text(config)
    server = Sluice(tmp_path / "var", env={"SLUICE_CONFIG": str(path)}, demo=False)
    with pytest.raises(AssertionError) as refused:
        server.start()
    server.stop()
    assert reason in str(refused.value)
    assert str(path) in str(refused.value) or "sluice.yaml" in str(refused.value)
