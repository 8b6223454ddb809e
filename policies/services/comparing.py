"""What is in shadow, compared with what was decided: who would move, and what would be masked.

Reads the audit, where a decision appears a few seconds after it was made. Checks no access.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from django.core.exceptions import ValidationError

from gateway.accounts.models import Project
from gateway.audit.models import RequestRecord
from gateway.deployments.models import Deployment
from policies.engine.compile import ORGANISATION, PROJECT
from policies.engine.facts import Zone
from policies.engine.permit import MaskMode
from policies.models import PolicyRevision, Shadow

RECORDS_LIMIT = 20_000  # decisions compared, the newest; about 20 µs each
NAMED = 20  # decision ids told of each move
DENIED = "denied"
_FAILED = "error"
_MODES = frozenset(mode.value for mode in MaskMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Requests that would go elsewhere. `before` and `after`: a zone, `denied`, or `unknown`."""

    before: str
    after: str
    count: int
    deployments: Mapping[str, int]  # "claude to llama" -> how many
    decisions: tuple[str, ...]  # some of their ids

    @property
    def words(self) -> str:
        """`38 cloud to on-prem`."""
        return f"{self.count} {_plain(self.before)} to {_plain(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskChange:
    """Findings of one data class that would be masked otherwise. No mode: not masked."""

    data_class: str
    before: str
    after: str
    findings: int
    requests: int

    @property
    def words(self) -> str:
        """`9 EMAIL_ADDRESS masked (placeholder)`."""
        what = f"{self.findings:,} {self.data_class}"
        if not self.before:
            return f"{what} masked ({self.after})"
        if not self.after:
            return f"{what} no longer masked"
        return f"{what} masked otherwise ({self.after}, not {self.before})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What would have been decided, against what was.

    `failed`: requests for which it could not be decided. `masked`: requests in whose bytes
    something would be masked otherwise, whether they move or not. `partial`: older decisions were
    left out for their number.
    """

    since: datetime
    decided: int = 0
    failed: int = 0
    moves: tuple[Move, ...] = ()
    masked: int = 0
    masks: tuple[MaskChange, ...] = ()
    partial: bool = False

    @property
    def moved(self) -> int:
        """How many would go elsewhere, or nowhere, or somewhere after all."""
        return sum(move.count for move in self.moves)

    @property
    def sentence(self) -> str:
        """`41 of 2,310 would move: 38 cloud to on-prem, 3 cloud to denied.`, and with masks:
        `5 would be masked otherwise: 9 EMAIL_ADDRESS masked (placeholder).`"""
        told = f"{self.moved:,} of {self.decided:,} would move"
        if self.moves:
            told += ": " + ", ".join(move.words for move in self.moves)
        if self.masks:
            told += f". {self.masked:,} would be masked otherwise: "
            told += ", ".join(change.words for change in self.masks)
        return told + "."


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInShadow:
    """What one shadow rule, alone in effect, would have changed since it is in shadow as it is.

    `rule`: `project:no-code`. `matched` counts all matches, also where nothing was decided beside.
    """

    rule: str
    matched: int
    changes: Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is in shadow in a project. `policy` None: no whole policy ever was."""

    policy: Changes | None
    rules: tuple[RuleInShadow, ...]


def compare(project: Project, *, limit: int = RECORDS_LIMIT) -> Comparison:
    """The policy in shadow in a project, running or the last one, and each of the rules in effect
    there that are marked as shadow, the organisation's first.

    Raises ValidationError when there is and was nothing in shadow.
    """
    shadow = Shadow.objects.filter(project=project).order_by("-started_at").first()
    rules = shadow_rules(project)
    if shadow is None and not rules:
        raise ValidationError(
            "This project never had a policy in shadow, and no rule in effect is marked as shadow."
        )
    zones = _zones()
    return Comparison(
        policy=None if shadow is None else _of_policy(project, shadow, zones, limit),
        rules=_of_rules(rules, zones, limit, project),
    )


def compare_organisation_rules(*, limit: int = RECORDS_LIMIT) -> tuple[RuleInShadow, ...]:
    """Each rule of the organisation that is marked as shadow, over all projects together."""
    return _of_rules(shadow_rules(None), _zones(), limit, None)


def shadow_rules(project: Project | None) -> dict[str, datetime]:
    """The rules marked as shadow that bear on a project, and since when each stands like this.

    None: the organisation's alone.
    """
    found = _marked(None, ORGANISATION)
    return found if project is None else found | _marked(project, PROJECT)


def _marked(project: Project | None, scope: str) -> dict[str, datetime]:
    """Back through the revisions, for as long as one says exactly the same of the rule."""
    rows = PolicyRevision.objects.filter(policy__project=project).order_by("-number").iterator()
    newest = next(rows, None)
    if newest is None:
        return {}
    searched = {rule["id"]: rule for rule in _rules(newest) if rule.get("shadow")}
    since = dict.fromkeys(searched, newest.published_at)
    for revision in rows:
        said = {rule.get("id"): rule for rule in _rules(revision)}
        searched = {name: rule for name, rule in searched.items() if said.get(name) == rule}
        if not searched:
            break
        since |= dict.fromkeys(searched, revision.published_at)
    return {f"{scope}:{name}": at for name, at in since.items()}


def _rules(revision: PolicyRevision) -> list[dict[str, object]]:
    rules = revision.document.get("rules")
    return rules if isinstance(rules, list) else []


class _Beside(Protocol):
    """What a record says that would have been decided."""

    @property
    def outcome(self) -> str: ...
    @property
    def deployment(self) -> str: ...
    @property
    def masks(self) -> dict[str, str]: ...


@dataclass(slots=True)
class _Group:
    count: int = 0
    deployments: Counter[str] = field(default_factory=Counter)
    decisions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Tally:
    """Counts differences, record by record."""

    zones: Mapping[str, str]  # of each deployment there is
    decided: int = 0
    failed: int = 0
    masked: int = 0
    groups: dict[tuple[str, str], _Group] = field(default_factory=dict)
    findings: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def count(self, record: RequestRecord, beside: _Beside) -> None:
        if beside.outcome == _FAILED:
            self.failed += 1
            return
        self.decided += 1
        had = record.candidates[0] if record.candidates else ""
        if had != beside.deployment:
            self._move(record, had, beside.deployment)
        changes = list(self._masks(record, beside, moved=had != beside.deployment))
        self.masked += bool(changes)
        decision = record.decision_record
        for change in changes:
            self.findings[change] += decision.classes.get(change[0], 0) if decision else 0
            self.requests[change] += 1

    def _move(self, record: RequestRecord, had: str, goes: str) -> None:
        group = self.groups.setdefault((self._place(had), self._place(goes)), _Group())
        group.count += 1
        group.deployments[f"{had or DENIED} to {goes or DENIED}"] += 1
        if len(group.decisions) < NAMED:
            group.decisions.append(record.decision_id)

    def _place(self, deployment: str) -> str:
        return self.zones.get(deployment, "unknown") if deployment else DENIED

    def _masks(
        self, record: RequestRecord, beside: _Beside, *, moved: bool
    ) -> Iterator[tuple[str, str, str]]:
        """What is masked less because it would stay at home, or go nowhere, is told as a move."""
        if not beside.deployment:
            return
        stays = moved and self._place(beside.deployment) == Zone.ON_PREM
        for name in sorted(record.masks.keys() | beside.masks.keys()):
            before, after = record.masks.get(name, ""), beside.masks.get(name, "")
            if before != after and not (stays and _strictness(after) < _strictness(before)):
                yield name, before, after

    def changes(self, since: datetime, *, partial: bool) -> Changes:
        moves = [
            Move(
                before=before,
                after=after,
                count=group.count,
                deployments=dict(group.deployments.most_common()),
                decisions=tuple(group.decisions),
            )
            for (before, after), group in self.groups.items()
        ]
        masks = [
            MaskChange(
                data_class=name,
                before=before,
                after=after,
                findings=findings,
                requests=self.requests[name, before, after],
            )
            for (name, before, after), findings in self.findings.items()
        ]
        return Changes(
            since=since,
            decided=self.decided,
            failed=self.failed,
            moves=tuple(sorted(moves, key=lambda move: (-move.count, move.before, move.after))),
            masked=self.masked,
            masks=tuple(sorted(masks, key=lambda each: (-each.findings, each.data_class))),
            partial=partial,
        )


def _zones() -> dict[str, str]:
    return dict(Deployment.objects.values_list("name", "zone"))


def _of_policy(project: Project, shadow: Shadow, zones: Mapping[str, str], limit: int) -> Changes:
    tally, seen = _Tally(zones), 0
    for record in _records(project, shadow.started_at, shadow.ended_at, limit):
        seen += 1
        if record.shadow is not None:
            tally.count(record, record.shadow)
    return tally.changes(shadow.started_at, partial=seen >= limit)


def _of_rules(
    rules: Mapping[str, datetime],
    zones: Mapping[str, str],
    limit: int,
    project: Project | None,
) -> tuple[RuleInShadow, ...]:
    if not rules:
        return ()
    tallies = {rule: _Tally(zones) for rule in rules}
    matched: Counter[str] = Counter()
    seen, first = 0, min(rules.values())
    rows = _newest(limit) if project is None else _records(project, first, None, limit)
    for record in rows:
        seen += record.at >= first
        counted = [
            rule for rule in record.shadow_rules if rule in rules and record.at >= rules[rule]
        ]
        matched.update(counted)
        for effect in record.shadow_effects:
            if effect.rule in counted:
                tallies[effect.rule].count(record, effect)
    return tuple(
        RuleInShadow(
            rule=rule,
            matched=matched[rule],
            changes=tallies[rule].changes(since, partial=seen >= limit),
        )
        for rule, since in rules.items()
    )


def _records(
    project: Project, since: datetime, until: datetime | None, limit: int
) -> Iterable[RequestRecord]:
    rows = RequestRecord.objects.filter(project=project.slug, at__gte=since)
    if until is not None:
        rows = rows.filter(at__lte=until)
    return rows.only("decision_id", "at", "record").order_by("-at")[:limit].iterator()


def _newest(limit: int) -> Iterable[RequestRecord]:
    """Of all projects, by id: their times have no index of their own."""
    rows = RequestRecord.objects.only("decision_id", "at", "record")
    return rows.order_by("-id")[:limit].iterator()


def _strictness(mode: str) -> int:
    return MaskMode(mode).strictness if mode in _MODES else -1


def _plain(place: str) -> str:
    return {"on_prem": "on-prem", "private_cloud": "private cloud"}.get(place, place)
