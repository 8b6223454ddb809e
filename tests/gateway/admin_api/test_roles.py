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
from pytest_django import Settings

from gateway.admin_api import urls
from tests.gateway.admin_api.other_routes import OTHERS
from tests.gateway.admin_api.other_stage import furnish_more, keep_files_in
from tests.gateway.admin_api.policy_routes import OK, ROUTES, Fields, Route, address
from tests.gateway.admin_api.policy_stage import Stage, make_stage

pytestmark = pytest.mark.django_db
ALL = (*ROUTES, *OTHERS)
JSON = "application/json"
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
def stage(tmp_path: Path, settings: Settings) -> Stage:
    keep_files_in(settings, tmp_path)
    made = make_stage(tmp_path)
    furnish_more(made)
    return made


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    made = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    plain: dict[str, Any] = json.loads(json.dumps(made, default=str))
    return plain


def answer(stage: Stage, who: str, route: Route, fields: Fields) -> Any:
    """What the route answers; whatever it changed is undone."""
    body = route.body(fields) if route.body is not None else b""
    sent, kind = (body, "text/csv") if isinstance(body, bytes) else (json.dumps(body), JSON)
    with transaction.atomic():
        response: Any = stage.client(who).generic(
            route.method, address(route, fields), sent, content_type=kind
        )
        if response.streaming:  # a file: to its end, before what it was made of is undone
            for _ in response.streaming_content:
                pass
        transaction.set_rollback(True)
    return response


# Some stages rather than many: each furnishes two projects.
AREAS = ("organisation", "projects", "")


@pytest.mark.parametrize("area", AREAS, ids=["organisation", "projects", "the rest"])
def test_who_may_do_what(stage: Stage, area: str, schema: dict[str, Any]) -> None:
    wrong = {}
    for route in ALL:
        first = route.pattern.split("/")[0]
        if first == area or (not area and first not in AREAS):
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
        if found and _is_the_same(route, stage):
            return found[0], found[0]
        response = answer(stage, who, route, fields)
        found.append(OK if response.status_code < 300 else response.status_code)
        # Where admins may not, the foreign project's owner may.
        if response.status_code < 300 and who in {"admin", "outsider"}:
            require_form(schema, route, response)
    return found[0], found[1]


def _is_the_same(route: Route, stage: Stage) -> bool:
    """Whether it names no project: what was answered was undone, so it is answered again."""
    asked = [
        (address(route, fields), route.body(fields) if route.body is not None else None)
        for fields in (stage.own, stage.foreign)
    ]
    return asked[0] == asked[1]


def require_form(schema: dict[str, Any], route: Route, response: Any) -> None:
    """Raises unless a success has the form that the schema gives it."""
    path = "/api/" + re.sub(r"<\w+:(\w+)>", r"{\1}", route.pattern)
    # The generator calls a primary key by a name of its own.
    methods = schema["paths"].get(path) or schema["paths"][path.replace("{pk}", "{id}")]
    operation = methods[route.method.lower()]
    promised = operation["responses"].get(str(response.status_code))
    assert promised is not None, f"{route.name} answers {response.status_code}: {response.content}"
    content = promised.get("content", {}).get("application/json")
    if content is None:
        other = promised.get("content", {}).keys()  # a file
        told = response.headers.get("Content-Type", "").partition(";")[0]
        assert told in other or not response.content or route.pattern == "schema"
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
    listed = [(route.method, route.pattern) for route in ALL]
    assert set(listed) == set(api_routes())
    names = [route.name for route in ALL]
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
