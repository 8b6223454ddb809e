"""Sending: one permitted destination at a time, and only before the first byte a second one.

INVARIANT: destinations come from the permit. Before each attempt the permit's expiry and the
switch that stops what leaves on_prem are looked at again.
"""

from datetime import datetime

from gateway.inference.contracts import Refusal
from gateway.inference.exchange import Decided, Header, Inbound, Reply
from gateway.inference.relay import Relay
from gateway.inference.spending import ask_of
from gateway.inference.surroundings import Surroundings
from gateway.inference.trace import Trace
from gateway.protocol.answers import (
    EventTooLong,
    StreamReader,
    read_error,
    read_head,
)
from gateway.protocol.errors import (
    GatewayError,
    NoDeploymentAvailable,
    RateLimited,
    UpstreamRefused,
)
from gateway.protocol.forwarding import body_for, limit_output
from gateway.protocol.json_tree import encode
from gateway.protocol.requests import PATHS
from gateway.protocol.restoring import AnswerRestorer
from gateway.protocol.retry_after import seconds_of
from gateway.providers.calls import Answer, Call, Destination, ProviderError
from policies.engine.facts import Zone
from policies.engine.permit import Candidate

MAX_ANSWER_BYTES = 64 * 1024 * 1024  # embeddings of a large batch come to some tens of megabytes
MAX_ERROR_BYTES = 256 * 1024
# Of the vendor's, or of ours.
_AT_ITS_LIMIT = frozenset({"http_429", "limit_reached"})
# Statuses with which the upstream speaks about the request itself; another one would say the same.
_ABOUT_THE_REQUEST = frozenset({400, 413, 415, 422})


class _NextPlease(Exception):
    """This candidate did not serve; the next permitted one may be tried."""

    def __init__(self, code: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after_s = retry_after_s


class PermitExpired(Exception):
    """The permit ran out while waiting (semantic rule 9): decide again, without who failed."""

    def __init__(self, tried: frozenset[str]) -> None:
        super().__init__("permit expired")
        self.tried = tried


class Attempts:
    """The sending half of one request."""

    def __init__(
        self,
        gateway: Surroundings,
        inbound: Inbound,
        decided: Decided,
        trace: Trace,
        headers: list[Header],
    ) -> None:
        self._gateway = gateway
        self._inbound = inbound
        self._decided = decided
        self._trace = trace
        self._headers = headers

    async def run(self, *, skip: frozenset[str]) -> Reply:
        """The first good answer, from a candidate that is not in `skip` (those failed before).

        Raises UpstreamRefused, RateLimited, NoDeploymentAvailable, or PermitExpired.
        """
        failures: list[_NextPlease] = []
        decided, gateway = self._decided, self._gateway
        tried = skip
        for candidate in gateway.router.order(
            decided.permit.candidates,
            decided.snapshot.destinations,
            now_s=gateway.monotonic(),
        ):
            if candidate.deployment in skip:
                continue
            if gateway.now() >= decided.permit.expires_at:
                raise PermitExpired(tried)
            tried |= {candidate.deployment}
            try:
                await self._enter(candidate.deployment)
                return await self._try(candidate)
            except _NextPlease as failure:
                failures.append(failure)
                self._leave()
        raise _all_failed(failures)

    async def _enter(self, name: str) -> None:
        """Keep to the deployment's own limits. One that is at them is passed over, like one that
        failed; it is not held against it."""
        limits = self._decided.snapshot.limits
        if name not in limits.deployments:
            return
        ask = ask_of(self._inbound, self._decided)
        ask.deployment = name
        entered = self._gateway.budget.reserve(ask) or await self._gateway.budget.renew(ask)
        if isinstance(entered, Refusal):
            raise _NextPlease("limit_reached", retry_after_s=entered.retry_after_s)
        self._trace.at_deployment = entered

    def _leave(self) -> None:
        """It did not serve: what it was asked is one request of its limits, and no tokens."""
        entered, self._trace.at_deployment = self._trace.at_deployment, None
        if entered is not None:
            entered.settle(tokens=0, cost_nano=0)

    async def _try(self, candidate: Candidate) -> Reply:
        gateway, name = self._gateway, candidate.deployment
        attempt = [name, candidate.zone.value, "unfinished"]
        destination = self._destination(candidate)
        self._trace.attempts.append(attempt)
        gateway.router.started(name)
        streaming = False
        try:
            reply = await self._exchange(candidate, destination)
            gateway.router.served(name)
            streaming = reply.body is None
            return reply  # noqa: TRY300 -- `else` would separate it from its bookkeeping
        except ProviderError as error:
            attempt[2] = error.code
            gateway.router.failed(name, now_s=gateway.monotonic())
            raise _NextPlease(error.code) from error
        except _NextPlease as failure:
            attempt[2] = failure.code
            rest_s = failure.retry_after_s or 0
            gateway.router.failed(name, now_s=gateway.monotonic(), rest_s=rest_s)
            raise
        except UpstreamRefused as error:
            attempt[2] = f"http_{error.status}"
            raise
        finally:
            if not streaming:
                gateway.router.ended(name)

    def _destination(self, candidate: Candidate) -> Destination:
        """Where the candidate is, if it may still be used this instant."""
        gateway = self._gateway
        current, _ = gateway.fresh_snapshot()
        if candidate.zone is not Zone.ON_PREM and current.egress_stopped:
            raise _NextPlease("egress_stopped")
        destination = current.destinations.get(candidate.deployment)
        decided = self._decided.snapshot.destinations.get(candidate.deployment)
        if destination is None or not destination.is_where(decided):
            # Disabled or changed since the decision: what was decided is not what is there.
            raise _NextPlease("deployment_changed")
        return destination

    async def _exchange(self, candidate: Candidate, destination: Destination) -> Reply:
        try:
            outgoing = self._decided.outgoing(candidate)
        except LookupError:
            raise _NextPlease("masking_unavailable") from None
        request = outgoing.request
        provider = self._gateway.providers.get(destination.provider)
        if provider is None:
            raise _NextPlease("provider_missing")
        tree = body_for(
            request.tree,
            endpoint=request.endpoint,
            zone=destination.zone,
            model=destination.upstream_model,
            ask_usage=request.stream and not request.include_usage,
        )
        reserved = self._trace.reservation
        if reserved is not None and reserved.output_limit is not None:
            limit_output(
                tree,
                endpoint=request.endpoint,
                limit=reserved.output_limit,
                base_url=destination.base_url,
            )
        body = encode(tree)
        answer = await provider.send(
            Call(
                permit=self._decided.permit,
                destination=destination,
                path=PATHS[request.endpoint],
                body=body,
                stream=request.stream,
                request_id=self._inbound.request_id,
            )
        )
        handed_over = False
        try:
            if answer.status != 200:
                raise await _refusal(answer, self._gateway.now())
            trace = self._trace
            trace.deployment, trace.zone = candidate.deployment, candidate.zone.value
            trace.upstream_model = destination.upstream_model
            trace.price = self._decided.snapshot.prices.get(candidate.deployment)
            trace.sent_bytes = len(body)
            trace.masked = candidate.masked
            if outgoing.minted is not None:
                trace.restorer = AnswerRestorer(outgoing.minted, self._inbound.principal.restores)
            headers = [
                *self._headers,
                (b"content-type", answer.headers.get("content-type", "application/json").encode()),
                (b"x-sluice-deployment", candidate.deployment.encode()),
                (b"x-sluice-zone", candidate.zone.value.encode()),
                (b"x-sluice-masked", b"%d" % candidate.masked),
            ]
            if len(trace.attempts) > 1:
                headers.append((b"x-sluice-attempts", attempts_header(trace.attempts)))
            if not request.stream:
                return await self._whole(answer, headers)
            reply = await self._begin_stream(answer, headers)
            handed_over = True
            return reply
        finally:
            if not handed_over:
                await answer.aclose()

    async def _whole(self, answer: Answer, headers: list[Header]) -> Reply:
        body = await answer.read(MAX_ANSWER_BYTES)
        trace, gateway = self._trace, self._gateway
        trace.first_byte(gateway.monotonic())
        trace.model, trace.usage = read_head(body)
        if trace.restorer is not None:
            body = trace.restorer.whole(body)
        trace.bytes_out = len(body)
        if trace.kept is not None:
            trace.kept.add(body)
        trace.attempts[-1][2] = "ok"
        gateway.finish(trace, status=200)
        headers.append((b"content-length", b"%d" % len(body)))
        return Reply(status=200, headers=headers, body=body, trace=trace)

    async def _begin_stream(self, answer: Answer, headers: list[Header]) -> Reply:
        """Wait for the first event, so that a stream that dies before it can go elsewhere."""
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise _NextPlease("not_a_stream")
        reader = StreamReader(keep_usage=self._decided.request.include_usage)
        chunks = answer.chunks()
        first = b""
        try:
            while not first:
                first = reader.feed(await anext(chunks))
        except StopAsyncIteration:
            raise _NextPlease("closed_early") from None
        except EventTooLong:
            raise _NextPlease("protocol_error") from None
        self._trace.first_byte(self._gateway.monotonic())
        headers.append((b"cache-control", b"no-store"))
        return Reply(
            status=200,
            headers=headers,
            stream=Relay(self._gateway, self._trace, answer, chunks, reader, first),
            trace=self._trace,
        )


def attempts_header(attempts: list[list[str]]) -> bytes:
    """`claude cloud http_500, llama on_prem`: who was sent the request, in order, and how each
    failed. Whoever served stands last."""
    return ", ".join(
        " ".join(attempt if attempt[2] not in {"ok", "unfinished"} else attempt[:2])
        for attempt in attempts
    ).encode()


async def _refusal(answer: Answer, now: datetime) -> Exception:
    """What an answer other than 200 means for the request."""
    status = answer.status
    if status in _ABOUT_THE_REQUEST:
        fault = read_error(await answer.read(MAX_ERROR_BYTES))
        return UpstreamRefused(fault.message, status=status, param=fault.param, code=fault.code)
    wait_s = seconds_of(answer.headers.get("retry-after", ""), now=now)
    return _NextPlease(f"http_{status}", retry_after_s=wait_s)


def _all_failed(failures: list[_NextPlease]) -> GatewayError:
    waits = [each.retry_after_s for each in failures if each.retry_after_s is not None]
    headers = {"retry-after": str(min(waits))} if waits else None
    if failures and all(failure.code in _AT_ITS_LIMIT for failure in failures):
        return RateLimited(
            "Every model server that may receive this request is at its rate limit.",
            headers=headers,
        )
    unavailable = NoDeploymentAvailable(
        "No model server that may receive this request could answer it. It was not sent anywhere "
        "else."
    )
    unavailable.headers.update(headers or {})
    return unavailable
