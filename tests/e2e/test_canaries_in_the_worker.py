"""Canaries in what a worker works on, beside PostgreSQL: batches, spreadsheets, their files.

None of them is readable in a dump of the database, a backup, the store, the logs of web and worker,
the journal or the file storage. What their users get back holds them, so something was there.
"""

import base64
import itertools
import json
import os
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import redis

from tests.support.production import make_secrets
from tests.support.servers import PostgresServer, RedisServer, postgres_programs
from tests.support.sluice import Sluice

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MARK = "Qzkanari"
ROWS = 40
_numbers = itertools.count()


def canary() -> str:
    return f"{MARK}{next(_numbers):06d}"


@pytest.fixture
def sluice(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer
) -> Iterator[Sluice]:
    env = {
        **make_secrets(tmp_path),
        "DATABASE_URL": postgres_server.new_database(),
        "REDIS_URL": redis_server.new_database(),
        "SLUICE_LOG_FORMAT": "json",
        "SLUICE_LOG_LEVEL": "DEBUG",
    }
    server = Sluice(tmp_path / "var", env=env, worker=True)
    try:
        yield server.start()
    finally:
        server.stop()


def line(number: int) -> str:
    content = " ".join(canary() for _ in range(20))
    body = {
        "model": ("demo-onprem", "demo-cloud", canary())[number % 3],
        "messages": [{"role": "user", "content": content, "name": canary()}],
        "user": canary(),
        "metadata": {canary(): canary()},
    }
    request = {"custom_id": canary(), "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(request)


def batch(sluice: Sluice, lines: list[str]) -> bytes:
    """What a batch of these rows ends with: its files' text, and what the API says of it."""
    client = sluice.client()
    file = client.files.create(
        file=(f"{canary()}.jsonl", "\n".join(lines).encode()), purpose="batch"
    )
    made = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={canary(): canary()},
    )
    ends = {"completed", "failed"}
    sluice.wait_for(lambda: client.batches.retrieve(made.id).status in ends, "ended")
    ended = client.batches.retrieve(made.id)
    files = [each for each in (ended.output_file_id, ended.error_file_id) if each]
    texts = [client.files.content(each).content for each in files]
    return b"\n".join([*texts, ended.model_dump_json().encode()])


def sheet(sluice: Sluice, place: Path) -> bytes:
    """A table through the command line, with canaries in its name, header and cells."""
    table = place / f"{canary()}.csv"
    rows = "\n".join(f"{canary()},{canary()}" for _ in range(5))
    table.write_text(f"{canary()},text\n{rows}\n")
    out = place / "answers.csv"
    words = ["--model", "demo-onprem", "--template", f"{canary()}: {{{{text}}}}", "--yes"]
    sluice.manage("batch", "run", str(table), "--project", "demo", *words, "--out", str(out))
    return out.read_bytes()


def dump(sluice: Sluice) -> bytes:
    """All of the database as text, by PostgreSQL's own program."""
    programs = postgres_programs()
    assert programs is not None
    url = urlsplit(sluice.env["DATABASE_URL"])
    words = ["--host", unquote(url.hostname or ""), "--username", "sluice", url.path[1:]]
    done = subprocess.run(
        [str(programs / "pg_dump"), "--format=plain", *words],
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    return done.stdout


def in_the_store(url: str) -> bytes:
    with redis.Redis.from_url(url) as client:
        keys = list(client.scan_iter(count=1000))
        return b"\n".join([*keys, *(client.dump(key) or b"" for key in keys)])


def in_any_form(content: bytes) -> bool:
    """Plain, in hexadecimal (as PostgreSQL writes bytes), or in base64 at any offset."""
    mark = MARK.encode()
    forms = [mark, mark.hex().encode()]
    forms += [base64.b64encode(b"x" * at + mark)[4:-4] for at in range(3)]
    return any(form.lower() in content.lower() for form in forms)


def test_no_canary_is_readable_in_what_a_worker_leaves(sluice: Sluice, tmp_path: Path) -> None:
    handed_out = batch(sluice, [line(number) for number in range(ROWS)])
    wrong = [line(0), line(1).replace("/v1/chat/completions", f"/v1/{canary()}"), f'{{"{canary()}"']
    handed_out_wrong = batch(sluice, wrong)
    answers = sheet(sluice, tmp_path)
    assert all(MARK.encode() in each for each in (handed_out, answers))
    assert b'"failed"' in handed_out_wrong

    backup = tmp_path / "backup.tar"
    sluice.manage("backup", str(backup))
    said = {
        "dump": dump(sluice),
        "backup": backup.read_bytes(),
        "store": in_the_store(sluice.env["REDIS_URL"]),
        "log": sluice.log.read_bytes(),
        "export": sluice.manage("audit", "export").encode(),
        "events": sluice.manage("audit", "export", "--kind", "events").encode(),
    }
    for path in sluice.var.rglob("*"):
        if path.is_file():
            said[str(path.relative_to(sluice.var))] = path.read_bytes()
    assert b"batches_batchrow" in said["dump"]
    assert said["log"].count(b'"level"') > 10  # web and worker, as talkative as they can be
    assert any(name.startswith("files/") for name in said)
    for name, content in said.items():
        assert not in_any_form(content), f"{name} holds a canary"


def test_the_search_sees_through_what_a_dump_does() -> None:
    assert in_any_form(b"\\x" + f"..{MARK}..".encode().hex().encode())
    for at in range(6):
        assert in_any_form(base64.b64encode(b"." * at + MARK.encode() + b"....")), at
    assert not in_any_form(zlib.compress(MARK.encode() * 3))  # so nothing compressed is searched
