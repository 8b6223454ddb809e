"""Tests a deployment: its address, a connection, whether the credential is taken, the model's name.

Nothing of any request is sent: the server is asked for its list of models, or, where a vendor has
another dialect, only connected to. So no permit is needed, and none could be had: there are no
bytes to judge. Addresses are checked as for a request, and where everything that leaves was
stopped, this does not leave either.
"""

import asyncio
import json
from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings

from gateway.accounts.access import require_admin
from gateway.accounts.acting import Acting, actor_name
from gateway.audit.event_types import EventType
from gateway.audit.services import record_event
from gateway.deployments.credentials import CredentialUnreadable, decrypt
from gateway.deployments.models import Deployment, Provider
from gateway.deployments.services.egress import egress_stopped
from gateway.providers.calls import Destination, ProviderError, UpstreamProtocolError
from gateway.providers.connection import Times
from gateway.providers.http_client import HttpClient
from gateway.providers.request_head import header_line, request_line
from gateway.providers.targets import target_of
from policies.engine.facts import Zone

PATIENCE_S = 10.0
_MOST_BYTES = 2_000_000
_MOST_NAMES = 5


class Result(StrEnum):
    """What came of it, in one word; the audit keeps that."""

    WELL = "well"
    CONNECTED = "connected"  # it answers; more cannot be asked without content
    STOPPED = "egress_stopped"
    NO_CREDENTIAL = "credential_unreadable"
    UNREACHABLE = "unreachable"
    REFUSED = "credential_refused"
    ODD = "unexpected_answer"
    NO_SUCH_MODEL = "no_such_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """The result, with what to know beside it: `detail` for operators, `models` that there are."""

    __test__ = False  # no test case of pytest's

    result: Result
    detail: str = ""
    models: tuple[str, ...] = field(default=())

    @property
    def is_well(self) -> bool:
        """Whether requests would be served, as far as this can be known."""
        return self.result in {Result.WELL, Result.CONNECTED}


def try_deployment(*, by: Acting, deployment: Deployment) -> Tested:
    """Test it now: blocking network I/O of up to 10 s. Admins. An event. Never raises for what
    the server does."""
    require_admin(by)
    tested = _tested(deployment)
    record_event(
        actor=actor_name(by),
        type=EventType.DEPLOYMENT_TESTED,
        object_type="deployment",
        object_id=str(deployment.pk),
        details={
            "name": deployment.name,
            "zone": deployment.zone,
            "result": tested.result.value,
        },
    )
    return tested


def _tested(row: Deployment) -> Tested:
    if row.zone != Zone.ON_PREM.value and egress_stopped():
        return Tested(result=Result.STOPPED)
    try:
        destination = _destination(row)
    except CredentialUnreadable:
        return Tested(result=Result.NO_CREDENTIAL)
    try:
        return asyncio.run(_ask(destination))
    except UpstreamProtocolError as error:
        return Tested(result=Result.ODD, detail=error.operator_detail)
    except ProviderError as error:
        return Tested(result=Result.UNREACHABLE, detail=error.operator_detail)
    except TimeoutError:
        return Tested(result=Result.UNREACHABLE, detail=f"nothing within {PATIENCE_S:.0f} s")


def _destination(row: Deployment) -> Destination:
    zone = Zone(row.zone)
    return Destination(
        deployment=row.name,
        provider=row.provider,
        zone=zone,
        base_url=row.base_url,
        upstream_model=row.upstream_model,
        credential=decrypt(row.credential),
        networks=tuple(settings.ON_PREM_NETWORKS) if zone is Zone.ON_PREM else (),
        options=dict(row.options),
    )


async def _ask(to: Destination) -> Tested:
    target, prefix = target_of(to)
    openai = to.provider == Provider.OPENAI_COMPATIBLE
    head = [
        request_line("GET", f"{prefix}/models" if openai else f"{prefix}/"),
        header_line("host", target.authority),
        b"user-agent: sluice\r\naccept: application/json\r\naccept-encoding: identity\r\n",
    ]
    if openai and to.credential:
        # Only to a server of the dialect that takes it in this header.
        head.append(header_line("authorization", f"Bearer {to.credential}"))
    head.append(b"content-length: 0\r\n\r\n")
    client = HttpClient()
    try:
        async with asyncio.timeout(PATIENCE_S):
            answer = await client.send(
                target,
                b"".join(head),
                b"",
                times=Times(PATIENCE_S, PATIENCE_S),
                connect_timeout_s=to.connect_timeout_s,
            )
            try:
                if not openai:
                    return Tested(result=Result.CONNECTED)
                body = await answer.read(_MOST_BYTES) if answer.status == 200 else b""
                return _judged(answer.status, body, to.upstream_model)
            finally:
                await answer.aclose()
    finally:
        await client.aclose()


def _judged(status: int, body: bytes, wanted: str) -> Tested:
    if status in {401, 403}:
        return Tested(result=Result.REFUSED, detail=f"HTTP {status}")
    if status == 404:
        return Tested(result=Result.CONNECTED, detail="it lists no models")
    if status != 200:
        return Tested(result=Result.ODD, detail=f"HTTP {status}")
    names = _names(body)
    if names is None:
        return Tested(result=Result.ODD, detail="this is no list of models")
    if wanted in names or any(name.rpartition("/")[2] == wanted for name in names):
        return Tested(result=Result.WELL)
    return Tested(result=Result.NO_SUCH_MODEL, models=tuple(names[:_MOST_NAMES]))


def _names(body: bytes) -> list[str] | None:
    """The models that are listed; None: this is no list of models."""
    try:
        listed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    entries = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        return None
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return [
        name for name in names if isinstance(name, str) and len(name) <= 200 and name.isprintable()
    ]
