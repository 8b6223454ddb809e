"""What claims of the identity provider give: groups, roles in projects, an organisation role.

A rule is one line, `value -> group doctors`, `value -> project research editor` or
`value -> organisation admin`; `value` is one entry of the claim (`SLUICE_OIDC_GROUPS_CLAIM`). The
first rule that fits decides what a project or the organisation gives.

INVARIANT: a claim takes away only what a claim gave, and gives a role in the organisation only
where a rule says `organisation`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError

from gateway.accounts.acting import System
from gateway.accounts.entry_models import ClaimGrant
from gateway.accounts.models import Group, Membership, Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services.people import change_user_role, set_group
from gateway.accounts.services.projects import add_member, remove_member

BY: Final = System("oidc")
MOST_RULES: Final = 500
_ARROW: Final = "->"


class Refused(Exception):
    """The provider's word lets nobody in. `reason` is a key of `adapters.WORDS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the claims of one login give."""

    groups: frozenset[str] = frozenset()
    projects: Mapping[str, Role]
    organisation_role: OrganisationRole = OrganisationRole.NONE

    @property
    def anything(self) -> bool:
        """Whether it gives something."""
        return bool(self.groups or self.projects or self.organisation_role != "none")


def read_rules(text: str) -> list[list[str]]:
    """Rules as they are stored: `[value, kind, name, role]`. Raises ValidationError with lines."""
    rules: list[list[str]] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        if not written or written.startswith("#"):
            continue
        rule = _read_rule(written)
        if isinstance(rule, str):
            problems.append(f"Line {number}: {rule}")
        else:
            rules.append(rule)
    if len(rules) > MOST_RULES:
        problems.append(f"At most {MOST_RULES} rules.")
    if problems:
        raise ValidationError(problems)
    return rules


def written(rules: Iterable[Sequence[str]]) -> str:
    """Rules as people write them."""
    return "\n".join(
        f"{value} {_ARROW} {' '.join(word for word in (kind, name, role) if word)}"
        for value, kind, name, role in rules
    )


def _read_rule(line: str) -> list[str] | str:
    """A rule, or what is wrong with the line."""
    value, arrow, gives = (part.strip() for part in line.rpartition(_ARROW))
    if not arrow or not value or len(value) > 200:
        return 'write "value -> group NAME", the value of the claim first.'
    match gives.split():
        case ["group", name]:
            known = Group.objects.filter(slug=name).exists()
            found: list[str] | str = ["group", name, ""]
            found = found if known else f"there is no group {name!r}."
        case ["project", slug, *rest] if len(rest) <= 1:
            found = _read_membership(slug, rest[0] if rest else Role.MEMBER.value)
        case ["organisation", role] if role in {"admin", "approver", "auditor"}:
            found = ["organisation", "", role]
        case _:
            found = "it gives a group NAME, a project NAME ROLE, or organisation ROLE."
    return found if isinstance(found, str) else [value, *found]


def _read_membership(slug: str, role: str) -> list[str] | str:
    if not Project.objects.filter(slug=slug, archived=False).exists():
        return f"there is no project {slug!r}."
    if role not in Role.values:
        return f"{role!r} is no role: use one of {', '.join(Role.values)}."
    return ["project", slug, role]


def values_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """The entries of the claim: a list of texts, or one text."""
    found = claims.get(settings.OPENID_CONNECT.groups_claim)
    if isinstance(found, str):
        return frozenset({found})
    if isinstance(found, list):
        return frozenset(each for each in found if isinstance(each, str))
    return frozenset()


def given_by(rules: Iterable[Sequence[str]], values: frozenset[str]) -> Given:
    """What these values give. Pure."""
    groups: set[str] = set()
    projects: dict[str, Role] = {}
    organisation_role = OrganisationRole.NONE
    for value, kind, name, role in rules:
        if value not in values:
            continue
        if kind == "group":
            groups.add(name)
        elif kind == "project":
            projects.setdefault(name, Role(role))
        elif kind == "organisation" and organisation_role is OrganisationRole.NONE:
            organisation_role = OrganisationRole(role)
    return Given(groups=frozenset(groups), projects=projects, organisation_role=organisation_role)


def apply(user: User, given: Given) -> None:
    """Bring what claims gave `user` to what they give now. In the caller's transaction."""
    _groups(user, given.groups)
    _projects(user, given.projects)
    _organisation_role(user, given.organisation_role)


def _groups(user: User, wanted: frozenset[str]) -> None:
    grants = {
        grant.group.slug: grant
        for grant in ClaimGrant.objects.filter(user=user).select_related("group")
        if grant.group is not None
    }
    for slug, grant in grants.items():
        if slug not in wanted:
            grant.delete()
            _with_members(slug, without=user)
    has = set(user.access_groups.values_list("slug", flat=True))
    for group in Group.objects.filter(slug__in=wanted - has):
        _with_members(group.slug, plus=user)
        ClaimGrant.objects.create(user=user, group=group)


def _with_members(slug: str, *, plus: User | None = None, without: User | None = None) -> None:
    members = [each for each in Group.objects.get(slug=slug).members.all() if each != without]
    set_group(by=BY, slug=slug, members=[*members, *([plus] if plus else [])])


def _projects(user: User, wanted: Mapping[str, Role]) -> None:
    grants = {
        grant.project.slug: grant
        for grant in ClaimGrant.objects.filter(user=user).select_related("project")
        if grant.project is not None
    }
    for slug, grant in grants.items():
        assert grant.project is not None  # noqa: S101 -- taken above
        membership = Membership.objects.filter(project=grant.project, user=user).first()
        if membership is None or membership.role != grant.role:
            grant.delete()  # changed by hand since: no longer the claim's
        elif slug not in wanted:
            grant.delete()
            remove_member(by=BY, project=grant.project, user=user)
        elif wanted[slug].value != grant.role:
            add_member(by=BY, project=grant.project, user=user, role=wanted[slug])
            ClaimGrant.objects.filter(pk=grant.pk).update(role=wanted[slug].value)
    for project in Project.objects.filter(slug__in=wanted, archived=False):
        if Membership.objects.filter(project=project, user=user).exists():
            continue
        role = wanted[project.slug]
        add_member(by=BY, project=project, user=user, role=role)
        ClaimGrant.objects.create(user=user, project=project, role=role.value)


def _organisation_role(user: User, wanted: OrganisationRole) -> None:
    grant = ClaimGrant.objects.filter(user=user, group=None, project=None).first()
    if grant is None and user.organisation_role != OrganisationRole.NONE:
        return  # given by hand
    if grant is not None and user.organisation_role != grant.role:
        grant.delete()  # changed by hand since
        return
    if wanted == user.organisation_role:
        return
    change_user_role(by=BY, user=user, role=wanted)
    if grant is not None:
        grant.delete()
    if wanted != OrganisationRole.NONE:
        ClaimGrant.objects.create(user=user, role=wanted.value)
