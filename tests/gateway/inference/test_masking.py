"""Masking in the one path: who must be masked gets b_d, never the bytes as they came."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from gateway.inference.contracts import Analyser as AnalyserProtocol
from gateway.inference.exchange import NotMasked
from gateway.inference.path import new_id
from gateway.protocol.errors import NoDeploymentAvailable, PolicyDenied
from gateway.protocol.restores import Restores
from policies.classification.analyser import Analyser
from policies.classification.findings import Analysis, Finding
from policies.engine.permit import Candidate
from tests.gateway.inference.conftest import House
from tests.gateway.inference.scenario import play
from tests.gateway.providers.fault_server import FaultServer

KEYS = {"llama": bytes(32), "claude": bytes([7]) * 32}
MAIL = "jane.roe@clinic.example"
ASK = {"model": "vendor", "messages": [{"role": "user", "content": f"Write to {MAIL}, please"}]}


def masks(*names: str, mode: str = "placeholder", whom: str = "claude") -> dict[str, Any]:
    effect = {"mask": list(names), "mode": mode, "for": {"deployment": whom}}
    return {"rules": [{"id": "masked", "when": {"endpoint": "chat.completions"}, "then": effect}]}


def echo(body: dict[str, Any]) -> dict[str, Any]:
    """An answer that says what was asked, in each of `n` choices."""
    said = body["messages"][-1]["content"]
    choice = {"message": {"role": "assistant", "content": f"You said: {said}"}}
    choices = [{**choice, "index": index} for index in range(body.get("n", 1))]
    return {"id": "c", "model": body["model"], "choices": choices}


def sent(server: FaultServer) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in server.received]


async def answer(house: House, body: dict[str, Any]) -> tuple[dict[bytes, bytes], Any]:
    reply = await house.run(body)
    assert reply.body is not None
    return dict(reply.headers), msgspec.json.decode(reply.body)


def test_the_vendor_gets_a_placeholder_and_the_caller_the_address(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        cloud.mode, cloud.answering = "answering", echo
        headers, told = await answer(house, {**ASK, "n": 2})
        assert headers[b"x-sluice-zone"] == b"cloud"
        assert headers[b"x-sluice-masked"] == b"1"
        assert MAIL.encode() not in cloud.received[0].body
        for choice in told["choices"]:
            assert choice["message"]["content"] == f"You said: Write to {MAIL}, please"

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
    (decision,), (outcome,) = house.decisions(), house.outcomes()
    assert (decision.masked, decision.candidates) == (1, ["claude"])
    assert decision.sensitivity == "confidential"
    assert (outcome.masked, outcome.restored, outcome.unrestored) == (1, 2, 0)


def test_the_same_value_has_the_same_placeholder_and_another_one_at_another_vendor(
    house: House,
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        for model in ("vendor", "vendor", "private"):
            await house.run({**ASK, "model": model})
        first, again = (body["messages"] for body in sent(cloud))
        assert first == again
        (there,) = sent(onprem)
        assert MAIL not in str(there)
        assert there["messages"] != first

    rules = [masks("EMAIL_ADDRESS", whom=whom)["rules"][0] for whom in ("claude", "llama")]
    document = {"rules": [{**rule, "id": f"r{at}"} for at, rule in enumerate(rules)]}
    play(house, scenario, document, KEYS)


EVERYWHERE: dict[str, Any] = {
    "model": "vendor",
    "messages": [
        {"role": "system", "content": f"You help {MAIL}."},
        {"role": "user", "content": [{"type": "text", "text": f"I am {MAIL}"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {
                        "name": "look_up",
                        "arguments": json.dumps({"mail": MAIL, MAIL: 1, "q": f'"{MAIL}"\n'}),
                    },
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"found": [MAIL]})},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look_up",
                "description": f"Not for {MAIL}",
                "parameters": {"type": "object", "properties": {"x": {"enum": [MAIL]}}},
            },
        }
    ],
    "stop": [MAIL],
    "user": MAIL,
}


@pytest.mark.parametrize("mode", ["placeholder", "remove", "hash"])
def test_it_is_replaced_wherever_it_stands(house: House, mode: str) -> None:
    # A key of which nothing is left would be no key any more: that is refused, see below.
    keyed = {MAIL: MAIL} if mode != "remove" else {"to": [MAIL, MAIL]}

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await house.run({**EVERYWHERE, "metadata": keyed})
        (body,) = cloud.received
        assert b"jane" not in body.body
        arguments = sent(cloud)[0]["messages"][2]["tool_calls"][0]["function"]["arguments"]
        assert len(json.loads(arguments)) == 3

    play(house, scenario, masks("EMAIL_ADDRESS", mode=mode), KEYS)
    assert house.outcomes()[0].masked == 12


def test_a_number_becomes_a_string_and_arguments_stay_json(house: House) -> None:
    card = 4111111111111111
    arguments = f'{{"card": {card}, "note": "card {card}\\u0021", "sum": 12.50}}'
    call = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": arguments}}
    body = {
        "model": "vendor",
        "messages": [{"role": "assistant", "tool_calls": [call]}, {"role": "user", "content": "?"}],
        "seed": card,
    }

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await house.run(body)
        assert str(card).encode() not in cloud.received[0].body
        (tree,) = sent(cloud)
        assert isinstance(tree["seed"], str)
        written = tree["messages"][0]["tool_calls"][0]["function"]["arguments"]
        read = json.loads(written)
        assert read["card"] == tree["seed"]
        assert read["note"] == f"card {tree['seed']}!"
        assert written.endswith('"sum": 12.50}')

    play(house, scenario, masks("PAYMENT_CARD"), KEYS)


def test_what_is_left_after_masking_keeps_the_vendor_out(house: House) -> None:
    body = {**ASK, "messages": [{"role": "user", "content": f"{MAIL} pays 4111111111111111"}]}

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied) as refused:
            await house.run(body)
        assert cloud.received == []
        assert "also mask 1 payment card number" in str(refused.value)

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
    assert house.decisions()[0].dropped[0][2] == "residue_after_masking"


def test_partly_masked_keeps_its_category(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied):
            await house.run(ASK)
        assert cloud.received == []

    play(house, scenario, masks("EMAIL_ADDRESS", mode="partial"), KEYS)


def test_what_only_masking_brings_to_light_keeps_the_vendor_out(house: House) -> None:
    """Taking the address out makes one card number of two harmless ones."""
    body = {**ASK, "messages": [{"role": "user", "content": f"41111111 {MAIL}11111111"}]}

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        assert house.snapshots.snapshot is not None
        view = house.snapshots.snapshot.projects["lab"]
        house.change(projects={"lab": replace(view, analyser=Takes("EMAIL_ADDRESS", 9, 32))})
        with pytest.raises(PolicyDenied):
            await house.run(body)
        assert cloud.received == []

    play(house, scenario, masks("EMAIL_ADDRESS", mode="remove"), KEYS)
    assert house.decisions()[0].dropped[0][2] == "residue_after_masking"


class Takes(AnalyserProtocol):
    """Finds a span in the first scan and what the real recognizers find in the second."""

    def __init__(self, data_class: str, start: int, end: int) -> None:
        self._first: Analysis | None = Analysis(
            (Finding(data_class, "personal", start, end, 1.0, "test"),)
        )

    @property
    @override
    def data_classes(self) -> Mapping[str, str]:
        return {}

    @override
    def analyse(self, texts: list[str]) -> Analysis:
        if self._first is None:
            return Analyser().analyse(texts)
        first, self._first = self._first, None
        return Analysis(tuple(replace(each, field=len(texts) - 1) for each in first.findings))


class Fails(Takes):
    """The second scan comes back as `opaque`."""

    opaque = "scan_failed"

    @override
    def analyse(self, texts: list[str]) -> Analysis:
        if self._first is None:
            return Analysis(opaque=frozenset({self.opaque}))
        return super().analyse(texts)


class Breaks(Takes):
    """The second scan does not come back."""

    @override
    def analyse(self, texts: list[str]) -> Analysis:
        if self._first is None:
            raise RuntimeError("out of order")
        return super().analyse(texts)


@pytest.mark.parametrize("kind", [Fails, Breaks])
def test_a_second_scan_that_fails_keeps_the_vendor_out(house: House, kind: type[Takes]) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        assert house.snapshots.snapshot is not None
        view = house.snapshots.snapshot.projects["lab"]
        house.change(projects={"lab": replace(view, analyser=kind("EMAIL_ADDRESS", 0, 5))})
        await house.run({**ASK, "model": "cloud-first"})
        assert (len(onprem.received), len(cloud.received)) == (1, 0)

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)


@pytest.mark.parametrize(
    "content",
    [
        {"jane.roe@clinic.example": 1, "jack.doe@clinic.example": 2},
        {f"user{MAIL}": 1},
        {MAIL: 1},
    ],
)
def test_keys_that_fall_together_or_become_words_keep_the_vendor_out(
    house: House, content: dict[str, int]
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied):
            await house.run({**ASK, "extra": content})
        assert cloud.received == []

    play(house, scenario, masks("EMAIL_ADDRESS", mode="remove"), KEYS)
    assert house.decisions()[0].dropped[0][2] == "masking_unavailable"


def test_what_stands_across_two_text_parts_cannot_be_masked(house: House) -> None:
    parts = [{"type": "text", "text": text} for text in ("4111 1111 11", "11 1111 is mine")]
    body = {**ASK, "messages": [{"role": "user", "content": parts}]}

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied):
            await house.run(body)
        assert cloud.received == []

    play(house, scenario, masks("PAYMENT_CARD"), KEYS)


def test_fallbacks_from_masked_to_raw_and_back_give_each_its_own(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        cloud.mode = "failing"
        headers = dict((await house.run({**ASK, "model": "cloud-first"})).headers)
        assert headers[b"x-sluice-zone"] == b"on_prem"
        assert headers[b"x-sluice-masked"] == b"0"
        assert b"jane" not in cloud.received[0].body
        assert MAIL.encode() in onprem.received[0].body

        cloud.mode, cloud.answering, onprem.mode = "answering", echo, "failing"
        headers, told = await answer(house, {**ASK, "model": "house-first"})
        assert headers[b"x-sluice-masked"] == b"1"
        assert MAIL in told["choices"][0]["message"]["content"]
        assert all(b"jane" not in each.body for each in cloud.received)

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
    assert [each.masked for each in house.outcomes()] == [0, 1]


def test_who_is_cleared_for_everything_still_gets_it_masked(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await house.run({**ASK, "model": "private"})
        assert b"jane" not in onprem.received[0].body

    play(house, scenario, masks("EMAIL_ADDRESS", whom="llama"), KEYS)


def test_a_candidate_without_its_body_is_never_sent_another(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        decided = house.gateway.decide(house.inbound(ASK), decision_id=new_id("dec_"))
        (candidate,) = decided.permit.candidates
        assert MAIL not in str(decided.outgoing(candidate).request.tree)
        for changed in (
            replace(candidate, modes=()),
            replace(candidate, deployment="llama"),
            Candidate(candidate.deployment, candidate.zone, masked=1),
        ):
            with pytest.raises(KeyError):
                decided.outgoing(changed)
        with pytest.raises(NotMasked):
            replace(decided, masking=None).outgoing(candidate)

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)


def test_a_project_without_a_key_sends_nothing_that_must_be_masked(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied):
            await house.run(ASK)
        assert cloud.received == []

    play(house, scenario, masks("EMAIL_ADDRESS"), {"llama": bytes(32)})
    assert house.decisions()[0].dropped[0][2] == "masking_unavailable"


CALL = {"id": "c", "type": "function", "function": {"name": "mail"}}


def calls(body: dict[str, Any]) -> dict[str, Any]:
    """An answer in text and in tool-call arguments."""
    said = body["messages"][-1]["content"]
    function = {"name": "mail", "arguments": json.dumps({"to": said})}
    message = {"content": said, "tool_calls": [{**CALL, "function": function}]}
    message["function_call"] = {"name": "mail", "arguments": function["arguments"]}
    return {"choices": [{"index": 0, "message": message, "logprobs": {"content": [said]}}]}


@pytest.mark.parametrize(
    ("restores", "in_text", "in_arguments", "counts"),
    [
        (Restores.EVERYTHING, True, True, (3, 0)),
        (Restores.TEXT, True, False, (1, 2)),
        (Restores.NOTHING, False, False, (0, 3)),
    ],
)
def test_a_key_restores_as_far_as_it_may(
    house: House,
    restores: Restores,
    in_text: bool,
    in_arguments: bool,
    counts: tuple[int, int],
) -> None:
    house.principal = replace(house.principal, restores=restores)

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        cloud.mode, cloud.answering = "answering", calls
        _, told = await answer(house, ASK)
        message = told["choices"][0]["message"]
        assert (MAIL in message["content"]) is in_text
        for function in (message["tool_calls"][0]["function"], message["function_call"]):
            assert (MAIL in json.loads(function["arguments"])["to"]) is in_arguments
        assert MAIL not in str(told["choices"][0]["logprobs"])

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
    (outcome,) = house.outcomes()
    assert (outcome.restored, outcome.unrestored) == counts


def test_an_upstream_that_only_fails_leaves_the_counts_alone(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        cloud.mode = "failing"
        with pytest.raises(NoDeploymentAvailable):
            await house.run(ASK)

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
    assert (house.outcomes()[0].masked, house.outcomes()[0].restored) == (0, 0)
