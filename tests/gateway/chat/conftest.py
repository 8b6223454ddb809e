"""A project with two members, one of another project, and a conversation of the first."""

from dataclasses import dataclass

import pytest
from pytest_django import Settings

from gateway.accounts.acting import System
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from gateway.accounts.services import people, projects
from gateway.chat.conversations import Wanted, create_conversation
from gateway.chat.messages import Exchange, ask, finish
from gateway.chat.models import Conversation, State
from gateway.chat.receipts import Receipt
from gateway.chat.sealing import Seal

BY = System("test")
SECRET = "the quick brown heron counts her fish"


@dataclass(frozen=True)
class Lab:
    project: Project
    other: Project
    ada: User
    ben: User
    eve: User  # of the other project

    def conversation(self, **wanted: object) -> Conversation:
        wanted = {"model": "auto", "title": SECRET, **wanted}
        return create_conversation(self.ada, self.project, Wanted(**wanted))  # type: ignore[arg-type]

    def said(
        self,
        conversation: Conversation,
        question: str,
        answer: str = "An answer.",
        *,
        parent: int | None = None,
        state: State = State.DONE,
        by: User | None = None,
    ) -> Exchange:
        exchange = ask(by or self.ada, conversation.pk, question, model="auto", parent=parent)
        finish(
            exchange.reply.pk,
            Seal(conversation),
            state=state,
            text=answer,
            receipt=Receipt(),
            passes_on={},
        )
        return exchange


@pytest.fixture
def lab(db: None, settings: Settings) -> Lab:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    project = projects.create_project(by=BY, slug="lab", name="Lab")
    other = projects.create_project(by=BY, slug="other", name="Other")
    users = [
        people.create_user(by=BY, email=f"{name}@example.org", password="a long pass phrase")
        for name in ("ada", "ben", "eve")
    ]
    for user, where in zip(users, (project, project, other), strict=True):
        projects.add_member(by=BY, project=where, user=user, role=Role.MEMBER)
    return Lab(project, other, *users)
