"""Heads that are kept elsewhere: in a file, by syslog, at a web address."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from gateway.audit import offline
from gateway.audit.anchors import anchor_heads
from gateway.audit.evidence import export_evidence
from gateway.audit.heads import read_anchor
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.sealing import public_keys, seal
from gateway.audit.sealing_models import SignedHead
from tests.gateway.audit.receivers import SyslogReceiver, WebReceiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def heads(loader: Loader, journal: FileJournal, writing: ModuleType) -> Iterator[FileJournal]:
    """Three heads over one chain."""
    for number in (1, 2, 3):
        journal.append(writing.decision(number))
        loader.load()
        assert seal() is not None
    yield journal


def numbers(lines: list[str]) -> list[int]:
    return [json.loads(json.loads(line)["body"])["head"] for line in lines]


def change(statement: str, *values: str | int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_a_file_gets_every_head_once_and_an_export_is_held_against_it(
    heads: FileJournal, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere.jsonl"
    settings.AUDIT_ANCHORS = [f"file://{path}"]
    assert anchor_heads()
    assert anchor_heads()
    lines = path.read_text().splitlines()
    assert numbers(lines) == [1, 2, 3]
    assert path.stat().st_mode & 0o777 == 0o600
    keys = public_keys()
    exported = list(export_evidence())
    kept = list(read_anchor(lines, keys))
    result = offline.verify_export(exported, keys=keys, anchored=kept)
    assert (result.breaks, result.anchored) == ([], 3)
    # The log as it was one head ago, whole in itself.
    earlier = [line for line in exported if '"head":3' not in line and '\\"head\\":3' not in line]
    found = offline.verify_export(earlier, keys=keys, anchored=kept).breaks
    assert any("head 3" in each for each in found)


def test_a_file_that_vanished_is_written_anew_as_a_whole(
    heads: FileJournal, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere.jsonl"
    settings.AUDIT_ANCHORS = [f"file://{path}"]
    assert anchor_heads()
    path.unlink()
    assert anchor_heads()
    assert numbers(path.read_text().splitlines()) == [1, 2, 3]


def test_syslog_and_a_web_address_get_heads_that_a_verifier_reads(
    heads: FileJournal, settings: Settings
) -> None:
    with SyslogReceiver() as syslog, WebReceiver() as web:
        settings.AUDIT_ANCHORS = [
            f"syslog+tcp://127.0.0.1:{syslog.port}",
            f"http://127.0.0.1:{web.port}/heads",
        ]
        assert anchor_heads()
    assert syslog.kinds == ["head", "head", "head"]
    keys = public_keys()
    for lines in (syslog.lines, web.lines):
        kept = list(read_anchor([f"<110>1 some syslog - {line}" for line in lines], keys))
        assert [head.number for head in kept] == [1, 2, 3]
        assert offline.verify_export(list(export_evidence()), keys=keys, anchored=kept).breaks == []


def test_a_head_too_long_for_syslog_goes_there_by_what_was_signed(
    heads: FileJournal, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.audit.anchors.SYSLOG_LINE_BYTES", 10)
    with SyslogReceiver() as syslog:
        settings.AUDIT_ANCHORS = [f"syslog+tcp://127.0.0.1:{syslog.port}"]
        assert anchor_heads()
    assert all("chains" not in tree for tree in syslog.trees)
    kept = list(read_anchor(syslog.lines, public_keys()))
    assert [head.number for head in kept] == [1, 2, 3]


def test_an_anchor_that_fails_holds_up_no_other_and_is_named(
    heads: FileJournal, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, missing = tmp_path / "kept.jsonl", tmp_path / "not-there" / "heads.jsonl"
    settings.AUDIT_ANCHORS = [f"file://{missing}", f"file://{path}"]
    assert not anchor_heads()
    assert numbers(path.read_text().splitlines()) == [1, 2, 3]
    with pytest.raises(CommandError):
        call_command("audit", "status")
    assert str(missing) in capsys.readouterr().out
    missing.parent.mkdir()
    assert anchor_heads()
    assert numbers(missing.read_text().splitlines()) == [1, 2, 3]
    call_command("audit", "status")


def test_a_database_set_back_is_found_against_the_file(
    heads: FileJournal, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.AUDIT_ANCHORS = [f"file://{tmp_path}/elsewhere.jsonl"]
    assert anchor_heads()
    settings.JOURNAL_DIR = heads.directory
    call_command("audit", "verify")
    (tmp_path / "audit.head").unlink()
    # As a backup from before the last head would have it.
    row = SignedHead.objects.get(number=2)
    [[writer, seq, hash_]] = row.chains
    change("DELETE FROM audit_signedhead WHERE number = 3")
    change("DELETE FROM audit_requestrecord WHERE seq > %s", seq)
    change("UPDATE audit_sealedchain SET seq = %s, hash = %s, head = 2", seq, hash_)
    change(
        "UPDATE audit_writer SET last_seq = %s, last_hash = %s WHERE id = %s", seq, hash_, writer
    )
    with pytest.raises(CommandError):
        call_command("audit", "verify")
    assert "head 3" in capsys.readouterr().err
