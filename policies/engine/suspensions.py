"""Which rules are out of effect for a request: exceptions and approvals (semantic rule 8).

They suspend rules by name; never a label, a floor or a clearance. Who may grant one is decided
where it is granted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

NOTHING_SUSPENDED: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """`rules` (`organisation:health-stays`) hold not before `until`.

    Empty groups, keys or aliases: it does not matter which.
    """

    rules: frozenset[str]
    until: datetime  # aware; at this moment the rules hold again
    groups: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()  # visible prefixes
    aliases: frozenset[str] = frozenset()

    def covers(self, *, now: datetime, alias: str, key: str, groups: frozenset[str]) -> bool:
        """Whether it counts for such a request now."""
        return (
            now < self.until
            and (not self.aliases or alias in self.aliases)
            and (not self.keys or key in self.keys)
            and (not self.groups or not self.groups.isdisjoint(groups))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspensions:
    """What one project has: exceptions, and approvals by the digest of the bytes they are for."""

    exceptions: tuple[Suspension, ...] = ()
    approvals: Mapping[str, tuple[Suspension, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def anything(self) -> bool:
        """Whether any request could be covered."""
        return bool(self.exceptions or self.approvals)

    def rules_for(
        self, *, now: datetime, digest: str, alias: str, key: str, groups: frozenset[str]
    ) -> frozenset[str]:
        """The rules that are out of effect for these bytes of this principal. Never raises."""
        found = NOTHING_SUSPENDED
        for one in self.exceptions:
            if one.covers(now=now, alias=alias, key=key, groups=groups):
                found |= one.rules
        for one in self.approvals.get(digest, ()):
            if one.covers(now=now, alias=alias, key=key, groups=groups):
                found |= one.rules
        return found
