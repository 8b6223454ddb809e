"""Deciding and recording requests as the running path does, from what is committed now."""

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

from gateway.accounts.models import Project, User
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.inference.deciding import decide_on
from gateway.inference.exchange import Decided, Inbound
from gateway.inference.hearing import Hearing
from gateway.inference.trace import decision_record
from gateway.snapshot.keys import principal_of_member
from gateway.snapshot.now import snapshot_now
from policies.engine.facts import Endpoint
from policies.engine.labels import PUBLIC


def decide_for(
    user: User, project: Project, text: str, *, alias: str = "auto", now: datetime | None = None
) -> Decided:
    """What becomes of this chat message from this person."""
    return decide_on(
        snapshot_now(),
        _inbound(user, project, text, alias),
        decision_id=f"dec_{uuid.uuid4().hex}",
        now=now if now is not None else datetime.now(UTC),
        on_prem_only="",
        hearing=Hearing(previews=True),  # no model runs here
    )


def allowed(user: User, project: Project, text: str, *, alias: str = "auto") -> list[str]:
    """The deployments that the message may go to, in order."""
    decided = decide_for(user, project, text, alias=alias)
    return [candidate.deployment for candidate in decided.permit.candidates]


def record(directory: Path, user: User, project: Project, *decisions: Decided) -> None:
    """Journal the decisions and bring them into the database, as the loader does."""
    journal = FileJournal(directory / uuid.uuid4().hex)
    for decided in decisions:
        inbound = _inbound(user, project, "", decided.request.alias)
        journal.append(
            decision_record(
                decided.permit,
                request=decided.request,
                labelled=decided.labelled,
                principal=inbound.principal,
                request_id=inbound.request_id,
                channel="api",
                inherited=PUBLIC,
                size_bytes=1,
                decision="allowed" if decided.permit.allowed else "denied",
                shadow=decided.shadow,
                shadow_rules=decided.shadow_rules,
            )
        )
    journal.close()
    loader = Loader(journal.directory)
    assert loader.lease.acquire()
    loader.load()
    loader.lease.release()


def _inbound(user: User, project: Project, text: str, alias: str) -> Inbound:
    body = {"model": alias, "messages": [{"role": "user", "content": text}]}
    return Inbound(
        principal=principal_of_member(user, project),
        endpoint=Endpoint.CHAT_COMPLETIONS,
        body=json.dumps(body).encode(),
        request_id="req_1",
    )
