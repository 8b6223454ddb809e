"""What names a request in the audit says nothing to whoever has no key."""

import hmac
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gateway.inference.digests import request_digest
from gateway.protocol.errors import GatewayError
from gateway.snapshot.build import Builder
from tests.gateway.inference.conftest import House, house
from tests.gateway.inference.scenario import HELLO, play
from tests.gateway.providers.fault_server import FaultServer
from tests.support.world import project_with

__all__ = ["house"]  # a fixture
KEY = bytes(range(32))


def test_it_is_a_keyed_hash_that_others_can_compute_with_the_key() -> None:
    body = b'{"model": "auto"}'
    said = request_digest(body, KEY)
    assert said == "k1:" + hmac.new(KEY, body, sha256).hexdigest()[:60]
    assert len(said) <= 64  # as wide as the columns
    assert said != request_digest(body, bytes(32))
    assert request_digest(b"", KEY) == ""


def test_no_record_and_no_permit_has_a_digest_that_can_be_guessed(house: House) -> None:
    rejected = b'{"model": 7}'
    sent: list[Any] = []

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        reply = await house.run(HELLO)
        sent.append(reply)
        await reply.aclose()
        with pytest.raises(GatewayError):
            await house.run(rejected)

    play(house, scenario)
    told = [record.digest for record in house.decisions()]
    assert all(each.startswith("k1:") for each in told)
    journal = b"".join(path.read_bytes() for path in house.journal_dir.rglob("*.jsonl"))
    assert sha256(rejected).hexdigest().encode() not in journal
    snapshot = house.snapshots.snapshot
    assert snapshot is not None
    assert told[1] == request_digest(rejected, snapshot.projects["lab"].digest_key)


@pytest.mark.django_db
def test_a_project_has_one_key_in_every_process_and_no_other_project_has_it() -> None:
    project_with("research")
    project_with("clinic")
    first, second = Builder().build().projects, Builder().build().projects
    assert first["research"].digest_key == second["research"].digest_key
    assert first["research"].digest_key != first["clinic"].digest_key
    assert repr(first["research"].digest_key) not in repr(first["research"])


@pytest.mark.django_db
def test_whoever_runs_sluice_can_show_that_a_body_and_a_record_belong_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project_with("research")
    body = tmp_path / "body.json"
    body.write_bytes(b'{"model": "auto"}')
    key = Builder().build().projects["research"].digest_key
    call_command("privacy", "digest", "research", str(body), "--show-key")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == request_digest(body.read_bytes(), key)
    assert said[1].endswith(sha256(body.read_bytes()).hexdigest())
    assert said[2] == f"key: {key.hex()}"
    with pytest.raises(CommandError, match="No such file"):
        call_command("privacy", "digest", "research", str(tmp_path / "none"))
