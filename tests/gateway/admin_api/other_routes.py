"""The rows of the table of routes and roles that are not about policies: people, tables, money,
deployments."""

from typing import Any

from tests.gateway.admin_api.other_stage import TABLE
from tests.gateway.admin_api.policy_routes import OK, Answers, Route, table

P = "projects/<slug:slug>"
SHEET = f"{P}/sheets/<str:pk>"
Answer = int | str


def inside(
    *,
    admin: Answer,
    auditor: Answer,
    owner: Answer,
    editor: Answer,
    member: Answer,
    project_auditor: Answer = 403,
    key: Answer = 403,
    there: Answer = OK,
    refused: Answer = 404,
) -> Answers:
    """Of a project's own things: nobody from outside sees that it exists. `auditor`: the
    organisation's. `there`: what the foreign project's owner gets in it. `refused`: what people
    get of a foreign project; a key's is always 404."""
    return table(
        admin=(admin, admin),
        organisation_auditor=(auditor, auditor),
        approver=(refused, refused),
        owner=(owner, refused),
        editor=(editor, refused),
        member=(member, refused),
        project_auditor=(project_auditor, refused),
        outsider=(refused, there),
        stranger=(refused, refused),
        key=(key, 404),
    )


def above(
    *, admin: Answer, approver: Answer = 403, auditor: Answer = 403, others: Answer = 403
) -> Answers:
    """Of the organisation's things, whichever project somebody belongs to."""
    everybody = ("owner", "editor", "member", "project_auditor", "outsider", "stranger", "key")
    return table(
        admin=(admin, admin),
        approver=(approver, approver),
        organisation_auditor=(auditor, auditor),
        **dict.fromkeys(everybody, (others, others)),
    )


SEEN = inside(admin=OK, auditor=OK, owner=OK, editor=OK, member=OK, project_auditor=OK, key=OK)
OWNED = inside(admin=OK, auditor=403, owner=OK, editor=403, member=403)
# An admin is nobody's last owner, and takes no project its last one.
UNSEATED = OWNED | {"admin": (OK, 400), "outsider": (404, 400)}
NEW_KEY = inside(
    admin=400, auditor=400, owner=OK, editor=OK, member=OK, project_auditor=400, key=403
)
END_KEY = inside(admin=OK, auditor=404, owner=OK, editor=OK, member=OK, project_auditor=404, key=OK)
ROTATE = inside(admin=403, auditor=404, owner=403, editor=403, member=OK, project_auditor=404)


def tables(worked_on: Answer, *, its_makers_alone: bool = False) -> Answers:
    """Tables are for members, admins included only as such; some acts for who made one."""
    others = 403 if its_makers_alone else worked_on
    return inside(
        admin=403,
        auditor=403,
        owner=others,
        editor=others,
        member=worked_on,
        key=others,
        there=worked_on,
    )


GRANT = inside(admin=OK, auditor=403, owner=OK, editor=OK, member=403, key=OK)
USAGE = inside(
    admin=OK, auditor=OK, owner=OK, editor=OK, member=OK, project_auditor=OK, key=OK, refused=403
)
MONEY = inside(admin=OK, auditor=OK, owner=OK, editor=OK, member=OK, key=OK)
LIMITS = inside(admin=OK, auditor=403, owner=403, editor=403, member=403, there=403)
AUDITED = inside(
    admin=OK, auditor=OK, owner=OK, editor=403, member=403, project_auditor=OK, refused=403
)
LOOK = above(admin=OK, approver=OK, auditor=OK)
CHANGE = above(admin=OK)
# The change that waits is the admin's own.
AGREE = above(admin=403, approver=OK)
NEW = {
    "base_url": "https://vendor.example/v1",
    "model": "big-1",
    "zone": "cloud",
    "clearance": {"sensitivity": "internal", "categories": ["code"]},
    "enabled": True,
}
BUDGET = {"amount_usd": "10.50", "period": "month", "scope": "member"}


def of_project(more: dict[str, Any]) -> Any:
    return lambda fields: {**more, "project": fields["slug"]}


def always(body: Any) -> Any:
    return lambda fields: body


def sheet(method: str, tail: str, answers: Answers, body: Any = None) -> Route:
    return Route(
        method=method,
        pattern=f"{SHEET}{tail}",
        path=f"{P}/sheets/{{sheet}}{tail}",
        answers=answers,
        body=None if body is None else always(body),
    )


OTHERS: tuple[Route, ...] = (
    Route(method="GET", pattern=f"{P}/members", answers=SEEN),
    Route(
        method="PUT",
        pattern=f"{P}/members/<str:email>",
        path=f"{P}/members/eve@elsewhere.example",
        answers=OWNED,
        body=always({"role": "member"}),
    ),
    Route(
        method="DELETE",
        pattern=f"{P}/members/<str:email>",
        path=f"{P}/members/{{member}}",
        answers=UNSEATED,
    ),
    Route(method="GET", pattern=f"{P}/keys", answers=SEEN),
    Route(method="POST", pattern=f"{P}/keys", answers=NEW_KEY, body=always({"name": "mine"})),
    Route(
        method="DELETE",
        pattern=f"{P}/keys/<slug:prefix>",
        path=f"{P}/keys/{{key}}",
        answers=END_KEY,
    ),
    Route(
        method="POST",
        pattern=f"{P}/keys/<slug:prefix>/rotate",
        path=f"{P}/keys/{{key}}/rotate",
        answers=ROTATE,
        body=always({"overlap_hours": 1}),
    ),
    Route(method="GET", pattern=f"{P}/invitations", answers=OWNED),
    Route(
        method="POST",
        pattern=f"{P}/invitations",
        answers=OWNED,
        body=always({"email": "x@research.example"}),
    ),
    Route(
        method="DELETE",
        pattern=f"{P}/invitations/<uuid:pk>",
        path=f"{P}/invitations/{{invitation}}",
        answers=OWNED,
    ),
    Route(method="GET", pattern=f"{P}/sheets", answers=tables(OK)),
    Route(
        method="POST",
        pattern=f"{P}/sheets",
        path=f"{P}/sheets?name=b.csv",
        answers=tables(OK),
        body=always(TABLE),
    ),
    sheet("GET", "", tables(OK)),
    sheet("DELETE", "", tables(OK, its_makers_alone=True)),
    sheet(
        "PUT",
        "/setup",
        tables(OK, its_makers_alone=True),
        {"model": "auto", "template": "{{text}}"},
    ),
    sheet("GET", "/preview", tables(409)),
    sheet("POST", "/estimate", tables(409, its_makers_alone=True), {}),
    sheet("POST", "/run", tables(409), {}),
    sheet("POST", "/pause", tables(409), {}),
    sheet("POST", "/cancel", tables(OK), {}),
    sheet("POST", "/retry", tables(409), {}),
    sheet("GET", "/download", tables(409)),
    Route(method="GET", pattern="deployments", answers=LOOK),
    Route(method="GET", pattern="deployments/<slug:name>", path="deployments/claude", answers=LOOK),
    Route(
        method="PUT",
        pattern="deployments/<slug:name>",
        path="deployments/new-one",
        answers=CHANGE,
        body=always(NEW),
    ),
    Route(
        method="DELETE",
        pattern="deployments/<slug:name>",
        path="deployments/claude",
        answers=above(admin=400),
    ),
    Route(
        method="POST",
        pattern="deployments/<slug:name>/test",
        path="deployments/llama/test",
        answers=CHANGE,
        body=always({}),
    ),
    Route(method="GET", pattern="deployment-changes", answers=LOOK),
    *(
        Route(
            method="POST",
            pattern=f"deployment-changes/<uuid:key>/{act}",
            path=f"deployment-changes/{{change}}/{act}",
            answers=answers,
            body=always({}),
        )
        for act, answers in (("approve", AGREE), ("reject", AGREE), ("withdraw", CHANGE))
    ),
    Route(method="GET", pattern="aliases", answers=LOOK),
    Route(
        method="PUT",
        pattern="aliases/<path:name>",
        path="aliases/meta/llama",
        answers=CHANGE,
        body=always({"deployments": ["llama"]}),
    ),
    Route(method="DELETE", pattern="aliases/<path:name>", path="aliases/auto", answers=CHANGE),
    *(
        Route(
            method=method,
            pattern=f"{P}/grants/<slug:deployment>",
            path=f"{P}/grants/claude",
            answers=GRANT,
        )
        for method in ("PUT", "DELETE")
    ),
    Route(
        method="GET", pattern="audit/events", path="audit/events?project={slug}", answers=AUDITED
    ),
    Route(
        method="GET",
        pattern="audit/events.<str:suffix>",
        path="audit/events.csv?project={slug}",
        answers=AUDITED,
    ),
    Route(method="GET", pattern="usage", path="usage?project={slug}", answers=USAGE),
    Route(method="GET", pattern="usage.csv", path="usage.csv?project={slug}", answers=USAGE),
    Route(method="GET", pattern="usage/<str:decision>", path="usage/{used}", answers=SEEN),
    Route(method="GET", pattern="budgets", path="budgets?project={slug}", answers=MONEY),
    Route(
        method="PUT",
        pattern="budgets/<slug:name>",
        path="budgets/{budget}",
        answers=OWNED,
        body=of_project(BUDGET),
    ),
    Route(
        method="DELETE",
        pattern="budgets/<slug:name>",
        path="budgets/{budget}?project={slug}",
        answers=OWNED,
    ),
    Route(
        method="GET",
        pattern="limits/<str:kind>/<str:name>",
        path="limits/project/{slug}",
        answers=MONEY,
    ),
    Route(
        method="PUT",
        pattern="limits/<str:kind>/<str:name>",
        path="limits/project/{slug}",
        answers=LIMITS,
        body=always({"concurrency": 3}),
    ),
    Route(
        method="GET",
        pattern="prices/<slug:deployment>",
        path="prices/llama",
        answers=above(admin=OK, approver=404, auditor=OK, others=404),
    ),
    Route(
        method="PUT",
        pattern="prices/<slug:deployment>",
        path="prices/llama",
        answers=above(admin=OK, approver=404, auditor=403, others=404),
        body=always({"input": "1"}),
    ),
)
