"""What suspends rules in a project now: exceptions and granted approvals, as the path takes them.

INVARIANT: an approval suspends a rule only while that rule wants an approval. A rule of the same
name that denies today was never approved away.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from gateway.accounts.models import Project
from policies.engine.compile import APPROVAL, CompiledPolicy
from policies.engine.suspensions import Suspension, Suspensions
from policies.models import Approval, ApprovalState, RuleException


@dataclass(frozen=True, slots=True)
class Suspending:
    """A project's exceptions and approvals that have not ended."""

    exceptions: tuple[Suspension, ...] = ()
    approvals: tuple[tuple[str, Suspension], ...] = ()  # by the digest they are for

    def under(self, policy: CompiledPolicy) -> Suspensions | None:
        """As the path takes it with this policy; None: nothing is suspended."""
        wanting = {rule.key for rule in policy.rules if rule.kind == APPROVAL}
        approvals: defaultdict[str, list[Suspension]] = defaultdict(list)
        for digest, one in self.approvals:
            if one.rules & wanting:
                approvals[digest].append(Suspension(rules=one.rules & wanting, until=one.until))
        found = Suspensions(
            exceptions=self.exceptions,
            approvals={digest: tuple(given) for digest, given in approvals.items()},
        )
        return found if found.anything else None


NOTHING = Suspending()


def active_exceptions(now: datetime | None = None) -> QuerySet[RuleException]:
    """Those that hold: not ended, their last moment ahead."""
    at = now if now is not None else timezone.now()
    return RuleException.objects.filter(ended_at__isnull=True, ends_at__gt=at)


def suspending_by_project(now: datetime | None = None) -> Mapping[Any, Suspending]:
    """What every project has, by its key. Two queries."""
    at = now if now is not None else timezone.now()
    exceptions: defaultdict[Any, list[Suspension]] = defaultdict(list)
    for row in active_exceptions(at).order_by("created_at", "pk"):
        exceptions[row.project_id].append(as_suspension(row))
    approvals: defaultdict[Any, list[tuple[str, Suspension]]] = defaultdict(list)
    granted = Approval.objects.filter(state=ApprovalState.GRANTED, expires_at__gt=at)
    for given in granted.order_by("asked_at", "pk"):
        if given.expires_at is not None:
            one = Suspension(rules=frozenset(given.rules), until=given.expires_at)
            approvals[given.project_id].append((given.digest, one))
    return {
        project: Suspending(tuple(exceptions[project]), tuple(approvals[project]))
        for project in exceptions.keys() | approvals.keys()
    }


def as_suspension(row: RuleException) -> Suspension:
    """An exception as the path takes it."""
    return Suspension(
        rules=frozenset(row.rules),
        until=row.ends_at,
        groups=frozenset(row.groups),
        keys=frozenset(row.keys),
        aliases=frozenset(row.aliases),
    )


def suspended_rules(project: Project, now: datetime | None = None) -> frozenset[str]:
    """Every rule that an exception of the project suspends for anybody now. One query."""
    rows = active_exceptions(now).filter(project=project)
    return frozenset(rule for rules in rows.values_list("rules", flat=True) for rule in rules)
