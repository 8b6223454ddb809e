"""The one path of every request: read, label, decide, reserve, journal, send, relay, settle.

INVARIANTS
- No byte leaves before `Trace.decided` returned, and only to a candidate of a permit that has not
  expired.
- A decision that was written gets an outcome on every way out, cancellation included.
- Failures of ours refuse (503 `fail_closed`, with which in `param`); they never fall through.
"""

import itertools
import os
import time
from contextlib import suppress

from gateway.audit.records import JournalUnavailable
from gateway.inference.asking import decided_asking
from gateway.inference.attempts import Attempts, PermitExpired, attempts_header
from gateway.inference.contracts import (
    Refusal,
    Reservation,
    SnapshotUnavailable,
)
from gateway.inference.deciding import decide_on
from gateway.inference.digests import request_digest
from gateway.inference.exchange import Decided, Header, Inbound, Reply
from gateway.inference.hearing import Hearing
from gateway.inference.kept import Kept
from gateway.inference.refusals import denied, limited, not_found
from gateway.inference.rejected import rejected_record
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
)
from policies.engine.facts import Zone
from policies.engine.permit import Outcome, Permit

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
                decided = await self._decided(inbound, trace)
            reserved = await self._reserve(inbound, decided)
            if may_stay_on_prem(reserved, decided):
                decided = await self._decided(inbound, trace, spent=True)
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

    async def _decided(self, inbound: Inbound, trace: Trace, *, spent: bool = False) -> Decided:
        """`decide`, once model recognizers were asked what it missed (semantic rule 10)."""
        heard = trace.hearing
        decided = self.decide(inbound, decision_id=trace.decision_id, spent=spent, hearing=heard)
        if decided.hearing is None:
            return decided
        trace.hearing = decided.hearing
        return await decided_asking(
            self,
            decided,
            lambda hearing: self.decide(
                inbound, decision_id=trace.decision_id, spent=spent, hearing=hearing
            ),
        )

    def decide(
        self,
        inbound: Inbound,
        *,
        decision_id: str,
        spent: bool = False,
        hearing: Hearing | None = None,
    ) -> Decided:
        """Read, label and decide; nothing is written and nothing sent. CPU only.

        `spent`: a budget has nothing left for what leaves on_prem. `hearing`: what model
        recognizers said; None: what is remembered, and what is not counts as opaque. Raises
        GatewayError. A denial is not an error here: look at the permit.
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
            hearing=hearing,
            memory=self.memory,
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
        reason = BUDGET_EXHAUSTED if budget.on_prem_only else ""
        facts = earlier.facts
        return (
            snapshot is earlier.snapshot
            and earlier.hearing is None  # else it may lack what models would say
            and inbound == earlier.inbound
            and facts.now <= now < earlier.permit.expires_at
            and not inbound.principal.has_expired(now)
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
                    digest=self._digest(inbound),
                    at=self.now().timestamp(),
                    scans=[] if trace.hearing is None else trace.hearing.told(),
                )
            )

    def _digest(self, inbound: Inbound) -> str:
        """Empty where the project's key is not known: better none than one that can be guessed."""
        try:
            view = self.snapshots.current()[0].projects.get(inbound.principal.project)
        except SnapshotUnavailable:
            return ""
        return "" if view is None else request_digest(inbound.body, view.digest_key)

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
                shadow_rules=decided.shadow_rules,
                reservation=trace.reservation,
                scans=[] if decided.hearing is None else decided.hearing.told(),
            )
        )
        if decided.view.keeps_content:
            trace.kept = Kept(inbound.body)


def decision_headers(permit: Permit) -> list[Header]:
    """The `x-sluice-*` headers that every answer after a decision carries."""
    label = permit.label
    return [
        (b"x-sluice-decision", permit.decision_id.encode()),
        (b"x-sluice-sensitivity", label.sensitivity.word.encode()),
        (b"x-sluice-categories", ", ".join(sorted(label.categories)).encode()),
        (b"x-sluice-rules", ", ".join(rule_names(permit.rules)).encode()),
    ]
