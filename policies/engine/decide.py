"""The decision: one request against one compiled policy gives a permit.

Clearance comes first, rules second: `judge.is_cleared` judges every candidate's bytes whatever the
rules say, and no rule can make it say yes. `decide` is total: what cannot be evaluated denies.

INVARIANT: a candidate in a permit passed `judge.is_cleared` for exactly the bytes it may be sent.
"""

from policies.engine.compile import (
    PREFER,
    CompiledPolicy,
    CompiledRule,
    Remembered,
    Target,
    compile_policy,
)
from policies.engine.facts import RequestFacts
from policies.engine.judge import Judge, Masker, Matches, is_cleared
from policies.engine.labels import Label
from policies.engine.permit import (
    LIFETIME,
    Candidate,
    Dropped,
    DropReason,
    Outcome,
    Permit,
    RuleRef,
)

__all__ = ["CompiledPolicy", "Masker", "compile_policy", "decide", "is_cleared"]

# INVARIANT: the engine's own failure and a rule's failure both name themselves in `error`.
ENGINE_FAILED = "engine"


def decide(
    policy: CompiledPolicy,
    facts: RequestFacts,
    *,
    masking_available: bool = False,
    masker: Masker | None = None,
) -> Permit:
    """Which deployments may receive this request, in which order, masked how. Never raises.

    `masking_available` false: a candidate that must be masked, and has something to mask, is
    dropped. True without a `masker`: b_d is judged by the findings that masking leaves. With a
    `masker`, which implies true, b_d is also judged by what the masker's second scan finds.
    """
    try:
        return _decide(policy, facts, masking_available or masker is not None, masker)
    except Exception:  # noqa: BLE001 -- semantic rule 11: decide is total, and an error denies
        return _failed(policy, facts, facts.label, ENGINE_FAILED, None)


def _decide(
    policy: CompiledPolicy, facts: RequestFacts, masking: bool, masker: Masker | None
) -> Permit:
    # Joined once more, so that no caller can forget a floor or a category's minimum.
    label = policy.taxonomy.join((facts.label, facts.unmaskable, policy.floor))
    serving: list[Target] = []
    dropped: list[Dropped] = []
    endpoint, modalities = facts.endpoint, facts.modalities
    for target in policy.targets.get(facts.alias, ()):
        if target.enabled and endpoint in target.endpoints and modalities <= target.modalities:
            serving.append(target)
        else:
            dropped.append(_misfit(target, facts))
    if not serving:
        return _permit(policy, facts, label, Outcome.UNKNOWN_ALIAS, dropped=dropped)

    matches = Matches()
    remembered = policy.remembered(facts, label)
    failed = _match_rules(remembered, facts, label, matches)
    if failed is not None:
        return _failed(policy, facts, label, failed.key, failed.ref)

    judge = Judge(
        policy, facts, label, matches, remembered, masking_available=masking, masker=masker
    )
    candidates: dict[int, Candidate] = {}
    for target in serving:
        verdict = judge.verdict(target)
        if isinstance(verdict, Candidate):
            candidates[target.bit] = verdict
        else:
            dropped.append(verdict)
    order = list(candidates)
    # Stable sorts, the weakest wish first, so that the organisation's first rule wins.
    for rule in reversed(matches.by_kind[PREFER]):
        order.sort(key=rule.rank)
    outcome = Outcome.ALLOWED if candidates else Outcome.DENIED
    return _permit(
        policy,
        facts,
        label,
        outcome,
        candidates=tuple([candidates[bit] for bit in order]),
        dropped=dropped,
        matches=matches,
    )


def _misfit(target: Target, facts: RequestFacts) -> Dropped:
    """Why the deployment cannot serve this request at all (semantic rule 3)."""
    if not target.enabled:
        reason, detail = DropReason.DISABLED, f"{target.name} is disabled."
    elif facts.endpoint not in target.endpoints:
        reason, detail = DropReason.ENDPOINT, f"{target.name} does not serve this endpoint."
    else:
        reason, detail = DropReason.MODALITY, f"{target.name} does not take every modality of this."
    return Dropped(target.name, target.zone, reason, detail)


def _match_rules(
    remembered: Remembered, facts: RequestFacts, label: Label, matches: Matches
) -> CompiledRule | None:
    """Sort every matching rule into `matches`; the first rule that fails is returned at once."""
    for test, rule in remembered.rules:
        try:
            if test is not None and not test(facts, label):
                continue
        except Exception:  # noqa: BLE001 -- semantic rule 4: an erroring rule denies
            if not (rule.shadow or rule.key in facts.suspended):
                return rule
        if rule.shadow:
            matches.shadow.append(rule.ref)
        elif facts.suspended and rule.key in facts.suspended:
            matches.suspended.append(rule.ref)
        else:
            matches.rules.append(rule.ref)
            matches.by_kind[rule.kind].append(rule)
    return None


def _failed(
    policy: CompiledPolicy, facts: RequestFacts, label: Label, error: str, ref: RuleRef | None
) -> Permit:
    """Nothing may be sent, because `error` could not be evaluated."""
    what = f"The {ref.scope}'s rule {ref.id}" if ref is not None else "The decision"
    dropped = [
        Dropped(
            target.name,
            target.zone,
            DropReason.RULE_ERROR,
            f"{what} could not be evaluated, so nothing may be sent.",
            ref,
        )
        for target in policy.targets.get(facts.alias, ())
    ]
    return _permit(policy, facts, label, Outcome.DENIED, dropped=dropped, error=error)


_NOTHING_MATCHED = Matches()


def _permit(  # noqa: PLR0913 -- a permit has that many parts
    policy: CompiledPolicy,
    facts: RequestFacts,
    label: Label,
    outcome: Outcome,
    *,
    candidates: tuple[Candidate, ...] = (),
    dropped: list[Dropped],
    matches: Matches = _NOTHING_MATCHED,
    error: str = "",
) -> Permit:
    try:
        expires_at = facts.now + LIFETIME
    except OverflowError:
        expires_at = facts.now  # at the end of time: born expired
    return Permit(
        decision_id=facts.decision_id,
        digest=facts.digest,
        outcome=outcome,
        label=label,
        revision=policy.revision,
        candidates=candidates,
        dropped=tuple(dropped),
        rules=tuple(matches.rules),
        shadow=tuple(matches.shadow),
        suspended=tuple(matches.suspended),
        issued_at=facts.now,
        expires_at=expires_at,
        error=error,
    )
