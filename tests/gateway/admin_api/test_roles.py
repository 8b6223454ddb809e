"""Every route of `/api` for every role, on their own project and on one of others: one table.

What succeeds also has the form that the OpenAPI schema promises.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no stubs
import pytest
from django.conf import settings
from django.db import transaction
from django.urls import URLPattern, get_resolver
from drf_spectacular.generators import SchemaGenerator

from gateway.admin_api import urls
from tests.gateway.admin_api.policy_routes import OK, ROUTES, Fields, Route, address
from tests.gateway.admin_api.policy_stage import Stage, make_stage

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return make_stage(tmp_path)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    made = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    plain: dict[str, Any] = json.loads(json.dumps(made, default=str))
    return plain


def answer(stage: Stage, who: str, route: Route, fields: Fields) -> Any:
    """What the route answers; whatever it changed is undone."""
    data = json.dumps(route.body(fields)) if route.body is not None else ""
    with transaction.atomic():
        response = stage.client(who).generic(
            route.method, address(route, fields), data, content_type="application/json"
        )
        transaction.set_rollback(True)
    return response


# These have tables of their own: in test_sheets.py, for what a sheet's maker may do others may
# not; and in test_money.py.
ELSEWHERE = (
    *(f"projects/<slug:slug>/{name}" for name in ("sheets", "members", "keys", "invitations")),
    *("usage", "budgets", "limits", "prices"),
    *("projects/<slug:slug>/grants", "deployment", "aliases"),
)
AREAS = sorted({route.pattern.split("/")[0] for route in ROUTES})


@pytest.mark.parametrize("area", AREAS)
def test_who_may_do_what(stage: Stage, area: str, schema: dict[str, Any]) -> None:
    wrong = {}
    for route in ROUTES:
        if route.pattern.split("/")[0] == area:
            assert route.answers.keys() == stage.clients.keys()
            found = {who: answers(stage, who, route, schema) for who in route.answers}
            wrong[route.name] = {
                who: f"{answer}, not {route.answers[who]}"
                for who, answer in found.items()
                if answer != route.answers[who]
            }
    assert not any(wrong.values()), {name: found for name, found in wrong.items() if found}


def answers(
    stage: Stage, who: str, route: Route, schema: dict[str, Any]
) -> tuple[int | str, int | str]:
    """What the route answers on one's own project and on a foreign one."""
    found: list[int | str] = []
    for fields in (stage.own, stage.foreign):
        response = answer(stage, who, route, fields)
        found.append(OK if response.status_code < 300 else response.status_code)
        if who == "admin":
            require_form(schema, route, response)
    return found[0], found[1]


def require_form(schema: dict[str, Any], route: Route, response: Any) -> None:
    """Raises unless a success has the form that the schema gives it."""
    path = "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route.pattern)
    operation = schema["paths"][path][route.method.lower()]
    promised = operation["responses"].get(str(response.status_code))
    assert promised is not None, f"{route.name} answers {response.status_code}: {response.content}"
    content = promised.get("content", {}).get("application/json")
    if content is None:
        assert not response.content or route.pattern == "schema"
        return
    whole = {**content["schema"], "components": schema["components"]}
    jsonschema.Draft202012Validator(whole).validate(response.json())


def api_routes(patterns: Any = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns if patterns is not None else urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = pattern.callback.cls  # type: ignore[attr-defined]
        for method in METHODS:
            if method in vars(view) or any(method in vars(base) for base in view.__mro__[1:3]):
                yield method.upper(), f"{prefix}{pattern.pattern}"


def test_every_route_stands_in_the_table_and_nothing_else_does() -> None:
    listed = [(route.method, route.pattern) for route in ROUTES]
    there = [each for each in api_routes() if not each[1].startswith(ELSEWHERE)]
    assert set(listed) == set(there)
    names = [route.name for route in ROUTES]
    assert sorted(names) == sorted(set(names))
    # And all of /api is in that one list.
    under_api = [item for item in get_resolver().url_patterns if str(item.pattern) == "api/"]
    assert [item.url_patterns for item in under_api] == [urls.urlpatterns]  # type: ignore[union-attr]


def test_every_route_stands_in_the_list_of_interfaces() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "interfaces.md").read_text()
    listed = set()
    for methods, path in re.findall(r"^\| `([A-Z ]+) (/api/[^`]*)`", text, re.MULTILINE):
        listed |= {(method, path) for method in methods.split()}
    there = {
        (method, "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", pattern))
        for method, pattern in api_routes()
    }
    assert listed == there
