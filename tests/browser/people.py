"""More than one person in one house."""

from tests.support.sluice import Sluice

PASSWORD = "a long enough pass phrase"
_MAKE = """
from gateway.accounts.acting import System
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services import people, projects
by = System("console")
user = User.objects.filter(email="{email}").first()
if user is None:
    user = people.create_user(by=by, email="{email}", password="{password}")
for slug in {slugs!r}:
    project = Project.objects.get(slug=slug)
    if not project.memberships.filter(user=user).exists():
        projects.add_member(by=by, project=project, user=user, role=Role.MEMBER)
"""


def person(sluice: Sluice, name: str, *projects: str) -> str:
    """Somebody who may sign in, a member of `projects`; returns the address."""
    email = f"{name}@example.org"
    script = _MAKE.format(email=email, password=PASSWORD, slugs=list(projects))
    sluice.manage("shell", "-c", script)
    return email
