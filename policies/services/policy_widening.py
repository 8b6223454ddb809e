"""How a new policy lets more leave than the one before. Reports too much rather than too little:
whether a changed rule is weaker is not decided, it is said."""

from policies.engine import rules as r
from policies.engine.document import PolicyDocument
from policies.engine.labels import PUBLIC, Label, Sensitivity

_NARROWING = (r.Deny, r.AllowOnly, r.RequireApproval)


def policy_widening(before: PolicyDocument | None, after: PolicyDocument) -> tuple[str, ...]:
    """One sentence for each way in which `after` may admit what `before` did not.

    A mask lets masked bytes go where raw ones may not, so a new one counts. Empty: none.
    """
    reasons: list[str] = []
    old_rules = {rule.id: rule for rule in before.rules} if before is not None else {}
    new_rules = {rule.id: rule for rule in after.rules}
    for rule_id, old in old_rules.items():
        new = new_rules.get(rule_id)
        if new != old and not old.shadow and isinstance(old.then, (*_NARROWING, r.Mask)):
            reasons.append(f"rule {rule_id} is {'removed' if new is None else 'changed'}")
    for rule_id, new in new_rules.items():
        if isinstance(new.then, r.Mask) and not new.shadow and rule_id not in old_rules:
            reasons.append(f"rule {rule_id} masks, so that masked text may go where it may not now")
    if before is not None and not covers(after.floor or PUBLIC, before.floor or PUBLIC):
        reasons.append("its floor is lowered")
    old_minimums = dict(before.categories) if before is not None else {}
    new_minimums = dict(after.categories)
    for category, minimum in old_minimums.items():
        if new_minimums.get(category, Sensitivity.PUBLIC) < minimum:
            reasons.append(f"category {category} needs less than {minimum.word}")
    for field in ("relax", "reach_out"):
        had: frozenset[str] = getattr(before, field) if before is not None else frozenset()
        reasons += [f"{field}: {word}" for word in sorted(getattr(after, field) - had)]
    return tuple(reasons)


def covers(floor: Label, other: Label) -> bool:
    """Whether a floor is at least as high as another."""
    return floor.sensitivity >= other.sensitivity and floor.categories >= other.categories
