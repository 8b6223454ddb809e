"""A span for each request that ended, after OpenTelemetry's conventions for generative AI.

Needs `requirements/otel.txt`. Attributes are an allow-list of what the journal got: no prompt, no
answer, nobody's name. A collector is a destination like any other: one outside of the on-prem
networks gets nothing unless the operator says so (SLUICE_OTLP_FOREIGN), encrypted alone, and
nothing while egress is stopped. Its address is resolved once and judged; the SDK's own client,
which would follow redirects, proxies and the environment, is not used.
"""

import contextlib
import http.client
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.streaming.destinations import Destination, Undelivered, connect
from gateway.providers.calls import Network

log = logging.getLogger(__name__)

MOST_WAITING: Final = 10_000
_BATCH: Final = 500
_EVERY_S: Final = 2.0
_TIMEOUT_S: Final = 10.0
_NS: Final = 1_000_000_000
_OPERATIONS: Final = {
    "chat.completions": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}
RESOURCE: Final = Resource({"service.name": "sluice"})


class Spans:
    """Implements `gateway.inference.contracts.Watch` with a thread that sends."""

    def __init__(
        self,
        to: Destination,
        *,
        networks: tuple[Network, ...],
        may_leave: Callable[[], bool],
        provider_of: Callable[[str], str] = lambda _: "",
        lost: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`may_leave`: whether anything may go outside of `networks` now. `provider_of`: who is
        behind a deployment, in the conventions' words; empty: not known (any more)."""
        self._to = to
        self._networks = networks
        self._may_leave = may_leave
        self._provider_of = provider_of
        self._lost = lost
        self._waiting: deque[tuple[DecisionRecord, OutcomeRecord]] = deque()
        self._complaining = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def ended(self, decision: DecisionRecord, outcome: OutcomeRecord) -> None:
        """Take it; drops it, and counts that, when too much waits."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost(1)
            return
        self._waiting.append((decision, outcome))

    def close(self) -> None:
        """Send what waits, once, and end the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            try:
                self._send([self._span(*each) for each in batch])
            except Undelivered as undelivered:
                self._lost(len(batch))
                if str(undelivered) != self._complaining:  # once per reason, not every two seconds
                    self._complaining = str(undelivered)
                    log.error("traces go nowhere: %s", undelivered)  # noqa: TRY400
            except Exception as error:  # noqa: BLE001 -- the border of the thread: it must live on
                self._lost(len(batch))
                log.error("spans cannot be made: %s", type(error).__name__)  # noqa: TRY400
            else:
                self._complaining = ""

    def _span(self, decision: DecisionRecord, outcome: OutcomeRecord) -> ReadableSpan:
        asked = outcome.deployment or (outcome.attempts[-1][0] if outcome.attempts else "")
        return span_of(decision, outcome, provider=self._provider_of(asked) if asked else "")

    def _send(self, spans: Sequence[ReadableSpan]) -> None:
        body = encode_spans(spans).SerializeToString()
        headers = {"Content-Type": "application/x-protobuf", "Connection": "close"}
        to = self._to
        connection = connect(
            to, networks=self._networks, may_leave=self._may_leave(), timeout_s=_TIMEOUT_S
        )
        with contextlib.closing(connection):
            client = http.client.HTTPConnection(to.host, to.port, timeout=_TIMEOUT_S)
            client.sock = connection  # judged, and never opened by the client itself
            try:
                client.request("POST", to.path, body=body, headers=headers)
                status = client.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                raise Undelivered(f"no answer: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise Undelivered(f"it answered with status {status}")


def span_of(
    decision: DecisionRecord, outcome: OutcomeRecord, *, provider: str = ""
) -> ReadableSpan:
    """The span of a request. Its ids follow from the decision's: who has one finds the other."""
    digest = sha256(decision.id.encode()).digest()
    operation = _OPERATIONS.get(decision.endpoint, "chat")
    failed = outcome.status >= 400
    return ReadableSpan(
        name=f"{operation} {decision.alias}",
        context=SpanContext(
            trace_id=int.from_bytes(digest[:16], "big"),
            span_id=int.from_bytes(digest[16:24], "big"),
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        ),
        resource=RESOURCE,
        attributes=attributes_of(decision, outcome, provider=provider),
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
        start_time=int(outcome.at * _NS) - outcome.duration_ms * 1_000_000,
        end_time=int(outcome.at * _NS),
    )


def attributes_of(
    decision: DecisionRecord, outcome: OutcomeRecord, *, provider: str = ""
) -> dict[str, Any]:
    """An allow-list; what is not known is left out."""
    every = {
        "gen_ai.operation.name": _OPERATIONS.get(decision.endpoint, "chat"),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": decision.alias,
        "gen_ai.response.model": outcome.model,
        "gen_ai.usage.input_tokens": outcome.prompt_tokens,
        "gen_ai.usage.output_tokens": outcome.completion_tokens,
        "http.response.status_code": outcome.status,
        "error.type": outcome.error,
        "sluice.request_id": decision.request_id,
        "sluice.decision_id": decision.id,
        "sluice.decision": decision.decision,
        "sluice.project": decision.project,
        "sluice.channel": decision.channel,
        "sluice.sensitivity": decision.sensitivity,
        "sluice.categories": decision.categories,
        "sluice.rules": decision.rules,
        "sluice.deployment": outcome.deployment,
        "sluice.zone": outcome.zone,
        "sluice.masked": outcome.masked,
        "sluice.attempts": [" ".join(attempt) for attempt in outcome.attempts],
        "sluice.first_byte_ms": outcome.first_byte_ms,
    }
    return {name: value for name, value in every.items() if value not in (None, "", [])}
