"""The table of routes and roles of the admin API: what each may do, on their own project and on
one of others. `ok`: whatever success the route has."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.gateway.admin_api.policy_stage import organisation_policy, project_policy

Fields = dict[str, str]
Answers = dict[str, tuple[int | str, int | str]]


def table(**rows: tuple[int | str, int | str]) -> Answers:
    """Answers (own, foreign) by role; spaces and apostrophes of the roles are left out."""
    names = {
        "project_auditor": "project auditor",
        "organisation_auditor": "organisation auditor",
        "key": "editor's key",
        "service_account": "service account",
    }
    nobody: Answers = {"nobody": (401, 401), "service account": (403, 403)}
    return nobody | {names.get(name, name): answer for name, answer in rows.items()}


OK = "ok"
EVERYBODY = table(
    **dict.fromkeys(
        ("admin", "approver", "organisation_auditor", "owner", "editor", "member"), (OK, OK)
    ),
    **dict.fromkeys(("project_auditor", "outsider", "stranger", "key"), (OK, OK)),
)
READ = table(
    admin=(OK, OK),
    organisation_auditor=(OK, OK),
    approver=(404, 404),
    owner=(OK, 404),
    editor=(OK, 404),
    member=(OK, 404),
    project_auditor=(OK, 404),
    outsider=(404, OK),
    stranger=(404, 404),
    key=(OK, 404),
)
REPORT = READ | {"member": (403, 404)}
EDIT = REPORT | {"organisation auditor": (403, 403), "project auditor": (403, 404)}
EXPLAIN = EDIT | {"member": (OK, 404)}
# Members ask for their own requests; the one named here is the member's.
ASK = EXPLAIN
ORGANISATION_READ = EVERYBODY | {"stranger": (403, 403), "editor's key": (403, 403)}
ORGANISATION_EDIT: Answers = {
    **{who: (403, 403) for who in EVERYBODY},
    "admin": (OK, OK),
    "nobody": (401, 401),
}
ORGANISATION_REPORT = ORGANISATION_EDIT | {"organisation auditor": (OK, OK)}
# What waits for a second person is seen by who may be one, and by the policy's editors.
SEEN: Answers = EDIT | {
    "approver": (OK, OK),
    "organisation auditor": (404, 404),
    "member": (404, 404),
    "project auditor": (404, 404),
}
AGREE: Answers = SEEN | {
    "owner": (403, 404),
    "editor": (403, 404),
    "outsider": (404, 403),
    "editor's key": (403, 404),
}
WITHDRAW: Answers = SEEN | {"approver": (403, 403)}


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method of one address. `path` and `body` are filled from the stage's fields."""

    method: str
    pattern: str  # as in the URL conf
    answers: Answers
    path: str = ""
    body: Callable[[Fields], Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.method} {self.path or self.pattern}"


def later() -> str:
    return (timezone.now() + timedelta(days=2)).isoformat()


FINDS = {"category": "personal", "labels": ["PER"]}
MODEL = {"deployment": "llama", "asks": "token_classify", "labels": ["O", "PER"]}
RECOGNIZER = {
    "category": "code",
    "patterns": [r"\bTK-\d{6}\b"],
    "must_match": ["see TK-123456"],
}
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def _policy_routes(base: str, read: Answers, edit: Answers, kind: str) -> list[Route]:
    """The routes that the organisation's policy and a project's have alike."""

    def document(fields: Fields) -> dict[str, Any]:
        if kind == "organisation":
            return organisation_policy(floor="confidential")
        return project_policy(fields["slug"], floor="confidential")

    def route(method: str, tail: str, answers: Answers, **more: Any) -> Route:
        pattern = f"{base}/{tail}"
        return Route(method=method, pattern=pattern, answers=answers, **more)

    name = "ticket" if kind == "organisation" else "badge"
    model = "model-recognizers/names"
    return [
        route("GET", "policy", read),
        route("GET", "policy/revisions", read),
        route("GET", "policy/revisions/<int:number>", read, path=f"{base}/policy/revisions/1"),
        route("GET", "policy/diff", read, path=f"{base}/policy/diff?before=1"),
        route("GET", "policy/draft", edit),
        route("PUT", "policy/draft", edit, body=lambda f: {"document": document(f), "version": 1}),
        route("DELETE", "policy/draft", edit, path=f"{base}/policy/draft?version=1"),
        route("POST", "policy/check", edit, body=lambda f: {"document": document(f)}),
        route("POST", "policy/tests", edit, body=lambda f: {}),
        route("POST", "policy/prove", edit, body=lambda f: {}),
        route("POST", "policy/lint", edit, body=lambda f: {}),
        route("POST", "policy/publish", edit, body=lambda f: {"document": document(f), "base": 2}),
        route("POST", "policy/rollback", edit, body=lambda f: {"number": 1}),
        route("GET", "recognizers", edit),
        route("GET", "recognizers/<slug:name>", edit, path=f"{base}/recognizers/{name}"),
        route(
            "PUT",
            "recognizers/<slug:name>",
            edit,
            path=f"{base}/recognizers/{name}",
            body=lambda f: RECOGNIZER,
        ),
        route("DELETE", "recognizers/<slug:name>", edit, path=f"{base}/recognizers/{name}"),
        route("GET", "model-recognizers", read),
        route("GET", "model-recognizers/<slug:name>", read, path=f"{base}/{model}"),
        route(
            "PUT",
            "model-recognizers/<slug:name>",
            edit,
            path=f"{base}/{model}",
            body=lambda f: {**MODEL, "finds": [{**FINDS, "data_class": f"PERSON_{kind.upper()}"}]},
        ),
        route("DELETE", "model-recognizers/<slug:name>", edit, path=f"{base}/{model}"),
    ]


P = "projects/<slug:slug>"
_EXCEPTION = f"{P}/exceptions/{{exception}}"


def exception_body(fields: Fields) -> dict[str, Any]:
    return {
        "name": "second",
        "rules": ["project:ask-first"],
        "owner": fields["email"],
        "reason": "a trial",
        "ends_at": later(),
    }


ROUTES: tuple[Route, ...] = (
    Route(method="GET", pattern="me", answers=EVERYBODY),
    Route(method="GET", pattern="schema", answers=EVERYBODY),
    Route(
        method="POST",
        pattern="policies/explain",
        answers=EXPLAIN,
        body=lambda f: {"project": f["slug"], "request": CHAT},
    ),
    Route(
        method="GET",
        pattern="policies/recipes",
        answers=EDIT,
        path="policies/recipes?project={slug}",
    ),
    Route(
        method="POST",
        pattern="policies/recipes",
        answers=EDIT,
        body=lambda f: {
            "project": f["slug"],
            "recipe": "stays-on-prem",
            "answers": {"what": ["health"]},
        },
    ),
    Route(
        method="GET",
        pattern="policies/recipes",
        answers=ORGANISATION_EDIT,
        path="policies/recipes?project=",
    ),
    Route(
        method="POST",
        pattern="policies/recipes",
        path="policies/recipes?",
        answers=ORGANISATION_EDIT,
        body=lambda f: {"recipe": "stays-on-prem", "answers": {"what": ["health"]}},
    ),
    *_policy_routes("organisation", ORGANISATION_READ, ORGANISATION_EDIT, "organisation"),
    *_policy_routes(P, READ, EDIT, "project"),
    Route(method="GET", pattern=f"{P}/exceptions", answers=READ),
    Route(method="POST", pattern=f"{P}/exceptions", answers=EDIT, body=exception_body),
    Route(method="GET", pattern=f"{P}/exceptions/<uuid:key>", answers=READ, path=_EXCEPTION),
    Route(method="DELETE", pattern=f"{P}/exceptions/<uuid:key>", answers=EDIT, path=_EXCEPTION),
    Route(method="GET", pattern=f"{P}/shadow", answers=READ),
    Route(method="PUT", pattern=f"{P}/shadow", answers=EDIT, body=lambda f: {"revision": 1}),
    Route(method="DELETE", pattern=f"{P}/shadow", answers=EDIT),
    Route(method="GET", pattern=f"{P}/shadow/results", answers=REPORT),
    Route(method="GET", pattern="organisation/shadow/results", answers=ORGANISATION_REPORT),
    Route(method="GET", pattern=f"{P}/word-lists", answers=READ),
    Route(
        method="GET",
        pattern=f"{P}/word-lists/<slug:name>",
        answers=EDIT,
        path=f"{P}/word-lists/codenames",
    ),
    Route(
        method="PUT",
        pattern=f"{P}/word-lists/<slug:name>",
        answers=EDIT,
        path=f"{P}/word-lists/codenames",
        body=lambda f: {"category": "legal", "words": ["Kingfisher"]},
    ),
    Route(
        method="DELETE",
        pattern=f"{P}/word-lists/<slug:name>",
        answers=EDIT,
        path=f"{P}/word-lists/codenames",
    ),
    Route(method="GET", pattern="publications", answers=EVERYBODY),
    *(
        Route(
            method=method,
            pattern=f"publications/<uuid:key>{tail}",
            answers=answers,
            path=f"publications/{{publication}}{tail}",
            body=(lambda f: {}) if method == "POST" else None,
        )
        for method, tail, answers in (
            ("GET", "", SEEN),
            ("POST", "/approve", AGREE),
            ("POST", "/reject", AGREE),
            ("POST", "/withdraw", WITHDRAW),
        )
    ),
    Route(method="GET", pattern="exceptions/waiting", answers=EVERYBODY),
    *(
        Route(
            method=method,
            pattern=f"exceptions/waiting/<uuid:key>{tail}",
            answers=answers,
            path=f"exceptions/waiting/{{waiting_exception}}{tail}",
            body=(lambda f: {}) if method == "POST" else None,
        )
        for method, tail, answers in (
            ("GET", "", SEEN),
            ("POST", "/approve", AGREE),
            ("POST", "/reject", AGREE),
            ("POST", "/withdraw", WITHDRAW),
        )
    ),
    Route(method="GET", pattern="approvals", answers=EVERYBODY),
    Route(
        method="POST",
        pattern="approvals",
        answers=ASK,
        body=lambda f: {"project": f["slug"], "decision": f["decision"]},
    ),
    *(
        Route(
            method=method,
            pattern=f"approvals/<uuid:key>{tail}",
            answers=SEEN,
            path=f"approvals/{{approval}}{tail}",
            body=(lambda f: {}) if method == "POST" else None,
        )
        for method, tail in (("GET", ""), ("POST", "/grant"), ("POST", "/refuse"))
    ),
)


def address(route: Route, fields: Fields) -> str:
    """Where the route is for these fields."""
    path = (route.path or route.pattern).replace("<slug:slug>", fields["slug"])
    for name, value in fields.items():
        path = path.replace("{" + name + "}", value)
    return f"/api/{path}"
