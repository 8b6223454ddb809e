"""What the database knows of budgets, told to the shared store.

The store's `base` of a budget's window is what was spent in it by nobody who holds leases now:
all its usage, less what living holders spent out of their leases (that is among what they hold).

INVARIANT: a store that knows nothing (new, or emptied) is told a base only when every living
process has stated what it holds, or has been silent for so long that it stopped spending.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.db import DatabaseError
from django.db.models import QuerySet, Sum

from gateway.accounts.models import APIKey
from gateway.audit import chain
from gateway.audit.models import Writer
from gateway.database_threads import in_database_thread
from gateway.inference.limits import AtEnd, BudgetRule, Period, Scope, Window, window_at
from gateway.usage.models import Budget, BudgetSpend, UsageDay
from gateway.usage.store import Held, Holders, LeaseStore

# A process stops spending when it has not reached the store for ten minutes; some more, since
# two clocks measure it.
SILENT_S: Final = 900


class DatabaseLedger:
    """See `gateway.usage.gate.Ledger`. Holds nothing."""

    async def establish(
        self, store: LeaseStore, held: Held, *, rule: BudgetRule, subject: str, window: str
    ) -> bool:
        """Tell the store the base, and who is gone. Raises StoreUnreachable."""
        holders = await store.holders()
        holding = await store.holders_of(held)
        try:
            told = await in_database_thread(_read, rule, subject, window, holders, holding)
        except DatabaseError:
            return False
        if told is None:
            return False
        base, gone = told
        await store.rebase(held, base=base, gone=gone)
        return True

    async def release_dead(self, store: LeaseStore, held: Held) -> None:
        """Let go of what dead processes hold. Raises StoreUnreachable."""
        holders = await store.holders()
        holding = await store.holders_of(held)
        try:
            gone = await in_database_thread(_gone, holding, holders)
        except DatabaseError:
            return
        if gone:
            await store.rebase(held, base=0, gone=sorted(gone))


def _gone(holding: set[str], holders: Holders) -> set[str]:
    """Of those who hold something: whose journal is loaded to its end, or who fell silent."""
    ended = set(
        Writer.objects.filter(pk__in=holding).exclude(ending="").values_list("pk", flat=True)
    )
    return ended | {name for name in holding if _is_silent(name, holders)}


def _is_silent(name: str, holders: Holders) -> bool:
    """Whether a process has not been heard of for so long that it spends nothing any more."""
    seen = holders.seen.get(name, holders.born)
    return holders.now - seen > SILENT_S


def _read(
    rule: BudgetRule, subject: str, window: str, holders: Holders, holding: set[str]
) -> tuple[int, list[str]] | None:
    """(base, gone); None while a living process has not said what it holds."""
    # In this order: what ends or spends in between is then counted twice rather than never.
    living = set(
        Writer.objects.filter(ending="")
        .exclude(pk=chain.CONTROL_WRITER)
        .values_list("pk", flat=True)
    )
    living = {name for name in living if not _is_silent(name, holders)}
    if living - holders.seen.keys():
        return None
    leased = BudgetSpend.objects.filter(
        budget=rule.id, subject=subject, window=window, writer__in=living
    ).aggregate(nano=Sum("nano"))["nano"]
    spent = spent_nano(rule, subject, window)
    return max(0, spent - (leased or 0)), sorted(_gone(holding, holders))


def spent_nano(rule: BudgetRule, subject: str, window: str) -> int:
    """What the database says was spent of a budget in one of its windows. One or two queries."""
    days = usage_of(rule, subject, window)
    return days.aggregate(nano=Sum("cost_nano"))["nano"] or 0


def rule_of(row: Budget, reached: Mapping[tuple[str, str], int] | None = None) -> BudgetRule:
    """A budget's row as plain data. Its project is loaded with it."""
    return BudgetRule(
        id=row.pk,
        name=row.name,
        scope=Scope(row.scope),
        project=row.project.slug if row.project is not None else "",
        person=f"user:{row.person_id}" if row.person_id is not None else "",
        key=str(row.key_id) if row.key_id is not None else "",
        amount_nano=row.amount_nano,
        period=Period(row.period),
        hard=row.hard,
        at_end=AtEnd(row.at_end),
        reached=reached or {},
    )


def usage_of(rule: BudgetRule, subject: str | None, window: str) -> QuerySet[UsageDay]:
    """The sums that count in a budget's window, for one subject or (None) for all of them."""
    days = UsageDay.objects.all()
    named = window_named(rule, window)
    if named.starts_at is not None and named.ends_at is not None:
        days = days.filter(day__gte=named.starts_at.date(), day__lt=named.ends_at.date())
    if rule.project:
        days = days.filter(project=rule.project)
    if subject is None:
        return days
    if rule.scope is Scope.MEMBER:
        days = days.filter(person=subject)
    elif rule.scope is Scope.KEY:
        prefix = APIKey.objects.filter(pk=subject).values_list("prefix", flat=True).first()
        days = days.filter(key_prefix=prefix) if prefix is not None else days.none()
    return days


def window_named(rule: BudgetRule, window: str) -> Window:
    """The window with this name."""
    if window == "total":
        return Window(window, None, None)
    return window_at(rule.period, datetime.fromisoformat(f"{window}T00:00:00+00:00"))
