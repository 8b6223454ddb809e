"""Every page of the frontend, and what each role gets there: one table for all addresses.

A page that is missing here fails the test, so that nobody adds one without saying whom it is for.
"""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Final

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse
from pytest_django import Settings

from frontend.urls import urlpatterns
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import create_api_key, create_service_account, invite
from gateway.batches.sheets.models import Sheet
from gateway.chat.conversations import Wanted, create_conversation
from gateway.chat.messages import ask
from gateway.chat.prompts import Content, save_prompt
from gateway.chat.sharing import create_link
from gateway.deployments.services import add_grant, create_deployment, set_alias
from tests.frontend.audit_rows import load_requests
from tests.frontend.conftest import BY, House, SignIn, person
from tests.frontend.test_batches import upload
from tests.support.world import cloud_spec, local_spec

TABLE: Final = Path(__file__).with_name("role_table.txt")
WHO: Final = (
    *("owner", "editor", "member", "auditor"),
    *("admin", "org-auditor", "org-approver", "stranger", "nobody", "signed-out"),
)


def table() -> dict[str, list[str]]:
    """What each page answers each person, in the order of WHO, by the page's name."""
    lines = [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    assert tuple(lines[0].split()) == WHO
    return {name: answers for name, *answers in (line.split() for line in lines[1:])}


@pytest.fixture
def places(house: House, settings: Settings, tmp_path: Path) -> dict[str, str]:
    """One of everything, of the member and the project `lab`; by the names of addresses."""
    settings.INCOMING_DIR = tmp_path / "incoming"
    settings.STORAGES = settings.STORAGES | {
        "files": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files"},
        }
    }
    load_requests(house, tmp_path / "journal")
    rows = [create_deployment(by=BY, spec=spec) for spec in (cloud_spec(), local_spec())]
    for row in rows:
        add_grant(by=BY, project=house.lab, deployment=row)
    set_alias(by=BY, name="auto", deployments=rows)
    member = house.people["member"]
    key = create_api_key(by=member, project=house.lab, name="notebook", owner=member).key
    create_service_account(by=BY, project=house.lab, name="robot")
    talk = create_conversation(member, house.lab, Wanted(model="auto", title="Herons"))
    said = ask(member, talk.pk, "How many?", model="auto")
    asked = invite(by=BY, email="new@example.org", project=house.lab)
    link = create_link(member, talk.pk, days=7)
    prompt = save_prompt(member, house.lab, Content(title="P", text="x"), shared=False)
    for role in (OrganisationRole.AUDITOR, OrganisationRole.APPROVER):
        house.people[f"org-{role.value}"] = person(f"org-{role.value}", role)
    sheet = upload(SignIn(house)("member")).split("/")[-2]
    assert Sheet.objects.get().pk == sheet
    return (
        {
            "slug": "lab",
            "name": rows[0].name,
            "cid": talk.pk,
            "mid": str(said.reply.pk),
            "link": str(link.id),
            "pid": str(prompt),
            "aid": "a00",
            "account": "robot",
            "decision_id": "dec_1",
            "format": "csv",
            "word": "csv",
            "provider_id": "none",
            "secret": link.secret,
        }
        | {"key": str(key.pk), "person": str(member.pk), "sheet": sheet}
        | {
            "invitation": str(asked.invitation.pk),
            "asked": asked.secret,
        }
    )


# Which of several things of one kind of name an address is about.
PK: Final = {"batch": "sheet", "key": "key", "invitation": "invitation"}


def address(pattern: URLPattern, places: dict[str, str]) -> str:
    given = dict(places)
    route = str(pattern.name)
    kind = next((PK[part] for part in route.split("-") if part in PK), "person")
    given["pk"] = places[kind]
    if route == "alias":
        given["name"] = "auto"
    if route == "invitation":
        given["secret"] = places["asked"]
    if route == "export":
        given["format"] = "md"
    return reverse(route, kwargs={name: given[name] for name in pattern.pattern.converters})


def answers(path: str, clients: dict[str, Client]) -> Iterator[str]:
    """`200/405`: what each gets by GET and, by an empty form, by POST. Nothing of it stays."""
    for who in reversed(WHO):
        found = []
        for method in ("get", "post"):
            client, cookies = clients[who], deepcopy(clients[who].cookies)
            with transaction.atomic():
                found.append(str(getattr(client, method)(path).status_code))
                transaction.set_rollback(True)
            client.cookies = cookies
        yield "/".join(found)


@pytest.mark.slow
def test_every_page_is_for_whom_the_table_says(
    house: House, signed_in: SignIn, places: dict[str, str]
) -> None:
    clients = {who: Client() if who == "signed-out" else signed_in(who) for who in WHO}
    found = {
        str(pattern.name): list(answers(address(pattern, places), clients))[::-1]
        for pattern in urlpatterns
    }
    assert found == table()


def test_every_page_is_in_the_table_once() -> None:
    names = [str(pattern.name) for pattern in urlpatterns]
    assert sorted(names) == sorted(table())
