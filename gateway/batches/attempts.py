"""One attempt at one row: read it, wait for its turn, ask the one path, say what became of it.

The path decides about each row by itself. Whose turn to wait for is known from that decision, so it
is made before; the path takes it over if it still holds when the row's turn has come.
"""

import logging
import random
import traceback
from collections.abc import Callable
from dataclasses import replace

from gateway.batches import pace, retrying
from gateway.batches.formats import Format, RowRequest
from gateway.batches.models import RowState
from gateway.batches.principals import Creator
from gateway.batches.results import (
    NotJSON,
    answered_line,
    headers_of,
    label_in,
    refused_line,
)
from gateway.batches.rows import Leased, Settled
from gateway.inference.contracts import Principal
from gateway.inference.exchange import Decided, Inbound
from gateway.inference.hearing import Hearing
from gateway.inference.path import Gateway, new_id
from gateway.protocol.answers import read_head
from gateway.protocol.errors import GatewayError, NoDeploymentAvailable
from policies.engine.facts import Endpoint
from policies.engine.labels import PUBLIC

log = logging.getLogger(__name__)

CHANNEL = "batch"
PATIENCE_S = 10.0


class Attempt:
    """`sent` says whether the row may have reached a model server."""

    __slots__ = ("_batch_id", "_chance", "_gateway", "_pace", "_text", "custom_id", "row", "sent")

    def __init__(
        self,
        row: Leased,
        text: bytes,
        *,
        batch_id: str,
        gateway: Gateway,
        pace: pace.Pace,
        chance: random.Random,
    ) -> None:
        self.row = row
        self.sent = False
        self.custom_id = ""
        self._text = text
        self._batch_id = batch_id
        self._gateway = gateway
        self._pace = pace
        self._chance = chance

    async def run(
        self,
        format: Format,
        *,
        creator: Callable[[], Creator],
        principal: Principal,
        endpoint: Endpoint,
        declared: str,
    ) -> Settled:
        """What became of it. Raises CancelledError only."""
        try:
            request = format.request(self._text)
            self.custom_id = request.custom_id
            inbound = self._inbound(request, principal, endpoint, declared)
            return await self._in_turn(inbound, creator)
        except GatewayError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 -- the outer border of one row
            place = traceback.extract_tb(error.__traceback__)[-1]
            log.error(  # noqa: TRY400 -- an exception's text may quote content
                "row %s of %s failed: %s at %s:%s",
                *(self.row.index, self._batch_id, type(error).__name__, place.name, place.lineno),
            )
            return self._failed(GatewayError("The gateway failed. The log has the place."))

    def _inbound(
        self, request: RowRequest, principal: Principal, endpoint: Endpoint, declared: str
    ) -> Inbound:
        return Inbound(
            principal=principal,
            endpoint=endpoint,
            body=request.body,
            request_id=new_id("req_"),
            declared=declared,
            channel=CHANNEL,
        )

    async def _in_turn(self, inbound: Inbound, creator: Callable[[], Creator]) -> Settled:
        try:
            # For the queue's pace; where models are asked, that is done when the row is sent.
            preview = Hearing(self._gateway.memory, previews=True)
            decided = self._gateway.decide(inbound, decision_id=new_id("dec_"), hearing=preview)
        except GatewayError:
            return await self._ask(inbound, None)  # that is for the path to say and to record
        deployment = self._next_deployment(decided)
        if not deployment:
            return await self._ask(inbound, decided)
        if rest_s := self._rest_s(deployment):
            return self._back(rest_s)  # it is the last choice while it rests: there is no other
        if not await self._pace.enter(deployment, patience_s=PATIENCE_S):
            return self._back(1.0)  # let rows for others in; this one has its turn again soon
        try:
            # Waiting took seconds: somebody before it may have been told to leave it alone. Then
            # another may be there for this row.
            if self._rest_s(deployment):
                return self._back(0.0)
            return await self._ask_still(inbound, decided, creator)
        finally:
            self._pace.leave(deployment)

    async def _ask_still(
        self, inbound: Inbound, decided: Decided, creator: Callable[[], Creator]
    ) -> Settled:
        # Waiting takes seconds, and a key is revoked within one.
        principal = creator().now(self._gateway.fresh_snapshot()[0])
        if principal is None:
            return Settled(row=self.row, state=RowState.PENDING)
        if principal != inbound.principal:
            inbound = replace(inbound, principal=principal)
        return await self._ask(inbound, decided)

    def _rest_s(self, deployment: str) -> float:
        router, now_s = self._gateway.router, self._gateway.monotonic()
        return router.rest_s(deployment, now_s=now_s)

    def _back(self, wait_s: float) -> Settled:
        """The row as it was, for later: after `wait_s` and up to a second more, so that not all
        come at once."""
        wait_s += self._chance.random()
        return Settled(row=self.row, state=RowState.PENDING, wait_s=wait_s)

    def _next_deployment(self, decided: Decided) -> str:
        gateway = self._gateway
        order = gateway.router.order(
            decided.permit.candidates, decided.snapshot.destinations, now_s=gateway.monotonic()
        )
        return order[0].deployment if order and decided.permit.allowed else ""

    async def _ask(self, inbound: Inbound, decided: Decided | None) -> Settled:
        self.sent = True
        reply = await self._gateway.run(inbound, decided=decided)
        if reply.body is None:
            await reply.aclose()
            raise GatewayError("The model server streamed an answer that nobody asked to stream.")
        headers = headers_of(reply)
        self._pace.served(headers.get("x-sluice-deployment", ""))
        try:
            line = answered_line(
                self._batch_id, self.row, self.custom_id, reply.body, headers, reply.receipt
            )
        except NotJSON:
            error = NoDeploymentAvailable("The model server's answer is no JSON.")
            error.passes_on = reply.passes_on
            served = (headers.get("x-sluice-deployment", ""), headers.get("x-sluice-zone", ""))
            error.headers.update(headers)
            error.headers["x-sluice-attempts"] = " ".join((*served, "no_json"))
            raise error from None
        _, usage = read_head(reply.body)
        return Settled(
            row=self.row,
            state=RowState.COMPLETED,
            result=line,
            label=label_in(headers),
            passes_on=reply.passes_on,
            prompt_tokens=usage.prompt_tokens or 0,
            completion_tokens=usage.completion_tokens or 0,
        )

    def _failed(self, error: GatewayError) -> Settled:
        for deployment, code in retrying.attempts_in(error):
            if code in retrying.OVERLOADED:
                self._pace.refused(deployment, now_s=self._gateway.monotonic())
        row = self.row
        again = retrying.after(error, tries=row.tries, failures=row.failures, chance=self._chance)
        if again is not None:
            return Settled(
                row=row,
                state=RowState.PENDING,
                # Should the batch end before another try: what became of this one.
                result=refused_line(self._batch_id, row, self.custom_id, error),
                wait_s=again.wait_s,
                tried=True,
                counts=again.counts,
                lost=again.lost,
            )
        return Settled(
            row=row,
            state=RowState.FAILED,
            result=refused_line(self._batch_id, row, self.custom_id, error),
            code=error.recorded,
            label=label_in(error.headers),
            passes_on=error.passes_on or PUBLIC,
        )
