"""A project with two model servers that record, and a worker's steps one by one, in process."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.audit.journal import FileJournal
from gateway.batches.drive import Drive
from gateway.batches.finalizing import finalize
from gateway.batches.liveness import Presence
from gateway.batches.pace import Pace
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.collecting import collect
from gateway.batches.sheets.estimating import estimate
from gateway.batches.sheets.models import Sheet
from gateway.batches.sheets.results import download
from gateway.batches.sheets.source import of_bytes
from gateway.batches.sheets.writing import Format
from gateway.batches.validating import validate
from gateway.batches.worker import DatabaseThread
from gateway.deployments.services import add_grant, create_deployment, set_alias
from gateway.inference.path import Gateway
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.snapshot.now import snapshot_now
from policies.services.publishing import publish
from tests.gateway.inference.conftest import Gate, Snapshots
from tests.support.upstream import Upstream
from tests.support.world import SETUP, cloud_spec, local_spec, project_with

ENDPOINTS = frozenset({"chat.completions", "embeddings"})
IBAN = "DE89 3704 0044 0532 0130 00"
EMAIL = "ada.lovelace@example.com"
POLICY: dict[str, Any] = {
    "kind": "project-policy",
    "project": "lab",
    "floor": "internal",
    "rules": [{"id": "mask-mail", "when": {}, "then": {"mask": ["EMAIL_ADDRESS"]}}],
}
During = Callable[[], None]


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "big-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }


@dataclass
class Lab:
    """The project `lab`: `claude` first, `llama` second; and whoever works there."""

    project: Project
    member: User
    colleague: User
    onprem: Upstream
    cloud: Upstream
    presence: Presence
    folder: Path

    def answer(self, text: Callable[[dict[str, Any]], str]) -> None:
        """What both servers say to a body."""
        for upstream in (self.onprem, self.cloud):
            upstream.reset("answering")
            upstream.server.answering = lambda body: completion(text(body))

    def uploaded(self, content: bytes | str, name: str = "rows.csv", **options: Any) -> Sheet:
        source = of_bytes(name, content.encode() if isinstance(content, str) else content)
        return services.create_sheet(self.member, self.project, source, **options)

    def configured(self, content: bytes | str, template: str = "{{text}}", **setup: Any) -> Sheet:
        sheet = self.uploaded(content)
        services.configure(self.member, sheet, {"model": "auto", "template": template} | setup)
        return sheet

    def estimated(self, content: bytes | str, template: str = "{{text}}", **setup: Any) -> Sheet:
        return self.estimate(self.configured(content, template, **setup))

    def estimate(self, sheet: Sheet) -> Sheet:
        services.begin_estimate(self.member, sheet)
        assert estimate(sheet.pk, process=self.presence.name)
        return self.again(sheet)

    def ran(self, content: bytes | str, template: str = "{{text}}", **setup: Any) -> Sheet:
        sheet = self.estimated(content, template, **setup)
        return self.worked(runs.run(self.member, sheet))

    def worked(self, sheet: Sheet, during: During | None = None) -> Sheet:
        """A worker's steps until the run has been collected; `during` runs before the rows."""
        assert sheet.batch is not None
        batch = sheet.batch
        validate(batch.pk, process=self.presence.name)
        if during is not None:
            during()
        self.drive(batch.pk)
        finalize(batch.pk, process=self.presence.name)
        assert collect(sheet.pk, process=self.presence.name)
        return self.again(sheet)

    def drive(self, batch_id: str) -> None:
        journal = FileJournal(self.folder / "journal")
        snapshots = Snapshots(snapshot_now())

        async def run() -> None:
            gateway = Gateway(
                snapshots=snapshots,
                journal=journal,
                budget=Gate(),
                providers={"openai_compatible": OpenAICompatible()},
            )
            desk = DatabaseThread()
            try:
                await Drive(
                    batch_id,
                    process=self.presence.name,
                    gateway=gateway,
                    pace=Pace(),
                    desk=desk,
                ).run()
            finally:
                for provider in gateway.providers.values():
                    await provider.aclose()
                await asyncio.to_thread(desk.close)

        try:
            asyncio.run(run())
        finally:
            journal.close()

    def again(self, sheet: Sheet) -> Sheet:
        return services.get_sheet(self.project, sheet.pk)

    def rows(self, sheet: Sheet) -> list[dict[str, Any]]:
        """The download, row by row."""
        content = b"".join(download(f"user:{self.member.pk}", sheet, Format.JSONL))
        return [msgspec.json.decode(line) for line in content.splitlines()]

    def publish(self, **changes: Any) -> None:
        publish(by=SETUP, project=self.project, document=POLICY | changes)


@pytest.fixture
def lab(transactional_db: None, places: Path) -> Iterator[Lab]:
    project, people = project_with("lab", member=Role.MEMBER, colleague=Role.MEMBER)
    with Upstream() as onprem, Upstream() as cloud:
        specs = (
            cloud_spec(
                base_url=cloud.base_url, options={"allow_private": "yes"}, endpoints=ENDPOINTS
            ),
            local_spec(base_url=onprem.base_url, endpoints=ENDPOINTS),
        )
        deployments = [create_deployment(by=SETUP, spec=spec) for spec in specs]
        for deployment in deployments:
            add_grant(by=SETUP, project=project, deployment=deployment)
            set_alias(by=SETUP, name=deployment.name, deployments=[deployment])
        set_alias(by=SETUP, name="auto", deployments=deployments)
        publish(by=SETUP, project=project, document=POLICY)
        presence = Presence()
        yield Lab(
            project=project,
            member=people["member"],
            colleague=people["colleague"],
            onprem=onprem,
            cloud=cloud,
            presence=presence,
            folder=places,
        )
        presence.end()
