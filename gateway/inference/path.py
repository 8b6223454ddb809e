"""The one path of every request: read, label, decide, reserve, journal, send, relay, settle.

INVARIANTS
- No byte leaves before `Trace.decided` returned, and only to a candidate of a permit that has not
  expired.
- A decision that was written gets an outcome on every way out, cancellation included.
- Failures of ours refuse (503 `fail_closed`, with which in `param`); they never fall through.
"""

import hashlib
import itertools
import os
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from gateway.audit.records import JournalUnavailable
from gateway.inference.attempts import Attempts, PermitExpired, attempts_header
from gateway.inference.contracts import (
    ProjectView,
    Refusal,
    Reservation,
    Snapshot,
)
from gateway.inference.exchange import Decided, Header, Inbound, Reply
from gateway.inference.kept import Kept
from gateway.inference.label import UNREAD, Labelled, label_request
from gateway.inference.masking import RequestMasking
from gateway.inference.refusals import denied, limited, not_found
from gateway.inference.rejected import rejected_record
from gateway.inference.shadow import Remembering, decide_in_shadow
from gateway.inference.spending import (
    BUDGET_EXHAUSTED,
    ask_of,
    kept_from_spending,
    may_stay_on_prem,
)
from gateway.inference.surroundings import Surroundings, on_prem_only_reason
from gateway.inference.trace import (
    CLIENT_CLOSED,
    Trace,
    decision_record,
    rule_names,
)
from gateway.protocol.errors import (
    FailClosed,
    GatewayError,
    InvalidRequest,
    ScopeDenied,
    Unauthenticated,
)
from gateway.protocol.requests import RelayRequest, read_request
from policies.engine.decide import decide
from policies.engine.facts import RequestFacts, Zone
from policies.engine.permit import Outcome, Permit
from policies.engine.suspensions import NOTHING_SUSPENDED, Suspensions

_ids = itertools.count(int.from_bytes(os.urandom(5), "big"))
_process = os.urandom(5).hex()


def new_id(prefix: str) -> str:
    """`dec_` + 12 hex digits of time (sorts by age) + 10 of this process + a counter.

    Unique, not secret: no system call per request.
    """
    return f"{prefix}{time.time_ns() >> 16:012x}{_process}{next(_ids) & 0xFFFFFFFFFF:010x}"


def _after_fork() -> None:
    global _process  # noqa: PLW0603 -- a child must not continue its parent's ids
    _process = os.urandom(5).hex()


os.register_at_fork(after_in_child=_after_fork)


class Gateway(Surroundings):
    """The path, wired. One per process; everything it needs is passed in."""

    async def run(self, inbound: Inbound, *, decided: Decided | None = None) -> Reply:
        """Answer one request. Raises GatewayError; its `headers` then carry the decision.

        `decided`: what `decide` said about it a moment ago, never recorded. It is taken over while
        it still holds; else, as always, the request is decided here. Give one only once.
        """
        tried: frozenset[str] = frozenset()
        while True:
            try:
                return await self._run_once(inbound, tried, decided)
            except PermitExpired as expired:
                tried |= expired.tried
                decided = None

    async def _run_once(
        self, inbound: Inbound, tried: frozenset[str], earlier: Decided | None
    ) -> Reply:
        if earlier is not None and not self._still_holds(earlier, inbound):
            earlier = None
        decision_id = new_id("dec_") if earlier is None else earlier.permit.decision_id
        trace = Trace(self.journal, decision_id=decision_id, started_s=self.monotonic())
        headers: list[Header] = [(b"x-request-id", inbound.request_id.encode())]
        decided = earlier
        try:
            if decided is None:
                decided = self.decide(inbound, decision_id=trace.decision_id)
            reserved = await self._reserve(inbound, decided)
            if may_stay_on_prem(reserved, decided):
                decided = self.decide(inbound, decision_id=trace.decision_id, spent=True)
                reserved = await self._reserve(inbound, decided)
            headers += decision_headers(decided.permit)
            await self._admit(inbound, decided, trace, reserved)
            reply = await Attempts(self, inbound, decided, trace, headers).run(skip=tried)
            reply.passes_on = decided.labelled.passes_on
            return reply  # noqa: TRY300 -- `else` would put the refusals before the answer
        except GatewayError as error:
            if decided is not None:
                error.passes_on = decided.labelled.passes_on
            else:
                headers.append((b"x-sluice-decision", trace.decision_id.encode()))
                self._reject(inbound, trace, error)
            self.finish(trace, status=error.status, error=error.recorded)
            if trace.attempts:
                headers.append((b"x-sluice-attempts", attempts_header(trace.attempts)))
            for name, value in headers:
                error.headers.setdefault(name.decode(), value.decode())
            raise
        except PermitExpired:
            self.finish(trace, status=503, error="permit_expired")
            raise
        except BaseException:
            # Cancelled (the client left) or a defect of ours: the outcome is written either way.
            self.finish(trace, status=CLIENT_CLOSED, error="interrupted")
            raise

    def decide(self, inbound: Inbound, *, decision_id: str, spent: bool = False) -> Decided:
        """Read, label and decide; nothing is written and nothing sent. CPU only.

        `spent`: a budget has nothing left for what leaves on_prem. Raises GatewayError. A denial
        is not an error here: look at the permit.
        """
        snapshot, age_s = self.fresh_snapshot()
        budget = self.budget.state(inbound.principal, snapshot.limits)
        reason = on_prem_only_reason(snapshot, age_s)
        if not reason and (spent or budget.on_prem_only):
            reason = BUDGET_EXHAUSTED
        return decide_on(
            snapshot,
            inbound,
            decision_id=decision_id,
            now=self.now(),
            on_prem_only=reason,
            budget="exhausted" if spent else budget.word,
        )

    def _still_holds(self, earlier: Decided, inbound: Inbound) -> bool:
        """Whether nothing that a decision rests on has changed since `earlier` was made: not the
        request nor who asks, not the configuration, not what keeps everything on_prem, not how
        the budgets stand; and its permit has not expired. Raises nothing."""
        now = self.now()
        try:
            snapshot, age_s = self.fresh_snapshot()
            budget = self.budget.state(inbound.principal, snapshot.limits)
        except GatewayError:
            return False
        expires_at = inbound.principal.expires_at
        reason = BUDGET_EXHAUSTED if budget.on_prem_only else ""
        facts = earlier.facts
        return (
            snapshot is earlier.snapshot
            and inbound == earlier.inbound
            and facts.now <= now < earlier.permit.expires_at
            and (expires_at is None or now.timestamp() < expires_at)
            and facts.on_prem_only_because == (on_prem_only_reason(snapshot, age_s) or reason)
            and facts.budget == budget.word
        )

    async def _reserve(self, inbound: Inbound, decided: Decided) -> Reservation | Refusal | None:
        """What an allowed request needs of its limits; None where nothing will be sent anyway."""
        if not decided.permit.allowed:
            return None
        ask = ask_of(inbound, decided)
        return self.budget.reserve(ask) or await self.budget.renew(ask)

    async def _admit(
        self,
        inbound: Inbound,
        decided: Decided,
        trace: Trace,
        reserved: Reservation | Refusal | None,
    ) -> None:
        """Refuse, or journal what was reserved. Returns only when bytes may be sent."""
        permit = decided.permit
        if isinstance(reserved, Refusal):
            self._record(inbound, decided, trace, decision="refused", reason=reserved.code)
            raise limited(reserved)
        trace.reservation = reserved
        without_money = kept_from_spending(decided) if not permit.allowed else None
        if without_money is not None:
            self._record(inbound, decided, trace, decision="refused", reason=without_money.recorded)
            raise without_money
        if permit.outcome is Outcome.UNKNOWN_ALIAS:
            self._record(
                inbound, decided, trace, decision="unknown_alias", reason="model_not_found"
            )
            raise not_found(decided.request.alias, permit)
        if not permit.allowed:
            self._record(inbound, decided, trace, decision="denied", reason="policy_denied")
            raise denied(decided)
        self._record(inbound, decided, trace, decision="allowed")
        await self._commit(permit, trace)

    def rejected(self, inbound: Inbound, error: GatewayError) -> None:
        """Record a request that was refused before its body was read. Sets `error`'s headers."""
        trace = Trace(self.journal, decision_id=new_id("dec_"), started_s=self.monotonic())
        self._reject(inbound, trace, error)
        self.finish(trace, status=error.status, error=error.recorded)
        error.headers.setdefault("x-sluice-decision", trace.decision_id)

    def _reject(self, inbound: Inbound, trace: Trace, error: GatewayError) -> None:
        """Journal what came to no decision. A journal that denies changes nothing: nothing is
        sent, and the caller is told what is wrong with the request."""
        with suppress(FailClosed):
            trace.decided(
                rejected_record(
                    inbound,
                    decision_id=trace.decision_id,
                    reason=error.recorded,
                    digest=hashlib.sha256(inbound.body).hexdigest() if inbound.body else "",
                    at=self.now().timestamp(),
                )
            )

    async def _commit(self, permit: Permit, trace: Trace) -> None:
        """Strict: whatever may leave on_prem is in the database first. Raises FailClosed."""
        if self.commits is None or trace.decision is None:
            return
        if all(candidate.zone is Zone.ON_PREM for candidate in permit.candidates):
            return
        try:
            await self.commits.commit(trace.decision)
        except JournalUnavailable as unavailable:
            raise FailClosed(
                "The audit's database cannot be written, so nothing was sent.", param="journal"
            ) from unavailable

    def _record(
        self, inbound: Inbound, decided: Decided, trace: Trace, *, decision: str, reason: str = ""
    ) -> None:
        trace.decided(
            decision_record(
                decided.permit,
                request=decided.request,
                labelled=decided.labelled,
                principal=inbound.principal,
                request_id=inbound.request_id,
                channel=inbound.channel,
                size_bytes=len(inbound.body),
                inherited=inbound.inherited,
                decision=decision,
                reason=reason,
                shadow=decided.shadow,
                reservation=trace.reservation,
            )
        )
        if decided.view.keeps_content:
            trace.kept = Kept(inbound.body)


def decide_on(
    snapshot: Snapshot,
    inbound: Inbound,
    *,
    decision_id: str,
    now: datetime,
    on_prem_only: str,
    budget: str = "ok",
) -> Decided:
    """Read, label and decide one request against one snapshot. Raises GatewayError."""
    principal = inbound.principal
    if principal.expires_at is not None and now.timestamp() >= principal.expires_at:
        raise Unauthenticated("This API key has expired.")
    if principal.scopes and inbound.endpoint.value not in principal.scopes:
        raise ScopeDenied(f"This API key may not use {inbound.endpoint.value}.")
    view = snapshot.projects.get(principal.project)
    if view is None:
        raise FailClosed("This project's policy could not be read.", param="policy")
    request = read_request(inbound.endpoint, inbound.body)
    if view.shadow is not None:
        view = replace(view, analyser=Remembering(view.analyser))
    labelled = _label(request, view=view, inbound=inbound)
    facts = _facts(
        inbound,
        request,
        labelled,
        suspensions=view.suspensions,
        decision_id=decision_id,
        now=now,
        on_prem_only=on_prem_only,
        budget=budget,
    )
    masking = None
    if labelled.data_classes and view.masking_keys:
        masking = RequestMasking(request, labelled, view)
    return Decided(
        inbound=inbound,
        request=request,
        labelled=labelled,
        facts=facts,
        permit=decide(view.policy, facts, masker=masking),
        snapshot=snapshot,
        view=view,
        masking=masking,
        shadow=None
        if view.shadow is None
        else decide_in_shadow(
            view.shadow,
            request=request,
            view=view,
            principal=principal,
            declared=inbound.declared,
            inherited=inbound.inherited,
            facts=facts,
        ),
    )


def _label(request: RelayRequest, *, view: ProjectView, inbound: Inbound) -> Labelled:
    try:
        return label_request(
            request,
            view=view,
            principal=inbound.principal,
            declared=inbound.declared,
            inherited=inbound.inherited,
        )
    except InvalidRequest:
        raise
    except Exception as error:
        # The exception's text may quote content: neither logged nor shown.
        raise FailClosed(
            "The request could not be classified, so nothing was sent.", param="label"
        ) from error


def _facts(  # noqa: PLR0913 -- facts have that many sources
    inbound: Inbound,
    request: RelayRequest,
    labelled: Labelled,
    *,
    suspensions: Suspensions | None,
    decision_id: str,
    now: datetime,
    on_prem_only: str,
    budget: str,
) -> RequestFacts:
    principal = inbound.principal
    digest = hashlib.sha256(inbound.body).hexdigest()
    return RequestFacts(
        decision_id=decision_id,
        digest=digest,
        endpoint=inbound.endpoint.value,
        alias=request.alias,
        label=labelled.label,
        unmaskable=labelled.unmaskable,
        data_classes=labelled.data_classes,
        class_labels=labelled.class_labels,
        unread=not labelled.opaque.isdisjoint(UNREAD),
        now=now,
        groups=principal.groups,
        key=principal.key_prefix,
        size_bytes=len(inbound.body),
        modalities=request.modalities,
        tools=request.tools,
        reach_out=request.reach_out,
        budget=budget,
        on_prem_only_because=on_prem_only,
        suspended=NOTHING_SUSPENDED
        if suspensions is None
        else suspensions.rules_for(
            now=now,
            digest=digest,
            alias=request.alias,
            key=principal.key_prefix,
            groups=principal.groups,
        ),
    )


def decision_headers(permit: Permit) -> list[Header]:
    """The `x-sluice-*` headers that every answer after a decision carries."""
    label = permit.label
    return [
        (b"x-sluice-decision", permit.decision_id.encode()),
        (b"x-sluice-sensitivity", label.sensitivity.word.encode()),
        (b"x-sluice-categories", ", ".join(sorted(label.categories)).encode()),
        (b"x-sluice-rules", ", ".join(rule_names(permit.rules)).encode()),
    ]
