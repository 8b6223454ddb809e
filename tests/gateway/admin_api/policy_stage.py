"""Somebody in every role, and two projects that have one of everything a policy can have."""

import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.test import Client
from django.utils import timezone

from gateway.accounts.models import Project, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, create_api_key, create_service_account
from gateway.deployments.services import add_grant
from policies.classification.custom_patterns import CustomRecognizer
from policies.classification.model_recognizers import Asks, Finds, ModelRecognizer
from policies.models import Approval, WaitingException
from policies.services.drafts import save_draft
from policies.services.exceptions import ExceptionWanted, create_exception, rule_sentences
from policies.services.model_recognizers import set_model_recognizer
from policies.services.publications import ask_for_publication
from policies.services.publishing import publish
from policies.services.recognizers import set_recognizer
from policies.services.shadows import start_shadow
from policies.services.word_lists import set_word_list
from tests.policies.services.deciding import decide_for, record
from tests.support.world import SETUP, World, make_world, person, project_with

CODE = "def f(x):\n    return x + 1\n"
ASK = {"id": "ask-first", "when": {"category": "code"}, "then": {"require_approval": True}}
TICKET = CustomRecognizer(
    name="ticket", category="code", patterns=(r"\bTK-\d{5}\b",), must_match=("see TK-12345",)
)


def project_policy(slug: str, *rules: object, **more: object) -> dict[str, Any]:
    return {"kind": "project-policy", "project": slug, "rules": [ASK, *rules], **more}


def organisation_policy(*rules: object, **more: object) -> dict[str, Any]:
    return {"kind": "organisation-policy", "rules": list(rules), **more}


@dataclass(frozen=True)
class Stage:
    """`fields` fill the routes: those of the own project, the foreign one, the organisation."""

    world: World
    clients: dict[str, Client]
    own: dict[str, str]
    foreign: dict[str, str]

    def client(self, who: str) -> Client:
        return self.clients[who]


def names(data_class: str) -> ModelRecognizer:
    """A model recognizer that asks the on_prem deployment."""
    return ModelRecognizer(
        name="names",
        deployment="llama",
        asks=Asks.TOKEN_CLASSIFY,
        labels=("O", "PER"),
        finds=(Finds(data_class=data_class, category="personal", labels=("PER",)),),
    )


def make_stage(directory: Path, *, foreign_too: bool = True) -> Stage:
    """`foreign_too`: whether the foreign project has one of everything, as well."""
    world = make_world()
    foreign, people = project_with("other", olga=Role.OWNER)
    for deployment in (world.local, world.cloud):
        add_grant(by=SETUP, project=foreign, deployment=deployment)
    editor, auditor = person("editor@research.example"), person("auditor@research.example")
    add_member(by=SETUP, project=world.project, user=editor, role=Role.EDITOR)
    add_member(by=SETUP, project=world.project, user=auditor, role=Role.AUDITOR)
    publish(by=SETUP, project=None, document=organisation_policy())
    publish(by=SETUP, project=None, document=organisation_policy(floor="internal"))
    save_draft(by=SETUP, project=None, document=organisation_policy())
    set_recognizer(by=SETUP, project=None, recognizer=TICKET)
    set_model_recognizer(by=SETUP, project=None, recognizer=names("PERSON_ORGANISATION"))
    users: dict[str, User | None] = {
        "nobody": None,
        "stranger": person("eve@elsewhere.example"),
        "admin": world.admin,
        "approver": person("approver@sluice.example", OrganisationRole.APPROVER),
        "organisation auditor": person("auditor@sluice.example", OrganisationRole.AUDITOR),
        "owner": world.owner,
        "editor": editor,
        "member": world.member,
        "project auditor": auditor,
        "outsider": people["olga"],
    }
    clients = {name: Client() for name in users}
    for name, user in users.items():
        if user is not None:
            clients[name].force_login(user)
    clients["editor's key"] = with_key(world.project, editor)
    account = create_service_account(by=SETUP, project=world.project, name="robot")
    clients["service account"] = with_key(world.project, account)
    return Stage(
        world=world,
        clients=clients,
        own=furnish(world.project, world.member, directory, world.owner),
        foreign=furnish(foreign, people["olga"], directory, people["olga"]) if foreign_too else {},
    )


def with_key(project: Project, owner: Any) -> Client:
    key = create_api_key(by=SETUP, project=project, name="k", owner=owner, scopes={"admin"})
    return Client(headers={"authorization": f"Bearer {key.text}"})


def furnish(project: Project, asker: User, directory: Path, owner: User) -> dict[str, str]:
    """One of everything in a project. Returns what routes name."""
    slug = project.slug
    publish(by=SETUP, project=project, document=project_policy(slug))
    publish(by=SETUP, project=project, document=project_policy(slug, floor="internal"))
    save_draft(by=SETUP, project=project, document=project_policy(slug))
    start_shadow(by=SETUP, project=project, document=project_policy(slug))
    set_recognizer(by=SETUP, project=project, recognizer=replace(TICKET, name="badge"))
    set_model_recognizer(by=SETUP, project=project, recognizer=names("PERSON_PROJECT"))
    set_word_list(by=SETUP, project=project, name="codenames", category="legal", words=["Bluebird"])
    decided = decide_for(asker, project, CODE, alias="claude")
    record(directory, asker, project, decided)
    exception = create_exception(
        by=SETUP,
        project=project,
        owner=owner,
        wanted=ExceptionWanted(
            name="trial",
            rules=("project:ask-first",),
            reason="a trial",
            ends_at=timezone.now() + timedelta(days=1),
            aliases=("auto",),
        ),
    )
    waiting = WaitingException.objects.create(
        project=project,
        owner=owner,
        name="more",
        says={"project:ask-first": rule_sentences(project)["project:ask-first"]},
        reason="a trial",
        ends_at=timezone.now() + timedelta(days=1),
        author=f"system:{SETUP.part}",
    )
    pending = ask_for_publication(
        by=SETUP, project=project, document=project_policy(slug, floor="confidential")
    )
    approval = Approval.objects.create(
        project=project,
        digest="0" * 64,
        decision_id="dec_of_another",
        rules=["project:ask-first"],
        alias="claude",
        endpoint="chat.completions",
        sensitivity="internal",
        asked_by=f"user:{uuid.uuid4()}",
    )
    return {
        "slug": slug,
        "exception": str(exception.pk),
        "waiting_exception": str(waiting.pk),
        "publication": str(pending.pk),
        "approval": str(approval.pk),
        "decision": decided.permit.decision_id,
        "email": owner.email,
    }
