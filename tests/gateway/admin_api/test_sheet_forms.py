"""What the routes of spreadsheets answer has the form that the OpenAPI schema promises."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # has no stubs
import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from gateway.batches.sheets.estimating import estimate
from tests.gateway.admin_api.test_sheets import JSON, SETUP_BODY, logged_in, places, uploaded, world
from tests.support.world import World

__all__ = ["places", "world"]  # fixtures
pytestmark = pytest.mark.django_db
SHEETS = "/api/projects/{slug}/sheets"


class Promises:
    """Asks, and holds each answer against the schema."""

    def __init__(self, client: Client) -> None:
        generator = SchemaGenerator()  # type: ignore[no-untyped-call]
        made = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        self._schema = json.loads(json.dumps(made, default=str))
        self._client = client

    def ask(self, method: str, path: str, pk: str = "", body: object = None) -> Any:
        address = f"{SHEETS}{path}".format(slug="research", id=pk)
        response = self._client.generic(
            method, address, json.dumps(body) if body is not None else "", content_type=JSON
        )
        operation = self._schema["paths"][f"{SHEETS}{path}".partition("?")[0]][method.lower()]
        promised = operation["responses"][str(response.status_code)]["content"]["application/json"]
        whole = {**promised["schema"], "components": self._schema["components"]}
        jsonschema.Draft202012Validator(whole).validate(response.json())
        if body is not None:
            taken = operation["requestBody"]["content"]["application/json"]["schema"]
            taken = {**taken, "components": self._schema["components"]}
            jsonschema.Draft202012Validator(taken).validate(body)
        return response.json()


def test_every_answer_has_the_promised_form(world: World) -> None:
    client = logged_in(world.member)
    pk = uploaded(client).json()["id"]
    promises = Promises(client)
    assert promises.ask("GET", "/{id}", pk)["estimate"] is None
    setup: dict[str, Any] = {
        **SETUP_BODY,
        "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
    }
    setup |= {"examples": {"rows": [1], "answer": "id"}, "max_tokens": 5}
    assert promises.ask("PUT", "/{id}/setup", pk, setup)["answer_columns"] == ["a"]
    assert len(promises.ask("GET", "/{id}/preview", pk)["data"]) == 1
    promises.ask("POST", "/{id}/estimate", pk)
    assert estimate(pk, process="test")
    found = promises.ask("GET", "/{id}", pk)
    assert (found["status"], found["estimate"]["rows"]) == ("ready", 1)
    assert promises.ask("GET", "")["data"]
    assert promises.ask("POST", "/{id}/run", pk, {"notify": True})["status"] == "running"
    assert promises.ask("POST", "/{id}/pause", pk)["status"] == "pausing"
    assert promises.ask("POST", "/{id}/cancel", pk)["status"] == "cancelling"
