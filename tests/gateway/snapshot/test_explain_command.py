"""`manage.py explain` on the command line."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from gateway.accounts.services import create_api_key, revoke_api_key, set_group
from policies.engine.labels import Label, Sensitivity
from policies.services import publish
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


class Bytes:
    """Standard input that holds these bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def explained(
    monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str
) -> dict[str, dict[str, object]]:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    monkeypatch.setattr("sys.stdin", Bytes(json.dumps(body).encode()))
    out = io.StringIO()
    call_command("explain", "--project", "research", *arguments, stdout=out)
    told: dict[str, dict[str, object]] = json.loads(out.getvalue())
    return told


def test_it_shows_label_and_destinations(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told = explained(monkeypatch, "write to ada@sluice.example", "--endpoint", "chat.completions")
    assert told["label"] == {"sensitivity": "confidential", "categories": ["personal"]}
    assert "ada@" not in json.dumps(told)


def test_it_declares_as_a_header_would(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told = explained(monkeypatch, "hello", "--declare", "restricted")
    assert told["label"]["sensitivity"] == "restricted"


def test_it_decides_as_a_key_would_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create_api_key(
        by=SETUP,
        project=world.project,
        name="k",
        owner=world.member,
        floor=Label(Sensitivity.RESTRICTED),
    )
    told = explained(monkeypatch, "hello", "--key", made.key.prefix)
    assert told["label"]["sensitivity"] == "restricted"
    revoke_api_key(by=SETUP, key=made.key)
    with pytest.raises(CommandError, match="no live key"):
        explained(monkeypatch, "hello", "--key", made.key.prefix)


def test_it_decides_as_a_member_of_a_group_would_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_group(by=SETUP, slug="doctors", members=[])
    rule = {"id": "no-doctors", "when": {"group": "doctors"}, "then": {"deny": True}}
    document = {"kind": "project-policy", "project": "research", "rules": [rule]}
    publish(by=SETUP, project=world.project, document=document)
    assert "no-doctors" not in json.dumps(explained(monkeypatch, "hello"))
    assert "no-doctors" in json.dumps(explained(monkeypatch, "hello", "--group", "doctors"))


def test_what_is_wrong_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="there are: research"):
        call_command("explain", "--project", "reserch")
    monkeypatch.setattr("sys.stdin", Bytes(b"{"))
    with pytest.raises(CommandError, match="400"):
        call_command("explain", "--project", "research")
