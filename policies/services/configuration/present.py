"""What the database has, in the shape of a configuration."""

from collections import defaultdict
from typing import Any

from gateway.accounts.limits import Limits, limits_in
from gateway.accounts.models import (
    APIKey,
    Group,
    Membership,
    Organisation,
    Project,
    ProjectLimits,
    User,
)
from gateway.accounts.roles import Role
from gateway.accounts.services import floor_of
from gateway.deployments.models import AliasTarget, Deployment, Grant, ModelAlias
from gateway.deployments.spec import spec_of
from policies.classification.custom_patterns import CustomRecognizer
from policies.classification.model_recognizers import ModelRecognizer
from policies.engine.labels import DEFAULT_MINIMUMS
from policies.models import CustomRecognizer as RecognizerRow
from policies.models import ModelRecognizer as ModelRecognizerRow
from policies.models import Policy, WordList
from policies.services.configuration.existing import Existing
from policies.services.configuration.model_recognizers import askable_now
from policies.services.configuration.money import Present, Subjects, present_money
from policies.services.configuration.suspensions import exceptions_in_effect
from policies.services.configuration.wanted import (
    DeploymentWanted,
    OrganisationWanted,
    ProjectWanted,
    Wanted,
    WordListWanted,
)
from policies.services.shadows import shadow_documents


def read_present() -> Wanted:
    """The whole control plane but people, keys and service accounts. About a dozen queries.

    Proposals and archived projects are left out. Credentials are not read.
    """
    organisation = Organisation.objects.filter(pk=1).first() or Organisation()
    policies = {
        policy.project_id: policy.current.document
        for policy in Policy.objects.filter(current__isnull=False).select_related("current")
        if policy.current is not None
    }
    groups: dict[str, list[str]] = {group.slug: [] for group in Group.objects.all()}
    members = Group.objects.filter(members__isnull=False).order_by("slug", "members__email")
    for slug, email in members.values_list("slug", "members__email"):
        groups[slug].append(email)
    aliases: dict[str, list[str]] = {alias.name: [] for alias in ModelAlias.objects.order_by("pk")}
    targets = AliasTarget.objects.order_by("alias_id", "position")
    for alias, deployment in targets.values_list("alias__name", "deployment__name"):
        aliases[alias].append(deployment)
    recognizers: defaultdict[Any, dict[str, CustomRecognizer]] = defaultdict(dict)
    for row in RecognizerRow.objects.order_by("name"):
        recognizers[row.project_id][row.name] = row.definition()
    models: defaultdict[Any, dict[str, ModelRecognizer]] = defaultdict(dict)
    for model in ModelRecognizerRow.objects.order_by("name"):
        models[model.project_id][model.name] = model.definition()
    money = present_money()
    return Wanted(
        organisation=OrganisationWanted(
            name=organisation.name,
            egress_stopped=organisation.egress_stopped,
            second_person_for_widening=organisation.second_person_for_widening,
            second_person_for_organisation_policy=(
                organisation.second_person_for_organisation_policy
            ),
            second_person_for_project_policies=organisation.second_person_for_project_policies,
            recognizers=recognizers[None],
            model_recognizers=models[None],
            budgets=money.budgets.get(None, {}),
            policy=policies.get(None),
        ),
        groups={slug: tuple(emails) for slug, emails in groups.items()},
        deployments=tuple(
            DeploymentWanted(
                spec=spec_of(row),
                credential_source=row.credential_source,
                price=money.prices.get(row.pk),
                rate_limits=money.deployments.get(row.pk),
            )
            for row in Deployment.objects.filter(proposed=False).order_by("pk")
        ),
        aliases={name: tuple(names) for name, names in aliases.items()},
        projects=_projects(policies, recognizers, models, money),
    )


def _projects(
    policies: dict[Any, Any],
    recognizers: dict[Any, dict[str, CustomRecognizer]],
    models: dict[Any, dict[str, ModelRecognizer]],
    money: Present,
) -> tuple[ProjectWanted, ...]:
    members: defaultdict[Any, dict[str, Role]] = defaultdict(dict)
    rows = Membership.objects.order_by("user__email")
    for project, email, role in rows.values_list("project_id", "user__email", "role"):
        members[project][email] = Role(role)
    grants: defaultdict[Any, list[str]] = defaultdict(list)
    granted = Grant.objects.order_by("deployment__name")
    for project, name in granted.values_list("project_id", "deployment__name"):
        grants[project].append(name)
    lists: defaultdict[Any, dict[str, WordListWanted]] = defaultdict(dict)
    for row in WordList.objects.order_by("name"):
        lists[row.project_id][row.name] = WordListWanted(
            category=row.category, words=tuple(row.words)
        )
    shadows = shadow_documents()
    limits = {row.project_id: limits_in(row) for row in ProjectLimits.objects.all()}
    return tuple(
        ProjectWanted(
            slug=project.slug,
            name=project.name,
            floor=floor_of(project),
            members=members[project.pk],
            word_lists=lists[project.pk],
            recognizers=recognizers[project.pk],
            model_recognizers=models[project.pk],
            grants=tuple(grants[project.pk]),
            limits=limits.get(project.pk, Limits()),
            exceptions=exceptions_in_effect(project),
            shadow=shadows.get(project.pk),
            rate_limits=money.projects.get(project.pk),
            budgets=money.budgets.get(project.pk, {}),
            policy=policies.get(project.pk),
        )
        for project in Project.objects.filter(archived=False).order_by("created_at", "slug")
    )


def _subjects(present: Wanted) -> dict[str, Subjects]:
    """Whom budgets may name: a project's members and live keys, and everybody."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    rows = APIKey.objects.filter(revoked_at=None).values_list("project__slug", "prefix")
    for slug, prefix in rows:
        keys[slug].append(prefix)
    found = {
        project.slug: Subjects(members=tuple(project.members or ()), keys=keys[project.slug])
        for project in present.projects
    }
    return {"": Subjects(members=tuple(User.objects.values_list("email", flat=True))), **found}


def existing_names(present: Wanted) -> Existing:
    """What stays there whatever a file says."""
    documents = [present.organisation.policy, *(project.policy for project in present.projects)]
    categories = set(DEFAULT_MINIMUMS)
    for document in documents:
        stated = document.get("categories") if document is not None else None
        if isinstance(stated, dict):
            categories.update(stated)
    return Existing(
        deployments=frozenset(Deployment.objects.values_list("name", flat=True)),
        aliases=frozenset(present.aliases),
        groups=frozenset(present.groups),
        word_lists={project.slug: tuple(project.word_lists or ()) for project in present.projects},
        grants={project.slug: project.grants or () for project in present.projects},
        recognizers={
            "": tuple(present.organisation.recognizers or ()),
            **{project.slug: tuple(project.recognizers or ()) for project in present.projects},
        },
        model_recognizers={
            "": present.organisation.model_recognizers or {},
            **{project.slug: project.model_recognizers or {} for project in present.projects},
        },
        askable=askable_now(),
        subjects=_subjects(present),
        organisation=present.organisation.policy,
        categories=frozenset(categories),
    )
