"""A backup of a running Sluice restores to one that serves: the same keys, files and evidence."""

import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.production import make_secrets
from tests.support.servers import PostgresServer, RedisServer
from tests.support.sluice import Sluice

BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hello"}]}).encode()
FILE = b"what is stored stays readable" * 5000


@dataclass
class Place:
    """Where installations are made: each with a folder, and empty stores where it has some."""

    root: Path
    stores: Callable[[], dict[str, str]]

    def sluice(self, name: str) -> Sluice:
        (self.root / name).mkdir()
        return Sluice(self.root / name / "var", env=self.stores(), embedded=True)


@pytest.fixture(scope="module", params=["embedded", "production"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    tmp_path = Path(tmp_path_factory.mktemp("backup"))
    if request.param == "embedded":
        return Place(tmp_path, dict)
    postgres: PostgresServer = request.getfixturevalue("postgres_server")
    redis: RedisServer = request.getfixturevalue("redis_server")
    given = make_secrets(tmp_path)
    return Place(
        tmp_path,
        lambda: {
            "DATABASE_URL": postgres.new_database(),
            "REDIS_URL": redis.new_database(),
            **given,
        },
    )


@pytest.fixture(scope="module")
def source(place: Place) -> Iterator[Sluice]:
    """A running Sluice with a stored file and some evidence."""
    server = place.sluice("source")
    try:
        yield server.start()
    finally:
        server.stop()


def test_what_was_there_at_the_backup_is_there_after_the_restore(
    place: Place, source: Sluice
) -> None:
    stored = source.client().files.create(file=("notes.txt", FILE), purpose="user_data")
    key = source.api_key
    for _ in range(5):
        assert source.post("/v1/chat/completions", BODY, key=key)[0] == 200

    # Requests and their journal go on while the backup is made.
    stop = threading.Event()
    answered: list[int] = []

    def ask() -> None:
        while not stop.is_set():
            answered.append(source.post("/v1/chat/completions", BODY, key=key)[0])

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    source.wait_for(lambda: len(answered) > 20, "under load")
    before = len(answered)
    archive = place.root / "backup-0.tar"
    assert "verified" in source.manage("backup", str(archive))
    stop.set()
    for client in clients:
        client.join()
    assert set(answered) == {200}
    assert archive.stat().st_mode & 0o777 == 0o600

    restored = place.sluice("restored-0")
    try:
        said = restored.manage("restore", str(archive))
        assert "restored the backup of" in said
        assert "chains verified" in said
        (records,) = restored.rows("select count(*) from audit_requestrecord")[0]
        assert records >= before
        restored.start()
        assert restored.post("/v1/chat/completions", BODY, key=key)[0] == 200
        content = restored.client(key).files.content(stored.id).content
        assert content == FILE
        # Numbers that the database gives go on after those that were restored.
        again = restored.client(key).files.create(file=("more.txt", b"more"), purpose="user_data")
        assert restored.client(key).files.content(again.id).content == b"more"
        restored.wait_for(
            lambda: restored.rows("select count(*) from audit_requestrecord")[0][0] > records,
            "recorded",
        )
    finally:
        restored.stop()
    assert "chains verified" in restored.manage("audit", "verify")


def test_a_damaged_backup_restores_nothing(place: Place, source: Sluice) -> None:
    archive = place.root / "backup-1.tar"
    source.manage("backup", str(archive))
    content = bytearray(archive.read_bytes())
    with tarfile.open(archive) as tar:
        member = next(each for each in tar if each.size > 1000)
    content[member.offset_data + 500] ^= 1
    damaged = place.root / "damaged.tar"
    damaged.write_bytes(content)
    short = place.root / "short.tar"
    short.write_bytes(archive.read_bytes()[:-20_000])
    restored = place.sluice("restored-1")
    for path, why in ((damaged, "altered or damaged"), (short, "not all of one")):
        said = restored.manage("restore", str(path), check=False)
        assert "nothing was restored" in said
        assert why in said
        assert "Traceback" not in said
    # Neither is there anything in the way of the whole one.
    assert "chains verified" in restored.manage("restore", str(archive))


def test_nothing_is_overwritten(place: Place, source: Sluice) -> None:
    archive = place.root / "backup-2.tar"
    source.manage("backup", str(archive))
    before = archive.read_bytes()
    assert "there already" in source.manage("backup", str(archive), check=False)
    assert archive.read_bytes() == before
    said = source.manage("restore", str(archive), check=False)
    assert "nothing was restored" in said
    assert source.post("/v1/chat/completions", BODY)[0] == 200
    assert list(place.root.glob("**/.restoring-*")) == []


def test_without_its_keys_a_backup_tells_no_secret(place: Place, source: Sluice) -> None:
    archive = place.root / "backup-3.tar"
    source.manage("backup", str(archive), "--without-keys")
    with tarfile.open(archive) as tar:
        assert [name for name in tar.getnames() if name.startswith("keys/")] == []
    restored = place.sluice("restored-3")
    said = restored.manage("restore", str(archive), check=False)
    if "DATABASE_URL" in restored.env:  # both have the same keys from outside
        assert "chains verified" in said
    else:
        assert "open with none of the keys" in said
        assert "keys/kek.key" in said
