"""A project with a key, and a worker's loop in process: real database, journal, HTTP, files."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest_django import Settings

from gateway.accounts.models import APIKey, Project
from gateway.accounts.services import create_api_key, create_service_account
from gateway.audit.journal import FileJournal
from gateway.batches import services
from gateway.batches.claims import new_claim
from gateway.batches.drive import Drive
from gateway.batches.finalizing import finalize
from gateway.batches.liveness import Presence
from gateway.batches.models import Batch
from gateway.batches.pace import Pace
from gateway.batches.validating import validate
from gateway.batches.worker import DatabaseThread
from gateway.files.models import Purpose, StoredFile
from gateway.files.services import reading
from gateway.files.uploads import Upload
from gateway.inference.contracts import Principal
from gateway.inference.path import Gateway
from gateway.providers.openai_compatible import OpenAICompatible
from tests.gateway.inference.conftest import Gate, Snapshots, snapshot
from tests.gateway.providers.fault_server import FaultServer
from tests.support.world import SETUP, project_with

IBAN = "DE89 3704 0044 0532 0130 00"
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def places(settings: Settings, tmp_path: Path) -> Path:
    """Files and presences of the test's own."""
    settings.INCOMING_DIR = tmp_path / "incoming"
    settings.BATCHES_DIR = tmp_path / "batches"
    settings.STORAGES = settings.STORAGES | {
        "files": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files"},
        }
    }
    return tmp_path


def row(custom_id: str, text: str = "hello", *, model: str = "house-first", **body: Any) -> Row:
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": [{"role": "user", "content": text}], **body},
    }


def lines(rows: list[Row]) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in rows)


@dataclass
class Office:
    """A project `lab` whose key creates batches; `presence` is the process that runs them."""

    project: Project
    key: APIKey
    principal: Principal
    presence: Presence
    folder: Path

    def upload(self, content: bytes, **options: Any) -> StoredFile:
        upload = Upload(project=self.project, actor=self.principal.actor)
        upload.write(content)
        return upload.finish(name="rows.jsonl", purpose=Purpose.BATCH, **options)

    def created(self, content: bytes, **wanted: Any) -> Batch:
        """A batch in `validating`."""
        file = self.upload(content)
        wanted.setdefault("endpoint", "/v1/chat/completions")
        return services.create_batch(
            self.principal, services.Wanted(input_file_id=file.pk, **wanted)
        )

    def begun(self, content: bytes, **wanted: Any) -> Batch:
        """A batch that was validated."""
        batch = self.created(content, **wanted)
        validate(batch.pk, process=self.presence.name)
        batch.refresh_from_db()
        return batch

    def finalized(self, batch: Batch) -> Batch:
        finalize(batch.pk, process=self.presence.name)
        batch.refresh_from_db()
        return batch

    def claim_name(self) -> str:
        return new_claim(self.presence.name)


def text_of(file_id: str) -> bytes:
    file = StoredFile.objects.select_related("project").get(pk=file_id)
    with reading(file) as reader:
        return b"".join(reader.pieces())


def results(file_id: str) -> list[dict[str, Any]]:
    """The lines of an output or error file; none for an empty id."""
    return [msgspec.json.decode(line) for line in text_of(file_id).splitlines()] if file_id else []


@pytest.fixture
def office(transactional_db: None, places: Path) -> Iterator[Office]:
    project, _ = project_with("lab")
    account = create_service_account(by=SETUP, project=project, name="nightly")
    key = create_api_key(by=SETUP, project=project, name="nightly", owner=account).key
    presence = Presence()
    yield Office(
        project=project,
        key=key,
        principal=Principal(
            actor=f"service_account:{account.pk}",
            project="lab",
            key_id=str(key.pk),
            key_prefix=key.prefix,
        ),
        presence=presence,
        folder=places,
    )
    presence.end()


@dataclass
class Shift:
    """One run of the loop: the two servers it asks, and what may be changed meanwhile."""

    office: Office
    onprem: FaultServer
    cloud: FaultServer
    snapshots: Snapshots
    gateway: Gateway
    pace: Pace
    desk: DatabaseThread

    def drive(self, batch: Batch) -> Drive:
        return Drive(
            batch.pk,
            process=self.office.presence.name,
            gateway=self.gateway,
            pace=self.pace,
            desk=self.desk,
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until the database, or anything, says so."""
        async with asyncio.timeout(30):
            while not await self.desk(condition):  # noqa: ASYNC110 -- of another process, maybe
                await asyncio.sleep(0.02)

    def change(self, **fields: Any) -> None:
        assert self.snapshots.snapshot is not None
        self.snapshots.snapshot = replace(self.snapshots.snapshot, **fields)


Scene = Callable[[Shift], Awaitable[None]]


def work(office: Office, scene: Scene) -> None:
    """Play a scene with a loop, an on-prem and a cloud server."""

    async def run() -> None:
        journal = FileJournal(office.folder / "journal")
        async with FaultServer() as onprem, FaultServer() as cloud:
            known = snapshot(onprem.base_url, cloud.base_url)
            digest = bytes.fromhex(office.key.digest)
            snapshots = Snapshots(replace(known, keys={digest: office.principal}))
            gateway = Gateway(
                snapshots=snapshots,
                journal=journal,
                budget=Gate(),
                providers={"openai_compatible": OpenAICompatible()},
            )
            desk = DatabaseThread()
            try:
                await scene(Shift(office, onprem, cloud, snapshots, gateway, Pace(), desk))
            finally:
                for provider in gateway.providers.values():
                    await provider.aclose()
                await asyncio.to_thread(desk.close)
                journal.close()

    asyncio.run(run())


def run_to_end(office: Office, batch: Batch) -> Batch:
    """Drive and finalize with both servers well."""

    async def scene(shift: Shift) -> None:
        await shift.drive(batch).run()

    work(office, scene)
    return office.finalized(batch)
