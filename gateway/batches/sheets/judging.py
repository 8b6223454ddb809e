"""What would become of a row: the same decision that the run will meet, without sending.

There is no second way to decide: this calls `decide_on`, as the path does for every request.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.inference.contracts import Principal, Snapshot
from gateway.inference.deciding import decide_on
from gateway.inference.exchange import Decided, Inbound
from gateway.inference.hearing import Hearing
from gateway.inference.path import new_id
from gateway.inference.refusals import not_found
from gateway.inference.surroundings import on_prem_only_reason
from gateway.protocol.errors import GatewayError, PolicyDenied
from policies.engine.facts import Endpoint
from policies.engine.labels import Label
from policies.engine.permit import DropReason, Outcome

CHANNEL = "batch"
BYTES_PER_TOKEN = 4  # the usual rule of thumb, and what limits reserve by


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a row would go first."""

    deployment: str
    zone: str
    masked: bool

    @property
    def name(self) -> str:
        """`cloud_masked`: one word for what people tell apart."""
        return f"{self.zone}_masked" if self.masked else self.zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why a row would not go anywhere. `sentence` is content-free."""

    code: str  # policy_denied, approval_required, or another error's code
    rules: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row's decision. Exactly one of `destination` and `held` is there."""

    destination: Destination | None
    held: Held | None
    label: Label | None
    prompt_tokens: int
    decided: Decided | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides rows of one sheet against one snapshot, as whom they will be asked for."""

    snapshot: Snapshot
    principal: Principal
    endpoint: Endpoint
    declared: str

    @property
    def revision(self) -> str:
        """The hash of the policy it judges by."""
        view = self.snapshot.projects.get(self.principal.project)
        return view.policy.revision if view is not None else ""

    def judge(self, body: bytes) -> Judged:
        """Decide about a row's request. CPU only; nothing is written or sent."""
        tokens = len(body) // BYTES_PER_TOKEN
        try:
            decided = decide_on(
                self.snapshot,
                Inbound(
                    principal=self.principal,
                    endpoint=self.endpoint,
                    body=body,
                    request_id=new_id("req_"),
                    declared=self.declared,
                    channel=CHANNEL,
                ),
                decision_id=new_id("dec_"),
                now=datetime.now(UTC),
                on_prem_only=on_prem_only_reason(self.snapshot, 0.0),
                # Nothing is sent for an estimate, so no model is asked either.
                hearing=Hearing(previews=True),
            )
        except GatewayError as error:
            held = Held(code=error.recorded, rules=(), sentence="The gateway refuses this row.")
            return Judged(
                destination=None, held=held, label=None, prompt_tokens=tokens, decided=None
            )
        permit = decided.permit
        first = permit.candidates[0] if permit.candidates else None
        return Judged(
            destination=None
            if first is None
            else Destination(
                deployment=first.deployment, zone=first.zone.value, masked=bool(first.masked)
            ),
            held=None if first is not None else _held(decided),
            label=permit.label,
            prompt_tokens=tokens,
            decided=decided,
        )


def _held(decided: Decided) -> Held:
    permit = decided.permit
    if permit.outcome is Outcome.UNKNOWN_ALIAS:
        code = not_found(decided.request.alias, permit).recorded
    elif any(drop.reason is DropReason.APPROVAL_REQUIRED for drop in permit.dropped):
        code = DropReason.APPROVAL_REQUIRED.value
    else:
        code = str(PolicyDenied.code)
    rules = dict.fromkeys(drop.rule.key for drop in permit.dropped if drop.rule is not None)
    sentences = dict.fromkeys(drop.detail for drop in permit.dropped)
    return Held(code=code, rules=tuple(rules), sentence=" ".join(sentences))
