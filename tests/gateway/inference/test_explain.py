"""Explanations hold classes and places, never text, and say what nobody looks for."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.inference.contracts import Principal, Snapshot
from gateway.inference.explain import explain_request
from gateway.protocol.errors import InvalidRequest
from policies.classification.analyser import Analyser
from policies.classification.word_lists import WordList
from policies.engine.facts import Endpoint
from tests.gateway.inference.conftest import snapshot

PRINCIPAL = Principal(actor="user:1", project="lab")
CARD = "4111111111111111"


def explained(content: str, *, model: str = "house-first", base: Snapshot | None = None) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    where = base or snapshot("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    return explain_request(where, PRINCIPAL, Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode())


def test_it_names_class_and_place_and_never_the_text() -> None:
    told = explained(f"pay with {CARD}")
    (finding,) = told["findings"]
    assert finding["class"] == "PAYMENT_CARD"
    assert finding["place"] == "/messages/0/content"
    assert (finding["start"], finding["end"]) == (9, 25)
    assert [each["deployment"] for each in told["candidates"]] == ["llama"]
    assert [each["reason"] for each in told["dropped"]] == ["sensitivity"]
    assert CARD not in json.dumps(told)


def test_a_denial_names_the_ways_out() -> None:
    told = explained(CARD, model="vendor")
    assert told["outcome"] == "denied"
    assert [way["change"] for way in told["suggestions"]] == ["mask", "alias"]


def test_categories_that_no_recognizer_finds_are_marked() -> None:
    assert explained("hello")["only_declared"] == ["legal"]


def test_a_word_list_makes_a_category_found() -> None:
    base = snapshot("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    names = WordList(name="matters", category="legal", words=("operation bluebell",))
    view = replace(base.projects["lab"], analyser=Analyser([names]))
    told = explained("about Operation Bluebell", base=replace(base, projects={"lab": view}))
    assert told["only_declared"] == []
    assert told["label"]["categories"] == ["legal"]


def test_a_stopped_egress_and_a_stale_snapshot_show() -> None:
    base = snapshot("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    told = explained("hello", model="vendor", base=replace(base, egress_stopped=True))
    assert [each["reason"] for each in told["dropped"]] == ["egress_stopped"]


def test_what_would_be_refused_anyway_is_refused() -> None:
    base = snapshot("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    with pytest.raises(InvalidRequest):
        explain_request(base, PRINCIPAL, Endpoint.CHAT_COMPLETIONS, b"{")
