"""Comparing a file with the database, and bringing the database to it: all of it or nothing."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction

from gateway.accounts.access import require_admin
from gateway.accounts.acting import System
from gateway.accounts.changes import changing, record_change
from gateway.accounts.models import Organisation, Project
from gateway.accounts.statements import proven_later
from gateway.audit.event_types import EventType
from gateway.deployments.models import Deployment
from gateway.deployments.services import require_second_person
from policies.engine.document import DocumentError, KnownNames, PolicyDocument
from policies.engine.facts import Zone
from policies.models import Policy
from policies.services.configuration.model_recognizers import (
    Models,
    askable_now,
    askable_then,
    plan_models,
    plan_removals_of_models,
    unaskable,
)
from policies.services.configuration.plan_deployments import (
    plan_aliases,
    plan_deployments,
    plan_groups,
    plan_people,
    plan_removals,
)
from policies.services.configuration.plan_money import plan_budgets, plan_price, plan_rates
from policies.services.configuration.plan_projects import (
    archive_project,
    plan_organisation,
    plan_policy,
    plan_project,
)
from policies.services.configuration.present import existing_names, read_present
from policies.services.configuration.problems import (
    ConfigurationError,
    FileProblem,
    WideningRefused,
)
from policies.services.configuration.read import SWITCHES, read_configuration
from policies.services.configuration.recognizers import (
    Recognizers,
    plan_recognizers,
    plan_removals_of_recognizers,
)
from policies.services.configuration.steps import Authority, Plan, Step, Verb
from policies.services.configuration.suspensions import plan_exceptions, plan_shadow
from policies.services.configuration.wanted import ProjectWanted, Wanted
from policies.services.judging import NotPublished, judge
from policies.services.publishing import (
    current_revision,
    known_names,
    known_to_projects,
    read_for_organisation,
    read_for_project,
)
from policies.services.reproving import broken_statements, in_words

_NAMED_IN_EVENT = 200


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file's text and where it came from. `folder`: where its relative paths begin."""

    text: str
    name: str = "sluice.yaml"
    folder: Path = Path()

    @classmethod
    def read(cls, path: Path) -> "ConfigFile":
        """Read it. Raises ConfigurationError when that is not possible."""
        try:
            return cls(path.read_text(encoding="utf-8"), str(path), path.parent)
        except OSError as error:
            reason = error.strerror or type(error).__name__
        except UnicodeDecodeError:
            reason = "it is not UTF-8"
        raise ConfigurationError(
            [FileProblem(1, 1, f"The file cannot be read: {reason}.")], file=str(path)
        )

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def diff(file: ConfigFile, *, prune: bool = False) -> Plan:
    """What applying the file would do. Changes nothing. Raises ConfigurationError."""
    present = read_present()
    wanted = read_configuration(
        file.text, file=file.name, folder=file.folder, existing=existing_names(present)
    )
    removals, absent = plan_removals(present, wanted)
    projects = [
        project.slug
        for project in present.projects
        if "projects" in wanted.sections
        and project.slug not in {listed.slug for listed in wanted.projects}
    ]
    steps = list(_steps(present, wanted, prune=prune))
    if prune:
        return Plan((*steps, *(archive_project(slug) for slug in projects), *removals))
    left = [*absent, *(f"project {slug}" for slug in projects)]
    notes = [f"{name} is not in the file and stays (--prune)" for name in left]
    return Plan(tuple(steps), (*notes, *_left_unasked(present, wanted)))


def rehearse(file: ConfigFile, *, prune: bool = False) -> Plan:
    """`diff`, and in its `verdict` what applying would be judged: it is done and taken back.

    Nothing stays of it, no event either. Whether somebody must agree is not asked here. Raises
    ConfigurationError for a file that cannot be read.
    """
    plan = diff(file, prune=prune)
    if not plan.steps:
        return plan
    with changing():
        try:
            Organisation.load()
            Organisation.objects.filter(pk=1).update(**dict.fromkeys(SWITCHES, False))
            _carry_out(plan, file, Authority(System("rehearsal")), yes_widen=True)
            _require_judged(plan, file, accept_unproven=False)
            verdict: tuple[str, ...] = ()
        except ConfigurationError as error:
            verdict = tuple(
                f"{problem.sentence} {problem.advice}".rstrip() for problem in error.problems
            )
        finally:
            transaction.set_rollback(True)
    return replace(plan, verdict=verdict)


def _steps(present: Wanted, wanted: Wanted, *, prune: bool) -> Iterator[Step]:
    """In an order in which each step finds what it needs."""
    zones = {row.name: Zone(row.zone) for row in Deployment.objects.all()}
    zones |= {deployment.name: deployment.spec.zone for deployment in wanted.deployments}
    yield from plan_people(wanted)
    yield from plan_groups(present, wanted)
    yield from plan_deployments(wanted)
    yield from plan_aliases(present, wanted, zones)
    before = {project.slug: project for project in present.projects}
    own, models = _recognizers_of(present, wanted), _models_of(present, wanted)
    yield from plan_recognizers("", *own[""])
    yield from plan_models("", *models[""])
    for project in wanted.projects:
        yield from plan_project(before.get(project.slug), project, zones, prune=prune)
        yield from plan_recognizers(project.slug, *own[project.slug])
        yield from plan_models(project.slug, *models[project.slug])
    yield from _money(present, wanted, prune=prune)
    known = _future_names(present, wanted)
    policy = wanted.organisation.policy
    yield from plan_policy("", present.organisation.policy, policy, known)
    organisation = _read(policy if policy is not None else present.organisation.policy, known)
    for project in wanted.projects:
        had = before.get(project.slug)
        names = known_to_projects(known, organisation)
        yield from plan_policy(
            project.slug, had.policy if had is not None else None, project.policy, names
        )
    for project in wanted.projects:
        had = before.get(project.slug) or ProjectWanted(slug=project.slug, name="")
        yield from plan_exceptions(
            project.slug, had.exceptions or {}, project.exceptions, prune=prune
        )
        yield from plan_shadow(project.slug, had.shadow, project.shadow)
    if prune:
        for slug, (had_here, wanted_here) in own.items():
            yield from plan_removals_of_recognizers(slug, had_here, wanted_here)
            yield from plan_removals_of_models(slug, *models[slug])
    # The switches last: whoever is asked to agree is asked under the rule that held before.
    yield from plan_organisation(present, wanted)


def _money(present: Wanted, wanted: Wanted, *, prune: bool) -> Iterator[Step]:
    """Prices, limits and budgets, once what they are of is there."""
    rows = {deployment.name: deployment for deployment in present.deployments}
    for deployment in wanted.deployments:
        had = rows.get(deployment.name)
        price = had.price if had is not None and not isinstance(had.price, str) else None
        yield from plan_price(deployment.name, price, deployment.price)
        before = had.rate_limits if had is not None else None
        yield from plan_rates("deployment", deployment.name, before, deployment.rate_limits)
    own = present.organisation.budgets or {}
    yield from plan_budgets("", own, wanted.organisation.budgets, prune=prune)
    projects = {project.slug: project for project in present.projects}
    for project in wanted.projects:
        known = projects.get(project.slug)
        limits = known.rate_limits if known is not None else None
        yield from plan_rates("project", project.slug, limits, project.rate_limits)
        budgets = known.budgets if known is not None else None
        yield from plan_budgets(project.slug, budgets or {}, project.budgets, prune=prune)


def _recognizers_of(
    present: Wanted, wanted: Wanted
) -> dict[str, tuple[Recognizers, Recognizers | None]]:
    """What each owner has and what it shall have; the organisation under the empty name."""
    before = {project.slug: project.recognizers or {} for project in present.projects}
    found = {"": (present.organisation.recognizers or {}, wanted.organisation.recognizers)}
    for project in wanted.projects:
        found[project.slug] = (before.get(project.slug, {}), project.recognizers)
    return found


def _models_of(present: Wanted, wanted: Wanted) -> dict[str, tuple[Models, Models | None]]:
    """The same of model recognizers."""
    before = {project.slug: project.model_recognizers or {} for project in present.projects}
    organisation = wanted.organisation.model_recognizers
    found = {"": (present.organisation.model_recognizers or {}, organisation)}
    for project in wanted.projects:
        found[project.slug] = (before.get(project.slug, {}), project.model_recognizers)
    return found


def _left_unasked(present: Wanted, wanted: Wanted) -> Iterator[str]:
    """Models that the file does not mention and keeps from being asked."""
    stay: dict[str, Models] = {"": present.organisation.model_recognizers or {}}
    stay |= {project.slug: project.model_recognizers or {} for project in present.projects}
    for slug, (_, after) in _models_of(present, wanted).items():
        if after is not None:
            stay.pop(slug, None)
    then = {**askable_now(), **askable_then(each.spec for each in wanted.deployments)}
    yield from unaskable(stay, then)


def _future_names(present: Wanted, wanted: Wanted) -> KnownNames:
    known = known_names()
    return replace(
        known,
        deployments=frozenset(known.deployments)
        | {deployment.name for deployment in wanted.deployments},
        aliases=frozenset(known.aliases) | wanted.aliases.keys(),
        groups=frozenset(known.groups or ()) | wanted.groups.keys(),
        # Every data class was checked when the file was read.
        data_classes=None,
    )


def _read(document: object, known: KnownNames) -> PolicyDocument | None:
    return read_for_organisation(document, known) if document is not None else None


@changing()
def apply(
    file: ConfigFile,
    *,
    authority: Authority,
    yes_widen: bool = False,
    prune: bool = False,
    accept_unproven: bool = False,
) -> Plan:
    """Bring the database to the file, in one transaction. Returns what was done.

    The policies that it brings are judged as they will be in effect. Raises ConfigurationError,
    WideningRefused (without `yes_widen`), SecondPersonNeeded, PermissionDenied; then nothing was
    changed.
    """
    require_admin(authority.by)
    plan = diff(file, prune=prune)
    _carry_out(plan, file, authority, yes_widen=yes_widen)
    _require_judged(plan, file, accept_unproven=accept_unproven)
    return plan


@changing()
def apply_at_start(file: ConfigFile, *, authority: Authority) -> Plan | None:
    """Apply the file that the operator named for the start; None when it is the one applied last.

    The file is read and checked in any case. A file that is new is itself the act that widens. A
    file applied before is not applied again, so that a restart does not undo what an admin
    narrowed since; and none ever resumes what was stopped. Raises as `apply` does.
    """
    plan = diff(file)
    if Organisation.load().config_digest == file.digest:
        return None
    kept = tuple(step for step in plan.steps if not step.resumes_egress)
    notes = plan.notes
    if len(kept) < len(plan.steps):
        notes += ("egress stays stopped: only `manage.py egress resume` resumes it",)
    plan = Plan(kept, notes)
    _carry_out(plan, file, authority, yes_widen=True)
    _require_judged(plan, file, accept_unproven=False)
    return plan


def _carry_out(plan: Plan, file: ConfigFile, authority: Authority, *, yes_widen: bool) -> None:
    if plan.widens:
        if not yes_widen:
            raise WideningRefused(plan.widens)
        require_second_person(authority.by, authority.approved_by)
    with proven_later():  # by `_require_judged`, when every step is done
        for step in plan.steps:
            try:
                step.run(authority)
            except (ValidationError, DocumentError, NotPublished, PermissionDenied) as error:
                messages = getattr(error, "messages", None) or [str(error)]
                raise ConfigurationError(
                    [FileProblem(1, 1, f"{step.subject}: {messages[0]}")], file=file.name
                ) from error
    _require_readable_policies(file)
    Organisation.load()
    Organisation.objects.filter(pk=1).update(config_digest=file.digest)
    if plan.steps:
        record_change(
            authority.by,
            EventType.CONFIG_APPLIED,
            "configuration",
            file.digest[:16],
            file_digest=file.digest,
            created=plan.subjects(Verb.CREATE)[:_NAMED_IN_EVENT],
            changed=plan.subjects(Verb.CHANGE)[:_NAMED_IN_EVENT],
            removed=plan.subjects(Verb.REMOVE)[:_NAMED_IN_EVENT],
        )


def _require_judged(plan: Plan, file: ConfigFile, *, accept_unproven: bool) -> None:
    """Refuse what its tests or `never` statements contradict once everything is in place: the
    policies of the file, and the statements of all others, which it may have widened under."""
    problems: list[FileProblem] = []
    told: set[tuple[str, str]] = set()
    for step in plan.steps:
        if step.policy_of is None:
            continue
        project = Project.objects.get(slug=step.policy_of) if step.policy_of else None
        revision = current_revision(project)
        if revision is None:
            continue
        verdict = judge(revision.document, project=project)
        told.update((item.project, item.sentence) for item in verdict.proofs)
        problems += [
            FileProblem(
                1, 1, f"{step.subject}, {problem.pointer}: {problem.sentence}", problem.advice
            )
            for problem in verdict.problems(accept_unproven=accept_unproven)
        ]
    if plan.steps:
        problems += [
            FileProblem(1, 1, in_words(item), "Narrow that policy in this file, too.")
            for item in broken_statements()
            if (item.project, item.sentence) not in told
        ]
    if problems:
        raise ConfigurationError(problems, file=file.name)


def _require_readable_policies(file: ConfigFile) -> None:
    """Policies that the file does not mention may name what it removed."""
    known = known_names()
    rows = list(Policy.objects.filter(current__isnull=False).select_related("current"))
    # An archived project serves nobody; when it comes back, its policy is read again.
    slugs = dict(Project.objects.filter(archived=False).values_list("pk", "slug"))
    documents = {row.project_id: row.current.document for row in rows if row.current is not None}
    where = "the organisation"
    try:
        organisation = _read(documents.get(None), known)
        names = known_to_projects(known, organisation)
        for key, document in documents.items():
            if key in slugs:
                where = f"project {slugs[key]}"
                read_for_project(document, slugs[key], names)
    except DocumentError as error:
        raise ConfigurationError(
            [
                FileProblem(
                    1,
                    1,
                    f"The policy of {where} would not hold any more: {error.problems[0].as_text()}",
                    "Change that policy in this file, too.",
                )
            ],
            file=file.name,
        ) from error
