"""Whoever works on the command line. They hold the database and its keys, so they may do all."""

from django.core.management.base import CommandError

from gateway.accounts.acting import Acting, System
from gateway.accounts.models import Project, User, normalise_email

CONSOLE = System("console")


def acting(email: str | None) -> Acting:
    """The person whom a command names with `--by`, or the console itself."""
    return person(email) if email else CONSOLE


def person(email: str) -> User:
    """The account with this address. Raises CommandError when there is none."""
    found = User.objects.filter(email=normalise_email(email)).first()
    if found is None:
        raise CommandError(f"nobody has the e-mail address {email}")
    return found


def project(slug: str) -> Project:
    """The project with this slug, archived or not. Raises CommandError when there is none."""
    found = Project.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"there is no project {slug}; known are: {known}")
    return found
