"""What a policy would do with a text, in effect or as a draft. The text is never stored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from frontend.lens import lens_of
from gateway import runtime
from gateway.accounts.models import Project, User
from gateway.chat.service import principal_of
from gateway.deployments.models import Deployment
from gateway.inference.explain import explain_request
from gateway.protocol.errors import GatewayError
from policies.engine.facts import Endpoint
from policies.services.judging import view_in
from policies.services.overview import named_document
from policies.services.views import read_shared

MAX_TEXT = 20_000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it: the lens (see `frontend.lens`), the rules that matched, or a problem."""

    lens: Mapping[str, Any] | None = None
    matched: frozenset[str] = frozenset()
    problem: str = ""


def try_it(given: Mapping[str, str], *, user: User, project: Project) -> Trial:
    """Decide as if `user` sent the text of the form. Nothing is sent, kept or journalled."""
    text = given.get("text", "")
    if not text.strip():
        return Trial(problem=_("Write a text to try."))
    if len(text) > MAX_TEXT:
        return Trial(problem=_("This is too long to try here: at most 20,000 characters."))
    body = {
        "model": given.get("alias", "") or "auto",
        "messages": [{"role": "user", "content": text}],
    }
    try:
        snapshot, age_s = runtime.gateway().fresh_snapshot()
        draft = named_document(project, "draft") if given.get("against") == "draft" else None
        if draft is not None:
            view = view_in(project, read_shared(list(Deployment.objects.all())), draft)
            snapshot = replace(snapshot, projects={**snapshot.projects, project.slug: view})
        told = explain_request(
            snapshot,
            principal_of(user, project),
            Endpoint.CHAT_COMPLETIONS,
            json.dumps(body).encode(),
            given.get("declare", ""),
            age_s=age_s,
        )
    except GatewayError as error:
        return Trial(problem=error.message)
    except ValueError:
        return Trial(problem=_("The draft cannot be read: check it first."))
    return Trial(lens=lens_of(told), matched=frozenset(told["rules"]))
