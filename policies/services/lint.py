"""What is odd about a policy that is in effect, or about to be: rules without use, names without
meaning, evidence that runs out. Nothing here refuses anything.

Whether a rule ever matches, and whether it ever changes where bytes may go, is decided with the
shipped `decide` over every state that the policy can tell apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from django.utils import timezone

from gateway.accounts.models import Project
from gateway.deployments.models import Deployment
from gateway.inference.contracts import ProjectView
from policies.engine.compile import CompiledPolicy, CompiledRule
from policies.engine.decide import decide
from policies.engine.domain import Domain
from policies.engine.facts import DeploymentFacts, RequestFacts
from policies.engine.labels import DEFAULT_MINIMUMS
from policies.services.judging import BARE, bare_view, view_in
from policies.services.proving import class_labels
from policies.services.reading import (
    known_names,
    names_for_projects,
    read_for_organisation,
    read_for_project,
)
from policies.services.views import read_shared

DECISIONS_LIMIT = 200_000  # about 15 µs each
SOON = timedelta(days=30)


class Finding(StrEnum):
    """What can be odd."""

    NEVER_MATCHES = "never_matches"
    CHANGES_NOTHING = "changes_nothing"
    CATEGORY_ONLY_DECLARED = "category_only_declared"
    ALIAS_USED_BY_NOBODY = "alias_used_by_nobody"
    EVIDENCE_EXPIRES = "evidence_expires"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintFinding:
    """One oddity. `subject`: `project:health-stays`, a category, an alias, a deployment."""

    kind: Finding
    subject: str
    sentence: str
    advice: str


def lint(
    project: Project | None, document: Mapping[str, object] | None = None
) -> tuple[LintFinding, ...]:
    """What is odd in a project, or (None) under the organisation's policy alone.

    `document` stands in for the policy in effect. Reads the database; up to some seconds of CPU.
    Raises DocumentError for one that does not read.
    """
    deployments = list(Deployment.objects.all())
    if project is None:
        read = read_for_organisation(document, known_names()) if document is not None else None
        shared = read_shared(deployments, organisation=read)
        view = bare_view(shared)
    else:
        shared = read_shared(deployments)
        if document is not None:
            read_for_project(document, project.slug, names_for_projects())
        in_effect = shared.documents.get(project.pk)
        view = view_in(project, shared, document if document is not None else in_effect)
    scope = "organisation" if project is None else "project"
    granted = frozenset[str]().union(*shared.grants.values())
    found = [*_rules(view, scope), *_categories(view)]
    if project is None:
        found += _aliases_of_nobody(shared.aliases, shared.facts, granted)
    return (*found, *_evidence(view.policy.deployments, timezone.now().date()))


@dataclass(slots=True)
class _Walk:
    """What deciding every state showed."""

    matched: set[str]
    changed: set[str]
    tried: set[str]  # aliases; of those that nothing tells apart, one
    used: set[str]  # those of which some request goes somewhere, once it is approved
    whole: bool

    def unused(self, policy: CompiledPolicy) -> list[str]:
        """Aliases of which no request goes anywhere."""
        places = {frozenset(policy.aliases[alias]) for alias in self.used}
        return [
            alias
            for alias, names in sorted(policy.aliases.items())
            if (alias not in self.used if alias in self.tried else frozenset(names) not in places)
        ]


def _rules(view: ProjectView, scope: str) -> Iterator[LintFinding]:
    """The rules of one document; those of the other are its authors' affair."""
    policy = view.policy
    walk = _walk(view, scope)
    if not walk.whole:
        yield LintFinding(
            kind=Finding.NOT_CHECKED,
            subject=view.slug,
            sentence="The policy tells too many requests apart for each to be decided.",
            advice="Rules may be without use that are not listed here.",
        )
        return
    for rule in policy.rules:
        if rule.ref.scope != scope:
            continue
        if rule.key not in walk.matched:
            yield LintFinding(
                kind=Finding.NEVER_MATCHES,
                subject=rule.key,
                sentence=f"The rule {rule.ref.id} matches no request at all.",
                advice="Look at its conditions: they exclude each other, or name what cannot be.",
            )
        elif rule.key not in walk.changed and not rule.shadow:
            yield LintFinding(
                kind=Finding.CHANGES_NOTHING,
                subject=rule.key,
                sentence=f"Without the rule {rule.ref.id} every request would go the same way.",
                advice="Other rules or clearances do what it does: remove it, or narrow those.",
            )
    for alias in walk.unused(policy) if view.slug != BARE else ():
        yield LintFinding(
            kind=Finding.ALIAS_USED_BY_NOBODY,
            subject=alias,
            sentence=f"No request for the model {alias} may go anywhere.",
            advice="Grant or enable a deployment that may take it, or change the rules.",
        )


def _walk(view: ProjectView, scope: str) -> _Walk:
    policy = view.policy
    domain = Domain.of(policy, class_labels(policy, view.analyser), policy.never, frozenset())
    # A shadow rule has no effect, so all that can be said of it is whether it matches.
    waiting = {rule.key: rule for rule in policy.rules if rule.ref.scope == scope}
    walk = _Walk(set(), set(), set(), set(), domain.whole)
    decisions = 0
    for state in domain.requests():
        facts = replace(state, suspended=frozenset())
        permit = decide(domain.policy, facts, masking_available=True)
        decisions += 1
        walk.tried.add(facts.alias)
        if facts.alias not in walk.used:
            decisions += 1
            if decide(domain.policy, state, masking_available=True).candidates:
                walk.used.add(facts.alias)
        walk.matched.update(rule.key for rule in (*permit.rules, *permit.shadow))
        for ref in permit.rules:
            rule = waiting.get(ref.key)
            if rule is not None and ref.key not in walk.changed:
                decisions += 1
                if _differs(domain.policy, facts, rule, permit.candidates):
                    walk.changed.add(ref.key)
        if decisions > DECISIONS_LIMIT:
            walk.whole = False
            break
    return walk


def _differs(
    policy: CompiledPolicy, facts: RequestFacts, rule: CompiledRule, candidates: object
) -> bool:
    """Whether the request would go another way without the rule."""
    without = replace(facts, suspended=frozenset({rule.key}))
    return decide(policy, without, masking_available=True).candidates != candidates


def _categories(view: ProjectView) -> Iterator[LintFinding]:
    """Categories of a policy's own that no recognizer finds."""
    found = set(view.analyser.data_classes.values())
    for name in sorted(view.policy.taxonomy.minimums.keys() - found):
        own = "" if name in DEFAULT_MINIMUMS else " of its own"
        yield LintFinding(
            kind=Finding.CATEGORY_ONLY_DECLARED,
            subject=name,
            sentence=f"The category {name}{own} is found by no recognizer: it must be declared.",
            advice="Define a recognizer or a word list for it, or have callers declare it.",
        )


def _aliases_of_nobody(
    aliases: Mapping[str, object], facts: Mapping[str, DeploymentFacts], granted: frozenset[str]
) -> Iterator[LintFinding]:
    for alias, names in aliases.items():
        serving = [
            name
            for name in (names if isinstance(names, list) else ())
            if name in facts and facts[name].enabled and name in granted
        ]
        if not serving:
            yield LintFinding(
                kind=Finding.ALIAS_USED_BY_NOBODY,
                subject=alias,
                sentence=f"No project may use the model {alias}.",
                advice="Grant one of its deployments to a project, enable one, or remove it.",
            )


def _evidence(deployments: Mapping[str, DeploymentFacts], today: date) -> Iterator[LintFinding]:
    for name, facts in deployments.items():
        for item in facts.evidence:
            if item.valid_until is None or item.valid_until > today + SOON:
                continue
            expired = item.valid_until < today
            yield LintFinding(
                kind=Finding.EVIDENCE_EXPIRES,
                subject=name,
                sentence=(
                    f"The {item.kind} of {name} "
                    f"{'ended' if expired else 'ends'} on {item.valid_until.isoformat()}"
                    + (": it is cleared for nothing but public data." if expired else ".")
                ),
                advice="Renew it, or stop naming the deployment in policies.",
            )
