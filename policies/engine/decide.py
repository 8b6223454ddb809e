"""The decision: one request against one compiled policy gives a permit.

Clearance comes first, rules second: `judge.is_cleared` judges every candidate's bytes whatever the
rules say, and no rule can make it say yes. `decide` is total: what cannot be evaluated denies.

INVARIANT: a candidate in a permit passed `judge.is_cleared` for exactly the bytes it may be sent.
"""

from policies.engine import rules as r
from policies.engine.compile import CompiledPolicy, CompiledRule, Target, compile_policy
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
    for target in policy.targets.get(facts.alias, ()):
        misfit = _misfit(target, facts)
        if misfit is None:
            serving.append(target)
        else:
            dropped.append(misfit)
    if not serving:
        return _permit(policy, facts, label, Outcome.UNKNOWN_ALIAS, dropped=dropped)

    matches = Matches()
    failed = _match_rules(policy, facts, label, matches)
    if failed is not None:
        return _failed(policy, facts, label, failed.key, failed.ref)

    judge = Judge(policy, facts, label, matches, masking, masker)
    candidates: list[tuple[int, Candidate]] = []
    for target in serving:
        verdict = judge.verdict(target)
        if isinstance(verdict, Candidate):
            candidates.append((target.bit, verdict))
        else:
            dropped.append(verdict)
    # Stable sorts, the weakest wish first, so that the organisation's first rule wins.
    for rule in reversed(matches.prefers):
        ranks = rule.ranks
        last = len(ranks)
        candidates.sort(key=lambda pair: ranks.get(pair[0], last))
    outcome = Outcome.ALLOWED if candidates else Outcome.DENIED
    return _permit(
        policy,
        facts,
        label,
        outcome,
        candidates=tuple(candidate for _, candidate in candidates),
        dropped=dropped,
        matches=matches,
    )


def _misfit(target: Target, facts: RequestFacts) -> Dropped | None:
    """Why the deployment cannot serve this request at all (semantic rule 3), if it cannot."""
    if not target.enabled:
        reason, detail = DropReason.DISABLED, f"{target.name} is disabled."
    elif facts.endpoint not in target.endpoints:
        reason, detail = DropReason.ENDPOINT, f"{target.name} does not serve this endpoint."
    elif not facts.modalities <= target.modalities:
        reason, detail = DropReason.MODALITY, f"{target.name} does not take every modality of this."
    else:
        return None
    return Dropped(target.name, target.zone, reason, detail)


def _match_rules(
    policy: CompiledPolicy, facts: RequestFacts, label: Label, matches: Matches
) -> CompiledRule | None:
    """Sort every matching rule into `matches`; the first rule that fails is returned at once."""
    suspended = facts.suspended
    for rule in policy.rules:
        without_effect = rule.shadow or (bool(suspended) and rule.key in suspended)
        try:
            if not rule.matches(facts, label):
                continue
        except Exception:  # noqa: BLE001 -- semantic rule 4: an erroring rule denies
            if not without_effect:
                return rule
        if without_effect:
            (matches.shadow if rule.shadow else matches.suspended).append(rule.ref)
        else:
            matches.rules.append(rule.ref)
            _sort(rule, matches)
    return None


def _sort(rule: CompiledRule, matches: Matches) -> None:
    match rule.rule.then:
        case r.Deny() | r.AllowOnly():
            matches.narrowing.append(rule)
        case r.RequireApproval():
            matches.approvals.append(rule)
        case r.Mask():
            matches.masks.append(rule)
        case r.Prefer():
            matches.prefers.append(rule)


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
