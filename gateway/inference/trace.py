"""What happened to one request: the decision before, the outcome after, exactly once each."""

import logging
import re
from collections.abc import Sequence

from gateway.audit.records import (
    DecisionRecord,
    JournalUnavailable,
    OutcomeRecord,
    ShadowRecord,
    ShadowRuleRecord,
)
from gateway.inference.contracts import Journal, Principal, Reservation
from gateway.inference.hearing import Hearing
from gateway.inference.kept import Kept
from gateway.inference.label import Labelled
from gateway.inference.prices import Price, Receipt
from gateway.inference.shadow import ShadowDecision, ShadowRuleDecision, masks_of
from gateway.protocol.answers import Usage
from gateway.protocol.errors import FailClosed
from gateway.protocol.requests import RelayRequest
from gateway.protocol.restoring import AnswerRestorer
from policies.engine.labels import PUBLIC, Label
from policies.engine.permit import Dropped, Permit, RuleRef

log = logging.getLogger(__name__)

CLIENT_CLOSED = 499
# The usual rule of thumb for English, where nobody counted.
BYTES_PER_TOKEN = 4
_NO_USAGE = Usage()
OTHER_MODEL = "(other)"
UNKNOWN_ALIAS = "(unknown)"
# How vendors date the model behind a name: gpt-4o -> gpt-4o-2024-08-06, llama3 -> llama3:latest.
_DATED = re.compile(r"[-:@](latest|[0-9]{3,4}|[0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})")


class Trace:
    """The record of one request: `decided` before any byte leaves, `finish` on every path."""

    __slots__ = (
        "_finished",
        "_journal",
        "_started_s",
        "at_deployment",
        "attempts",
        "bytes_out",
        "decision",
        "decision_id",
        "deployment",
        "events_out",
        "first_byte_ms",
        "hearing",
        "kept",
        "masked",
        "model",
        "price",
        "receipt",
        "reservation",
        "restorer",
        "sent_bytes",
        "upstream_model",
        "usage",
        "zone",
    )

    def __init__(self, journal: Journal, *, decision_id: str, started_s: float) -> None:
        self._journal = journal
        self._started_s = started_s
        self.decision: DecisionRecord | None = None  # once the journal has it
        self._finished = False
        self.decision_id = decision_id
        # What is reserved of the limits of the deployment that is being asked.
        self.at_deployment: Reservation | None = None
        self.attempts: list[list[str]] = []
        self.bytes_out = 0
        self.deployment = ""
        self.events_out = 0  # of a stream
        self.zone = ""
        self.first_byte_ms: int | None = None
        self.hearing: Hearing | None = None  # what model recognizers said, if any was asked
        self.kept: Kept | None = None  # None: the project keeps no content
        self.masked = 0  # findings replaced in what the deployment that serves was sent
        self.model = ""
        self.price: Price | None = None  # of the deployment that serves; None: not known
        self.receipt: Receipt | None = None  # once it has ended, if anybody answered
        self.sent_bytes = 0
        self.restorer: AnswerRestorer | None = None
        self.reservation: Reservation | None = None
        self.upstream_model = ""  # what the deployment that serves was asked for
        self.usage = _NO_USAGE

    def decided(self, record: DecisionRecord) -> None:
        """Write the decision. Raises FailClosed: then nothing may be sent."""
        try:
            self._journal.append(record)
        except JournalUnavailable as error:
            if self.reservation is not None:
                self.reservation.release()
                self.reservation = None
            raise FailClosed(
                "The audit journal cannot be written, so nothing was sent.", param="journal"
            ) from error
        self.decision = record

    def first_byte(self, now_s: float) -> None:
        """The first byte of the answer is here. `now_s` is monotonic."""
        self.first_byte_ms = int((now_s - self._started_s) * 1000)

    def finish(
        self, *, status: int, error: str = "", at: float, now_s: float
    ) -> OutcomeRecord | None:
        """Settle and write the outcome. `at` is Unix time. Never raises.

        Returns the outcome, the first time and where there was a decision; else None.
        """
        if self._finished:
            return None
        self._finished = True
        self.receipt = receipt = self._receipt(duration_s=now_s - self._started_s)
        self._settle(receipt)
        if self.decision is None:
            return None
        record = OutcomeRecord(
            id=self.decision_id,
            at=at,
            status=status,
            error=error,
            deployment=self.deployment,
            zone=self.zone,
            model=recorded_model(self.model, self.upstream_model),
            attempts=self.attempts,
            prompt_tokens=self.usage.prompt_tokens,
            completion_tokens=self.usage.completion_tokens,
            first_byte_ms=self.first_byte_ms,
            duration_ms=int((now_s - self._started_s) * 1000),
            bytes_out=self.bytes_out,
            masked=self.masked,
            restored=self.restorer.restored if self.restorer is not None else 0,
            unrestored=self.restorer.left if self.restorer is not None else 0,
            cached_tokens=self.usage.cached_tokens,
            estimated_tokens=[receipt.prompt_tokens, receipt.completion_tokens]
            if receipt is not None and receipt.estimated
            else [],
            cost_nano=receipt.cost_nano if receipt is not None else None,
        )
        try:
            self._journal.append(record)
        except JournalUnavailable:
            # What was sent has its decision on disk; the next request is refused.
            log.error(  # noqa: TRY400 -- a traceback adds nothing
                "outcome of %s could not be written to the journal", self.decision_id
            )
        return record

    def _settle(self, receipt: Receipt | None) -> None:
        """End what was reserved: by what was used, or as if nothing had been asked."""
        tokens, nano = 0, 0
        if receipt is not None:
            tokens = receipt.prompt_tokens + receipt.completion_tokens
            nano = receipt.cost_nano or 0
        for reserved in (self.reservation, self.at_deployment):
            if reserved is None:
                continue
            if self.attempts:
                reserved.settle(tokens=tokens, cost_nano=nano)
            else:
                reserved.release()

    def _receipt(self, *, duration_s: float) -> Receipt | None:
        """What was used and what it cost; None when nobody answered."""
        if not self.deployment:
            return None
        usage = self.usage
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        estimated = prompt is None
        if prompt is None:
            prompt = -(-self.sent_bytes // BYTES_PER_TOKEN)
            # Most servers write an event a token, and two or three more around them.
            completion = self.events_out or self.bytes_out // BYTES_PER_TOKEN
        price = self.price
        return Receipt(
            deployment=self.deployment,
            zone=self.zone,
            prompt_tokens=prompt,
            completion_tokens=completion or 0,
            cached_tokens=usage.cached_tokens,
            cost_nano=None
            if price is None
            else price.cost_nano(
                prompt_tokens=prompt,
                completion_tokens=completion or 0,
                cached_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
                duration_s=duration_s,
            ),
            estimated=estimated,
        )


def decision_record(  # noqa: PLR0913 -- a record has that many sources
    permit: Permit,
    *,
    request: RelayRequest,
    labelled: Labelled,
    principal: Principal,
    request_id: str,
    channel: str,
    size_bytes: int,
    inherited: Label,
    decision: str,
    reason: str = "",
    shadow: ShadowDecision | None = None,
    shadow_rules: Sequence[ShadowRuleDecision] = (),
    reservation: Reservation | None = None,
    scans: Sequence[list[str]] = (),
) -> DecisionRecord:
    """The content-free record of a decision."""
    return DecisionRecord(
        id=permit.decision_id,
        request_id=request_id,
        at=permit.issued_at.timestamp(),
        project=principal.project,
        actor=principal.actor,
        on_behalf_of=principal.on_behalf_of,
        key_prefix=principal.key_prefix,
        channel=channel,
        endpoint=request.endpoint.value,
        alias=recorded_alias(permit, request.alias),
        stream=request.stream,
        size_bytes=size_bytes,
        digest=permit.digest,
        sensitivity=permit.label.sensitivity.word,
        categories=sorted(permit.label.categories),
        classes=dict(labelled.data_classes),
        opaque=sorted(labelled.opaque),
        declared=labelled.declared,
        inherited="" if inherited == PUBLIC else label_words(inherited),
        decision=decision,
        reason=reason,
        revision=permit.revision,
        rules=rule_names(permit.rules),
        shadow_rules=rule_names(permit.shadow),
        candidates=[candidate.deployment for candidate in permit.candidates],
        dropped=[_dropped(drop) for drop in permit.dropped],
        masked=permit.candidates[0].masked if permit.candidates else 0,
        masks=masks_of(permit, labelled),
        suspended_rules=rule_names(permit.suspended),
        shadow=None if shadow is None else _in_shadow(shadow),
        shadow_effects=[_shadow_rule(each) for each in shadow_rules],
        reserved_nano=reservation.reserved_nano if reservation is not None else 0,
        leased=list(reservation.leased) if reservation is not None else [],
        scans=list(scans),
    )


def label_words(label: Label) -> str:
    """As declarations are written: `confidential, health`."""
    return ", ".join([label.sensitivity.word, *sorted(label.categories)])


def _in_shadow(shadow: ShadowDecision) -> ShadowRecord:
    return ShadowRecord(
        revision=shadow.revision,
        outcome=shadow.outcome,
        deployment=shadow.deployment,
        rules=list(shadow.rules),
        masks=dict(shadow.masks),
    )


def _shadow_rule(decided: ShadowRuleDecision) -> ShadowRuleRecord:
    return ShadowRuleRecord(
        rule=decided.rule,
        outcome=decided.outcome,
        deployment=decided.deployment,
        masks=dict(decided.masks),
    )


def recorded_alias(permit: Permit, alias: str) -> str:
    """The alias, unless nobody knows it: then the field is the caller's free text, and text is
    not recorded."""
    return alias if permit.candidates or permit.dropped else UNKNOWN_ALIAS


def recorded_model(said: str, asked: str) -> str:
    """The name an upstream gives its model, when it is the one asked for, dated or not; else
    `(other)`. An upstream can say anything there, the prompt included."""
    if not said or said == asked or said == asked.rpartition("/")[2]:
        return said
    known = said.startswith(asked) and _DATED.fullmatch(said, len(asked))
    return said if known else OTHER_MODEL


def rule_names(rules: Sequence[RuleRef]) -> list[str]:
    """`organisation:health-stays`, in document order."""
    return [f"{rule.scope}:{rule.id}" for rule in rules]


def _dropped(drop: Dropped) -> list[str]:
    rule = f"{drop.rule.scope}:{drop.rule.id}" if drop.rule else ""
    return [drop.deployment, drop.zone.value, drop.reason.value, rule]
