"""One request and its reply, between whoever brings it and the path."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.inference.contracts import Principal, ProjectView, Snapshot
from gateway.inference.hearing import Hearing
from gateway.inference.label import Labelled
from gateway.inference.masking import Outgoing, RequestMasking
from gateway.inference.prices import Receipt
from gateway.inference.shadow import ShadowDecision, ShadowRuleDecision
from gateway.inference.trace import Trace
from gateway.protocol.requests import RelayRequest
from policies.engine.facts import Endpoint, RequestFacts
from policies.engine.labels import PUBLIC, Label
from policies.engine.permit import Candidate, Permit

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """One request, whoever brings it: /v1, the chat, a batch row.

    `declared` is in the caller's words; `inherited` joins what the stored things that it is made
    of pass on: see `Reply.passes_on`.
    """

    principal: Principal
    endpoint: Endpoint
    body: bytes
    request_id: str
    declared: str = ""
    inherited: Label = PUBLIC
    channel: str = "api"


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer on its way to the caller.

    Either `body` is the whole answer, or `chunks` yields it; whoever reads `chunks` must call
    `aclose` on every path, which cancels the upstream and writes the outcome.

    `passes_on`: what whoever stores the request or this answer keeps beside it, and gives back as
    `Inbound.inherited` with every request that is made of it.
    """

    status: int
    headers: list[Header]
    body: bytes | None = None
    stream: "AsyncIterator[bytes] | None" = None
    passes_on: Label = PUBLIC
    trace: Trace | None = None

    async def _whole(self) -> AsyncIterator[bytes]:
        if self.body is not None:
            yield self.body

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """The answer piece by piece, whether it is a stream or not."""
        return self.stream if self.stream is not None else self._whole()

    @property
    def receipt(self) -> Receipt | None:
        """What the request used and cost; None until its answer has ended. No I/O."""
        return None if self.trace is None else self.trace.receipt

    async def aclose(self) -> None:
        """End the stream, if there is one."""
        closing = getattr(self.stream, "aclose", None)
        if closing is not None:
            await closing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A request after its decision, before anything was sent."""

    inbound: Inbound
    request: RelayRequest
    labelled: Labelled
    facts: RequestFacts
    permit: Permit
    snapshot: Snapshot
    view: ProjectView
    shadow: ShadowDecision | None = None  # None: the project has no policy in shadow
    shadow_rules: tuple[ShadowRuleDecision, ...] = ()  # of those that matched
    masking: RequestMasking | None = None
    hearing: Hearing | None = None  # None: the project asks no model recognizer

    def outgoing(self, candidate: Candidate) -> Outgoing:
        """What the candidate is sent: the only way to a tree for whoever sends.

        INVARIANT: a candidate with anything to mask gets the body that was masked and scanned
        again for it, or an error (KeyError, NotMasked); never the body as it came.
        """
        if not (candidate.masked or candidate.mask or candidate.modes):
            return Outgoing(request=self.request)
        if self.masking is None:
            raise NotMasked(candidate.deployment)
        return self.masking.outgoing(candidate)


class NotMasked(LookupError):
    """A candidate must be masked and no masked body exists: a defect of ours."""
