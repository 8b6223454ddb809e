"""A refusal names the smallest change, and that change is enough when it is made."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from gateway.protocol.errors import PolicyDenied
from policies.classification.analyser import Analyser
from policies.classification.findings import Analysis
from tests.gateway.inference.conftest import House
from tests.gateway.inference.scenario import play
from tests.gateway.providers.fault_server import FaultServer

KEYS = {"llama": bytes(32), "claude": bytes([7]) * 32}
IMAGE = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGgpJRU5ErkJggg=="},
}
# Says that it is an image.
FILE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,SGVsbG8="}}
MAIL = "jane.roe@clinic.example"
NO_IMAGES = {"relax": ["images"]}


def message(*parts: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"role": "user", "content": content}


async def refused(house: House, *messages: Any, **fields: Any) -> dict[str, Any]:
    with pytest.raises(PolicyDenied) as denied:
        await house.run({"model": "vendor", "messages": list(messages), **fields})
    error: dict[str, Any] = msgspec.json.decode(denied.value.body())["error"]
    assert error["remedy"] in error["message"]
    return error


def first(error: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = error["suggestions"][0]
    return found


def test_the_attachment_that_is_in_the_way_is_named_and_removing_it_is_enough(
    house: House,
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        sent = (message("look", IMAGE), message(IMAGE, FILE, "thanks"))
        way = first(await refused(house, *sent))
        assert way["action"] == "remove attachment 3"
        assert way["remove"] == ["attachment 3"]
        assert cloud.received == []
        await house.run({"model": "vendor", "messages": [sent[0], message(IMAGE, "thanks")]})
        assert len(cloud.received) == 1

    play(house, scenario, NO_IMAGES, KEYS)


def test_removing_and_masking_are_combined(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        way = first(await refused(house, message(f"{MAIL} or a.b@clinic.example", IMAGE)))
        assert way["action"] == "remove attachment 1, and mask 2 e-mail addresses"
        assert way["changes"] == ["remove", "mask"]
        assert way["deployment"] == "claude"

    play(house, scenario, {}, KEYS)


class FailsAtTheSecond(Analyser):
    """Scans once; then its recognizers fail."""

    scans = 0

    @override
    def analyse(self, texts: list[str]) -> Analysis:
        type(self).scans += 1
        if self.scans > 1:
            raise RuntimeError("a recognizer failed")
        return super().analyse(texts)


def test_a_scan_that_fails_while_a_way_is_looked_for_costs_the_hint_alone(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        assert house.snapshots.snapshot is not None
        view = house.snapshots.snapshot.projects["lab"]
        house.change(projects={"lab": replace(view, analyser=FailsAtTheSecond())})
        error = await refused(house, message("look", IMAGE))
        assert {way["change"] for way in error["suggestions"]} == {"alias"}
        assert FailsAtTheSecond.scans > 1

    play(house, scenario, {}, KEYS)


def test_a_declaration_stays_whatever_is_removed(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        declared = {"metadata": {"sluice_declare": "health"}}
        error = await refused(house, message("look", IMAGE), **declared)
        assert {way["change"] for way in error["suggestions"]} == {"alias"}

    play(house, scenario, {}, KEYS)


def test_what_a_second_scan_finds_is_no_reason_to_mask_again(house: House) -> None:
    """Two halves of a card number meet when the address between them is removed."""

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        text = "account 41111111 jane@roe.example 11111111 noted"
        error = await refused(house, {"role": "user", "content": text})
        assert {way["change"] for way in error["suggestions"]} == {"alias"}

    removing = {"mask": ["EMAIL_ADDRESS"], "mode": "remove", "for": {"deployment": "claude"}}
    rules = [{"id": "m", "when": {"endpoint": "chat.completions"}, "then": removing}]
    play(house, scenario, {"rules": rules}, KEYS)


def test_of_an_organisations_refusal_nothing_is_hinted(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        text = f"patient id: 48151623, {MAIL}"
        error = await refused(house, {"role": "user", "content": text})
        assert {way["change"] for way in error["suggestions"]} == {"alias"}

    rules = [
        {"id": "o", "when": {"category": "health"}, "then": {"allow_only": {"zone": "on_prem"}}}
    ]
    play(house, scenario, {"rules": rules}, KEYS)
