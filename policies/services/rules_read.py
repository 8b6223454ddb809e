"""Rules in effect that give a deployment more once other things are stated of it.

A rule that lets only European deployments stay lets more leave when somebody writes `eu` into a
region. What a rule chooses is compared before and after, with the engine's own selector: unknown
counts as worst. A `prefer` only orders, and a shadow rule has no effect.

INVARIANT: reports too much rather than too little. Whether a request exists that the rule would let
pass is not asked, grants are not looked at, and a policy that cannot be read counts as giving more.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from gateway.accounts.models import Project
from policies.engine import rules as r
from policies.engine.document import DocumentError, PolicyDocument
from policies.engine.domain import atoms_of
from policies.engine.facts import DeploymentFacts
from policies.models import Policy
from policies.services.reading import (
    known_names,
    known_to_projects,
    read_for_organisation,
    read_for_project,
)
from policies.services.suspending import active_exceptions


def what_rules_give(before: DeploymentFacts, after: DeploymentFacts) -> tuple[str, ...]:
    """One sentence for each rule or statement, the organisation's first. See
    `gateway.deployments.rules_read`. Reads every policy in effect, those of archived projects too:
    they come back with what they had."""
    before = replace(before, zone=after.zone)
    return tuple(
        f"{what} of {whose} {how}"
        for whose, document in _in_effect()
        for what, how in _given(document, before, after)
    )


def rules_about_group(slug: str) -> tuple[str, ...]:
    """One sentence for each rule and exception that may give somebody more because they join the
    group or leave it. Reads every policy in effect."""
    found = [
        f"rule {rule.id} of {whose} asks for this group"
        for whose, document in _in_effect()
        for rule in (document.rules if document is not None else ())
        if not rule.shadow and not isinstance(rule.then, r.Prefer) and _asks_for(rule.when, slug)
    ]
    found += [
        f"exception {row.name} of project {row.project.slug} is for this group"
        for row in active_exceptions().select_related("project").order_by("project__slug", "name")
        if slug in row.groups
    ]
    return tuple(found)


def _asks_for(condition: r.Condition, slug: str) -> bool:
    return any(isinstance(atom, r.GroupIs) and slug in atom.any_of for atom in atoms_of(condition))


def _in_effect() -> Iterator[tuple[str, PolicyDocument | None]]:
    """Every policy in effect with its owner in words; None for one that cannot be read."""
    rows = Policy.objects.filter(current__isnull=False).select_related("current")
    documents = {row.project_id: row.current.document for row in rows if row.current is not None}
    if not documents:
        return
    known, organisation = known_names(), None
    if None in documents:
        with suppress(DocumentError):
            organisation = read_for_organisation(documents[None], known)
        yield "the organisation", organisation
    names = known_to_projects(known, organisation)
    projects = Project.objects.filter(pk__in=[key for key in documents if key is not None])
    for key, slug in projects.order_by("slug").values_list("pk", "slug"):
        try:
            yield f"project {slug}", read_for_project(documents[key], slug, names)
        except DocumentError:
            yield f"project {slug}", None


def _given(
    document: PolicyDocument | None, before: DeploymentFacts, after: DeploymentFacts
) -> Iterator[tuple[str, str]]:
    if document is None:
        yield "the policy", "cannot be read, so that nobody knows what its rules make of it"
        return
    for rule in document.rules:
        how = "" if rule.shadow else _gives(rule.then, before, after)
        if how:
            yield f"rule {rule.id}", how
    for place, statement in enumerate(document.never):
        if _left(statement.selector, before, after):
            yield f"statement /never/{place}", "would not be about it any more"


def _gives(then: r.Effect, before: DeploymentFacts, after: DeploymentFacts) -> str:
    """How the effect gives `after` more; empty: it does not."""
    match then:
        case r.AllowOnly(selector):
            stays = selector.selects(after, unknown=False)
            return "would let it stay" if stays > selector.selects(before, unknown=False) else ""
        case r.RequireApproval(selector):
            return "would ask for no approval any more" if _left(selector, before, after) else ""
        case r.Mask(selector=selector):
            if _left(selector, before, after):
                return "would mask nothing for it any more"
            masks = _left(selector, after, before)
            return "would mask for it, so that masked text may go where it may not now" * masks
        case _:
            return ""


def _left(selector: r.Selector, before: DeploymentFacts, after: DeploymentFacts) -> bool:
    """Whether the selector meant the deployment before, and does not after."""
    return selector.selects(before, unknown=True) and not selector.selects(after, unknown=True)
