"""Two thousand rows of which a third are personal: where each went, and what lies on disk."""

import re
from pathlib import Path

import pytest
import redis

from tests.e2e.batches.rows import begin, chat_row, jsonl, wait_for_end
from tests.e2e.conftest import Lab

pytestmark = pytest.mark.slow

ROWS = 2000
# One kind of personal data each; all of them are above what `claude` is cleared for.
PERSONAL = (
    "pay DE89 3704 0044 0532 0130 00 for kestrel-{n:04d}",
    "write to jane.roe{n}@example.com about kestrel-{n:04d}",
    "card 4111 1111 1111 1111 of kestrel-{n:04d}",
    "call +49 30 901820 about kestrel-{n:04d}",
)
MARK = re.compile(rb"kestrel-(\d{4})")


def text(n: int) -> str:
    return PERSONAL[n // 3 % 4].format(n=n) if n % 3 == 0 else f"describe kestrel-{n:04d}"


def marks(body: bytes) -> set[int]:
    return {int(found) for found in MARK.findall(body)}


def on_disk(folder: Path, needle: bytes) -> list[str]:
    """Every file under `folder` that holds `needle`, in whatever spelling of the path."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.is_socket() and needle in path.read_bytes()
    ]


def in_store(folder: Path, needle: bytes) -> list[str]:
    with redis.Redis(unix_socket_path=str(folder / "valkey.sock")) as store:
        return [key for key in store.scan_iter() if needle in (store.dump(key) or b"")]


def test_no_personal_row_reaches_the_cloud_and_no_text_lies_on_disk(lab: Lab) -> None:
    client = lab.client
    begun = begin(client, jsonl([chat_row(f"r{n}", text(n)) for n in range(ROWS)]))
    lab.sluice.wait_for(lambda: len(lab.cloud.received) > 300, "rows under way")
    assert on_disk(lab.sluice.var, b"kestrel") == []
    assert in_store(lab.sluice.var, b"kestrel") == []
    ended = wait_for_end(lab.sluice, client, begun.id)

    assert ended.batch.status == "completed"
    assert [line["custom_id"] for line in ended.output] == [f"r{n}" for n in range(ROWS)]
    personal = {n for n in range(ROWS) if n % 3 == 0}
    assert marks(lab.cloud.everything) == set(range(ROWS)) - personal
    assert marks(lab.onprem.everything) == personal
    for needle in (b"0532 0130", b"jane.roe", b"4111 1111", b"30 901820"):
        assert needle not in lab.cloud.everything
    # One call a row: nothing was paid for twice.
    assert len(lab.cloud.calls) + len(lab.onprem.calls) == ROWS
    zones = [line["sluice"]["zone"] for line in ended.output]
    assert zones == ["on_prem" if n in personal else "cloud" for n in range(ROWS)]

    for needle in (b"kestrel", b"Hello there"):
        assert on_disk(lab.sluice.var, needle) == []
        assert in_store(lab.sluice.var, needle) == []
    assert needle not in lab.sluice.log.read_bytes()
    # And deleting is deleting.
    blobs = {path.name for path in lab.sluice.var.glob("files/*/*")}
    for file_id in (begun.input_file_id, ended.batch.output_file_id or ""):
        assert file_id in blobs
        client.files.delete(file_id)
    left = {path.name for path in lab.sluice.var.glob("files/*/*")}
    assert left == blobs - {begun.input_file_id, ended.batch.output_file_id}
