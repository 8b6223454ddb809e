"""From the journal to usage: a record per request, the day's sums, and what leases were spent.

A sink of the audit's loader: it runs in the loader's transaction, so usage is stored exactly when
the outcome is, exactly once. Raw SQL for the rows, which come by the thousand a second.

INVARIANT: a request that was sent and whose outcome died with its process is charged what was
reserved for it: what a vendor may have billed is never forgotten.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from django.db import IntegrityError, connection, transaction

from gateway.audit.columns import LAST, text
from gateway.audit.models import OutcomeState, RequestRecord
from gateway.audit.reading import Entry
from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.rows import row_id
from gateway.audit.stored_times import stored_times
from gateway.usage.models import Budget, BudgetSpend, UsageDay, UsageRecord

_decode = msgspec.json.Decoder(DecisionRecord).decode
_RECORD: Final = (
    *("decision_id", "at", "project", "person", "key_prefix", "channel", "endpoint", "alias"),
    *("deployment", "zone", "model", "prompt_tokens", "completion_tokens", "cached_tokens"),
    *("cost_nano", "estimated"),
)
_DAY: Final = (
    *("day", "project", "person", "key_prefix", "channel", "alias", "deployment", "zone"),
    *("requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_nano"),
    *("estimated", "unpriced"),
)
_DAY_KEY: Final = 8  # columns of _DAY that name the sum
_SPEND: Final = ("budget_id", "subject", "window", "writer", "nano")
_SPEND_KEY: Final = 4
_UNKNOWN: Final = "(unknown)"
_MOST: Final = LAST >> 20


class UsageSink:
    """See the module. Holds nothing."""

    def loaded(self, writer: str, entries: Sequence[Entry]) -> None:
        """Record the outcomes among these entries. Two statements, four with leased budgets."""
        outcomes = {
            entry.record.id: entry.record
            for entry in entries
            if isinstance(entry.record, OutcomeRecord)
        }
        if not outcomes:
            return
        decisions = {
            entry.record.id: entry.record
            for entry in entries
            if isinstance(entry.record, DecisionRecord)
        }
        used = [id_ for id_, outcome in outcomes.items() if outcome.deployment]
        decisions |= _decisions_of(id_ for id_ in used if id_ not in decisions)
        _record(
            writer,
            [(decisions[id_], _answered(outcomes[id_])) for id_ in used if id_ in decisions],
        )

    def died(self, writer: str) -> None:
        """Charge what the writer left open."""
        pending = RequestRecord.objects.filter(
            writer_id=writer, outcome_state=OutcomeState.PENDING, decision="allowed"
        )
        records = map(_decode, pending.values_list("record", flat=True))
        _record(writer, [(record, _lost(record)) for record in records])


class _Used(msgspec.Struct, frozen=True, kw_only=True):
    """What one request used, as it is recorded."""

    deployment: str
    zone: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cost_nano: int | None
    estimated: bool


def _answered(outcome: OutcomeRecord) -> _Used:
    estimate = outcome.estimated_tokens
    prompt, completion = (
        (estimate[0], estimate[1])
        if len(estimate) == 2
        else (outcome.prompt_tokens or 0, outcome.completion_tokens or 0)
    )
    cost = outcome.cost_nano
    return _Used(
        deployment=outcome.deployment,
        zone=outcome.zone,
        model=outcome.model,
        prompt_tokens=_bounded(prompt),
        completion_tokens=_bounded(completion),
        cached_tokens=_bounded(outcome.cached_tokens),
        cost_nano=None if cost is None else _bounded(cost),
        estimated=bool(estimate),
    )


def _lost(decision: DecisionRecord) -> _Used:
    return _Used(
        deployment=_UNKNOWN,
        zone="",
        model="",
        prompt_tokens=0,
        completion_tokens=0,
        cost_nano=_bounded(decision.reserved_nano),
        estimated=True,
    )


def _bounded(count: int) -> int:
    """No record, however forged, may stop the loader or make a sum that no column holds."""
    return count if 0 <= count <= _MOST else min(max(count, 0), _MOST)


def _decisions_of(ids: Iterable[str]) -> dict[str, DecisionRecord]:
    """Decisions that an earlier batch brought."""
    rows = RequestRecord.objects.filter(decision_id__in=list(ids))
    return {record.id: record for record in map(_decode, rows.values_list("record", flat=True))}


def _record(writer: str, used: list[tuple[DecisionRecord, _Used]]) -> None:
    if not used:
        return
    by_id = {row_id(each[0].id): each for each in used}
    try:
        with transaction.atomic():
            _store(writer, by_id)
    except IntegrityError:
        # An id that another writer has recorded already: none is charged twice.
        known = UsageRecord.objects.filter(pk__in=list(by_id)).values_list("pk", flat=True)
        for id_ in list(known):
            del by_id[id_]
        _store(writer, by_id)


class _Group:
    """Requests of one batch that share everything but their times and counts."""

    __slots__ = ("day", "names", "sums")

    def __init__(self, day: Any, names: Sequence[str]) -> None:
        self.day = day
        # project, person, key_prefix, channel, endpoint, alias, deployment, zone, model
        self.names = [text(name) for name in names]
        self.sums = [0] * 7

    @property
    def key(self) -> tuple[Any, ...]:
        """The columns of `_DAY` that name its sum."""
        project, person, key_prefix, channel, _, alias, deployment, zone, _ = self.names
        return self.day, project, person, key_prefix, channel, alias, deployment, zone


def _store(writer: str, used: dict[str, tuple[DecisionRecord, _Used]]) -> None:
    """The rows and what they add to the sums. Raises IntegrityError for an id that is there."""
    _, stored = stored_times()
    # SQLite's driver looks long for an adapter of bool.
    flag: Callable[[bool], int] = int if connection.vendor == "sqlite" else bool
    rows: list[list[Any]] = []
    groups: dict[tuple[Any, ...], _Group] = {}
    spends: defaultdict[tuple[int, str, str, str], int] = defaultdict(int)
    for id_, (decision, what) in used.items():
        at = stored(decision.at)
        names = (
            *(decision.project, decision.on_behalf_of or decision.actor, decision.key_prefix),
            *(decision.channel, decision.endpoint, decision.alias),
            *(what.deployment, what.zone, what.model),
        )
        # SQLite's time begins with the date, as its dates are stored.
        day = at[:10] if type(at) is str else at.date()
        group = groups.get((day, names))
        if group is None:
            group = groups[day, names] = _Group(day, names)
        nano, prompt, completion = what.cost_nano, what.prompt_tokens, what.completion_tokens
        rows.append(
            [
                *(id_, at, *group.names, prompt, completion, what.cached_tokens, nano),
                flag(what.estimated),
            ]
        )
        sums = group.sums
        sums[0] += 1
        sums[1] += prompt
        sums[2] += completion
        sums[3] += what.cached_tokens
        sums[4] += nano or 0
        sums[5] += what.estimated
        sums[6] += nano is None
        if decision.leased:
            for budget, subject, window in _leases(decision):
                spends[budget, subject, window, writer] += nano or 0
    _insert(UsageRecord._meta.db_table, _RECORD, rows)
    _add(UsageDay._meta.db_table, _DAY, _DAY_KEY, _days(groups.values()))
    if not spends:
        return
    # A budget that is gone by now has no spending any more.
    there = set(
        Budget.objects.filter(pk__in={key[0] for key in spends}).values_list("pk", flat=True)
    )
    _add(
        BudgetSpend._meta.db_table,
        _SPEND,
        _SPEND_KEY,
        {key: [nano] for key, nano in spends.items() if key[0] in there},
    )


def _days(groups: Iterable[_Group]) -> dict[tuple[Any, ...], list[int]]:
    """The sums by day; an endpoint or a model has none of its own there."""
    days: dict[tuple[Any, ...], list[int]] = {}
    for group in groups:
        known = days.setdefault(group.key, [0] * len(group.sums))
        days[group.key] = [before + more for before, more in zip(known, group.sums, strict=True)]
    return days


def _leases(decision: DecisionRecord) -> list[tuple[int, str, str]]:
    return [
        (int(each[0]), text(each[1]), each[2][:10])
        for each in decision.leased
        if len(each) == 3 and each[0].isdecimal() and len(each[0]) < 18
    ]


def _names(names: Sequence[str]) -> str:
    return ", ".join(connection.ops.quote_name(name) for name in names)


def _insert(table: str, names: Sequence[str], rows: list[list[Any]]) -> None:
    places = ", ".join(["%s"] * len(names))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({_names(names)}) VALUES ({places})",  # noqa: S608 - names
            rows,
        )


def _add(
    table: str, names: Sequence[str], key: int, sums: dict[tuple[Any, ...], list[int]]
) -> None:
    """Add to sums that are there, or begin them."""
    quote = connection.ops.quote_name
    places = ", ".join(["%s"] * len(names))
    added = ", ".join(
        f"{quote(name)} = {table}.{quote(name)} + excluded.{quote(name)}" for name in names[key:]
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({_names(names)}) VALUES ({places}) "  # noqa: S608 - names
            f"ON CONFLICT ({_names(names[:key])}) DO UPDATE SET {added}",
            # In one order, so that two loaders never wait for each other's rows.
            [[*name, *sums[name]] for name in sorted(sums)],
        )
