"""Two changes at once: what one checked is still true when it writes."""

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import change_user_role, create_project
from gateway.audit.models import AuditEvent
from tests.support.world import SETUP, person

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(acts: list[Callable[[], object]]) -> list[bool]:
    """Run each in a thread of its own; whether it was accepted."""
    begin = threading.Barrier(len(acts))
    accepted = [False] * len(acts)

    def run(place: int) -> None:
        try:
            begin.wait()
            acts[place]()
            accepted[place] = True
        except ValidationError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return accepted


def test_two_admins_do_not_demote_each_other_at_once() -> None:
    admins = [
        person(f"{name}@sluice.example", OrganisationRole.ADMIN) for name in ("ada", "bob", "eve")
    ]

    def demotion(user: User) -> Callable[[], object]:
        return lambda: change_user_role(by=SETUP, user=user, role=OrganisationRole.NONE)

    accepted = at_once([demotion(user) for user in admins])
    assert sum(accepted) == 2
    assert User.objects.filter(organisation_role=OrganisationRole.ADMIN).count() == 1


def test_a_name_is_given_once() -> None:
    accepted = at_once([lambda: create_project(by=SETUP, slug="a")] * 4)
    assert sum(accepted) == 1
    assert Project.objects.count() == 1
    assert AuditEvent.objects.filter(type="project.created").count() == 1
