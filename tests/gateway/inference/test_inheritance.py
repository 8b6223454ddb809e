"""Rule 7: what a request passes on to what is made of it, and what it inherits."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.inference.exchange import Inbound
from gateway.protocol.errors import GatewayError
from policies.engine.labels import PUBLIC, Label, Sensitivity, Taxonomy
from tests.gateway.inference.conftest import House
from tests.gateway.inference.scenario import drain, play
from tests.gateway.providers.fault_server import FaultServer

WORST = Taxonomy().worst
HEALTH = Label(Sensitivity.RESTRICTED, frozenset({"health"}))
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def said(content: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "house-first", "messages": [{"role": "user", "content": content}], **fields}


def ask(house: House, body: dict[str, Any], **fields: Any) -> Inbound:
    return replace(house.inbound(body), **fields)


def passed_on(house: House, *requests: Inbound) -> list[Label]:
    """What the replies to the requests pass on."""
    found: list[Label] = []

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        for request in requests:
            reply = await house.gateway.run(request)
            found.append(reply.passes_on)
            await drain(reply)

    play(house, scenario)
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_declared_is_passed_on_and_what_was_found_is_not(
    house: House, stream: bool
) -> None:
    body = said("my IBAN is DE89 3704 0044 0532 0130 00", stream=stream)
    assert passed_on(house, ask(house, body), ask(house, body, declared="legal")) == [
        PUBLIC,
        Label(Sensitivity.CONFIDENTIAL, frozenset({"legal"})),
    ]


def test_a_declaration_in_the_body_is_passed_on(house: House) -> None:
    body = said("hello", metadata={"sluice_declare": "health"})
    assert passed_on(house, ask(house, body)) == [HEALTH]


def test_an_image_is_passed_on_as_the_worst(house: House) -> None:
    body = said([{"type": "text", "text": "what is this?"}, IMAGE])
    assert passed_on(house, ask(house, body)) == [WORST]


def test_the_floor_of_a_key_is_passed_on_to_those_who_have_another(house: House) -> None:
    principal = replace(house.principal, floor=HEALTH)
    assert passed_on(house, ask(house, said("hello"), principal=principal)) == [HEALTH]


def test_what_is_inherited_is_passed_on_joined_with_what_comes_new(house: House) -> None:
    request = ask(house, said("hello"), inherited=HEALTH, declared="code")
    assert passed_on(house, request) == [
        Label(Sensitivity.RESTRICTED, frozenset({"health", "code"}))
    ]


def test_a_conversation_keeps_its_label_and_a_branch_from_before_stays_clean(
    house: House,
) -> None:
    """As whoever stores conversations does it: each turn keeps what its reply passed on."""

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        async def turn(parent: Label, **fields: Any) -> tuple[bytes, Label]:
            inbound = ask(house, {**said("go on"), "model": "cloud-first"}, **fields)
            reply = await house.gateway.run(replace(inbound, inherited=parent))
            zone = dict(reply.headers)[b"x-sluice-zone"]
            await drain(reply)
            return zone, reply.passes_on

        zone, first = await turn(PUBLIC)
        assert zone == b"cloud"
        zone, second = await turn(first, declared="health")
        assert zone == b"on_prem"
        zone, _ = await turn(second)
        assert zone == b"on_prem"
        zone, _ = await turn(first)
        assert zone == b"cloud"

    play(house, scenario)
    assert [each.inherited for each in house.decisions()] == ["", "", "restricted, health", ""]


def test_a_refused_request_says_what_it_would_have_passed_on(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        body = {**said("hello"), "model": "vendor"}
        with pytest.raises(GatewayError) as refused:
            await house.gateway.run(ask(house, body, declared="health"))
        assert refused.value.status == 403
        assert refused.value.passes_on == HEALTH
        with pytest.raises(GatewayError) as unread:
            await house.gateway.run(ask(house, body, declared="helth"))
        assert unread.value.passes_on is None

    play(house, scenario)
