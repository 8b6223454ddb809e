"""The verifier that needs an export and the public key, and nothing of the system that wrote it."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from gateway.audit import offline
from gateway.audit.event_types import EventType
from gateway.audit.evidence import export_evidence
from gateway.audit.heads import Heads, read_anchor
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.sealing import public_keys, seal
from gateway.audit.services import record_event
from gateway.audit.signing import public_pem, signing_key
from tests.gateway.audit import forging
from tests.gateway.audit.forging import Lines

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]
Mutation = Callable[[Lines, Random], Lines]


def logout() -> None:
    record_event(
        actor="system:test", type=EventType.USER_LOGGED_OUT, object_type="user", object_id="1"
    )


@pytest.fixture
def lines(directory: Path, loader: Loader, writing: ModuleType) -> Lines:
    """Two writers at the same time, outcomes late and out of order, events between, four heads."""
    now = time.time()
    one, other = FileJournal(directory), FileJournal(directory)
    for number in range(1, 21):
        journal = one if number % 3 else other
        journal.append(writing.decision(number, at=now + number))
        if number % 5 == 0:
            for ended in range(number, number - 5, -1):
                (one if ended % 3 else other).append(writing.outcome(ended))
            logout()
            loader.load()
            seal()
    for journal in (one, other):
        journal.close()
    loader.load()
    assert seal() is None
    return list(export_evidence())


def check(lines: Iterable[str], anchor: Lines | None = None) -> list[str]:
    keys = public_keys()
    anchored = list(read_anchor(anchor, keys)) if anchor is not None else None
    return offline.verify_export(lines, keys=keys, anchored=anchored).breaks


def heads_of(lines: Lines) -> Lines:
    return [lines[at] for at in forging.kinds(lines, "head")]


def test_an_export_as_it_was_written_verifies(lines: Lines) -> None:
    keys = public_keys()
    result = offline.verify_export(lines, keys=keys, anchored=read_anchor(heads_of(lines), keys))
    assert (result.breaks, result.notes) == ([], [])
    assert (result.records, result.chains, result.heads, result.anchored) == (44, 3, 4, 4)


def test_the_command_needs_no_django_and_names_what_breaks(
    lines: Lines, tmp_path: Path, settings: Settings
) -> None:
    export, key, anchor = tmp_path / "export", tmp_path / "key.pem", tmp_path / "anchor"
    key.write_text(public_pem(signing_key(settings.AUDIT_KEY_FILE)))
    anchor.write_text("".join(f"<110>1 - host sluice 1 head - {line}" for line in heads_of(lines)))
    export.write_text("".join(lines))
    program = (
        "import sys; from gateway.audit import offline; status = offline.main(sys.argv[1:]);"
        "assert not {'django', 'msgspec', 'gateway.settings'} & set(sys.modules); sys.exit(status)"
    )
    words = [str(export), "--key", str(key), "--anchor", str(anchor)]

    def run(*start: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, *start, *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    assert "44 records of 3 chains, 4 heads (4 held against the anchor)" in done.stdout
    export.write_text("".join(lines).replace("sk-abc", "sk-abd", 1))
    done = run("-m", "gateway.audit.offline")
    assert done.returncode == 1
    assert "decision 1: it was altered" in done.stderr
    key.write_text("no key")
    assert run("-m", "gateway.audit.offline").returncode == 2


NAMED: dict[str, tuple[Callable[[Lines], Lines], str]] = {}


def named(why: str) -> Callable[[Callable[[Lines], Lines]], Callable[[Lines], Lines]]:
    def keep(forge: Callable[[Lines], Lines]) -> Callable[[Lines], Lines]:
        NAMED[forge.__name__] = (forge, why)
        return forge

    return keep


def requests(lines: Lines) -> list[int]:
    """The rows of the busier writer."""
    places: dict[str, list[int]] = {}
    for at in forging.kinds(lines, "request"):
        places.setdefault(forging.tree(lines[at])["writer"], []).append(at)
    return max(places.values(), key=len)


@named("decision 2: it was altered: its content does not give its hash")
def a_changed_row(lines: Lines) -> Lines:
    at = requests(lines)[1]
    return [*lines[:at], lines[at].replace("sk-abc", "sk-xyz"), *lines[at + 1 :]]


@named("decision 3: it follows record 1: 2 to 2 missing")
def a_dropped_row(lines: Lines) -> Lines:
    at = requests(lines)[1]
    return lines[:at] + lines[at + 1 :]


@named("decision 1: it is repeated or out of order")
def a_reordered_row(lines: Lines) -> Lines:
    one, other = requests(lines)[:2]
    lines = list(lines)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


@named("are not what head 1 sealed: the chain was written anew")
def a_row_changed_and_the_chain_written_anew(lines: Lines) -> Lines:
    at = requests(lines)[0]
    forged = [*lines[:at], lines[at].replace("sk-abc", "sk-xyz"), *lines[at + 1 :]]
    return forging.rechain(forged, forging.tree(lines[at])["writer"])


@named("the chain ends at record")
def a_truncated_tail(lines: Lines) -> Lines:
    at = requests(lines)[-1]
    forged = lines[:at] + lines[at + 1 :]
    return forging.rechain(forged, forging.tree(lines[at])["writer"])


@named("anchored head 4 of")
def a_tail_truncated_with_its_head(lines: Lines) -> Lines:
    at = forging.kinds(lines, "head")[-1]
    return a_truncated_tail(lines[:at] + lines[at + 1 :])


@named("the export has no last line: it was cut off")
def an_export_cut_off(lines: Lines) -> Lines:
    return lines[:-1]


@named("it is missing; the chain ends at record 0")
def a_whole_chain_dropped(lines: Lines) -> Lines:
    at = forging.kinds(lines, "chain")[-1]
    return [*lines[:at], lines[-1]]


@pytest.mark.parametrize("forgery", NAMED)
def test_it_names_what_was_done(lines: Lines, forgery: str) -> None:
    forge, why = NAMED[forgery]
    found = check(forge(lines), heads_of(lines))
    assert any(why in each for each in found), found


def test_a_log_signed_anew_as_a_whole_is_found_against_the_anchor(
    lines: Lines, settings: Settings
) -> None:
    key = signing_key(settings.AUDIT_KEY_FILE)
    at = requests(lines)[0]
    forged = [*lines[:at], lines[at].replace("sk-abc", "sk-xyz"), *lines[at + 1 :]]
    forged = forging.resign(forging.rechain(forged, forging.tree(lines[at])["writer"]), key)
    assert check(forged) == []
    found = check(forged, heads_of(lines))
    assert found[0] == "head 1 is not the one that was anchored: it was signed anew"


def test_heads_of_another_key_are_refused(lines: Lines) -> None:
    forged = forging.resign(lines, Ed25519PrivateKey.generate())
    assert "head 1: its signature is not of its text" in check(forged)[0]


def test_an_anchored_head_after_the_time_of_the_export_is_not_missed(lines: Lines) -> None:
    keys = public_keys()
    anchored = list(read_anchor(heads_of(lines), keys))
    as_of = anchored[2].at
    heads = Heads()
    for head in anchored[:3]:
        heads.add(head)
    assert heads.compare(anchored, as_of=as_of) == 3
    assert heads.breaks == []
    assert heads.compare(anchored) == 4
    assert len(heads.breaks) == 1


def hunt(lines: Lines, key: Ed25519PrivateKey, count: int) -> None:
    mutations: list[Mutation] = [
        forging.edit,
        forging.delete,
        forging.repeat,
        forging.reorder,
        forging.truncate,
        forging.delete_and_rechain,
        forging.edit_and_rechain,
        forging.backdate_and_rechain,
        forging.whole_anew(key),
    ]
    keys = public_keys()
    anchored = list(read_anchor(heads_of(lines), keys))
    chance = Random(20_261)  # noqa: S311 - repeatable, nothing secret
    for number in range(count):
        mutate = mutations[number % len(mutations)]
        forged = mutate(lines, chance)
        if forged == lines:
            continue
        found = offline.verify_export(forged, keys=keys, anchored=anchored).breaks
        assert found, (number, mutate)


def test_random_mutations_are_all_found(lines: Lines, settings: Settings) -> None:
    hunt(lines, signing_key(settings.AUDIT_KEY_FILE), 270)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_random_mutations_are_all_found(lines: Lines, settings: Settings) -> None:
    hunt(lines, signing_key(settings.AUDIT_KEY_FILE), 10_000)


def test_a_signature_written_in_another_way_is_found(lines: Lines) -> None:
    """Of 88 characters of base64 the last one before the padding carries two bits only."""
    at = forging.kinds(lines, "head")[0]
    value = forging.tree(lines[at])
    last = value["signature"][-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) ^ 1]
    forged = value | {"signature": value["signature"][:-3] + other + "=="}
    lines[at] = forging.line(forged)
    assert check(lines) == ["head 1: its signature was changed"]


JUNK = ["{", "}", '"', "\n", "null", "9" * 30, "-1", "1.5", "true", "\ud800", ":", "[]", "1e999"]


def damage(text: str, chance: Random) -> list[str]:
    """An export with a few characters of it replaced by something unlikely."""
    at = chance.randrange(len(text))
    return (text[:at] + chance.choice(JUNK) + text[at + chance.randrange(40) :]).split("\n")


def test_no_line_whatever_makes_it_raise(lines: Lines) -> None:
    keys = public_keys()
    chance = Random(7)  # noqa: S311 - repeatable, nothing secret
    text = "".join(lines)
    for _ in range(300):
        offline.verify_export(damage(text, chance), keys=keys)


@pytest.mark.parametrize("number", ["1e999", "-1", "1.5", "true", "9" * 30, '"1"', "null", "[]"])
@pytest.mark.parametrize("field", ["seq", "outcome_seq", "first", "last", "at"])
def test_a_number_that_is_none_is_a_break_and_no_traceback(
    lines: Lines, field: str, number: str
) -> None:
    text = "".join(lines)
    forged = re.sub(rf'"{field}":[-0-9.]+', f'"{field}":{number}', text, count=1)
    assert forged != text
    assert offline.verify_export(forged.splitlines(), keys=public_keys()).breaks


def test_the_command_exports_evidence_whole_and_says_that_it_did(
    lines: Lines, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("audit", "export", "--kind", "evidence")
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(lines) + 2  # the event of the export, and a head over it
    assert check(printed) == []
    call_command("audit", "key")
    assert capsys.readouterr().out == public_pem(signing_key(settings.AUDIT_KEY_FILE))
    with pytest.raises(CommandError, match="exported whole"):
        call_command("audit", "export", "--kind", "evidence", "--project", "research")
