"""People, a project of theirs and one of others. No gateway runs here: what would send refuses."""

from dataclasses import dataclass

import pytest
from django.test import Client
from pytest_django import Settings

from gateway.accounts.acting import System
from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import people, projects

PASSWORD = "a long enough pass phrase"
BY = System("test")


@dataclass(frozen=True)
class House:
    """Two projects; `people` by what they are in `lab`."""

    lab: Project
    other: Project
    people: dict[str, User]


def person(name: str, organisation_role: OrganisationRole = OrganisationRole.NONE) -> User:
    return people.create_user(
        by=BY, email=f"{name}@example.org", password=PASSWORD, role=organisation_role
    )


@pytest.fixture
def house(db: None, settings: Settings) -> House:
    # Hashing eight passwords for each test would take most of its time.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    lab = projects.create_project(by=BY, slug="lab", name="Lab")
    other = projects.create_project(by=BY, slug="other", name="Other")
    found = {role.value: person(role.value) for role in Role}
    for role, user in zip(Role, found.values(), strict=True):
        projects.add_member(by=BY, project=lab, user=user, role=role)
    found["stranger"] = person("stranger")
    projects.add_member(by=BY, project=other, user=found["stranger"], role=Role.OWNER)
    found["nobody"] = person("nobody")
    found["admin"] = person("admin", OrganisationRole.ADMIN)
    return House(lab, other, found)


@pytest.fixture
def signed_in(house: House) -> "SignIn":
    return SignIn(house)


class SignIn:
    """A browser of one of the house's people."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __call__(self, name: str, *, enforce_csrf_checks: bool = False) -> Client:
        client = Client(enforce_csrf_checks=enforce_csrf_checks)
        client.force_login(self._house.people[name])
        return client
