"""Model recognizers on the path: who is asked, what is noted, what is remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.audit.records import JournalUnavailable
from gateway.inference.contracts import Asked
from gateway.inference.hearing import REMEMBERED_S, Hearing
from gateway.inference.path import new_id
from gateway.protocol.errors import FailClosed, PolicyDenied
from policies.classification.model_recognizers import Asks, Finds, ModelRecognizer
from policies.engine.facts import Clearance, DeploymentFacts, Zone
from policies.engine.labels import Sensitivity
from tests.gateway.inference.conftest import ENDPOINTS, House, destination
from tests.gateway.inference.scenario import play
from tests.gateway.providers.fault_server import FaultServer
from tests.support.classifier import LABELS, Classifier, ClassifierServer

NAMES = ModelRecognizer(
    name="names",
    deployment="ner",
    asks=Asks.TOKEN_CLASSIFY,
    labels=LABELS,
    finds=(Finds(data_class="PERSON_NAME", category="personal", labels=("PER",)),),
)
FACTS = DeploymentFacts(
    name="ner",
    zone=Zone.ON_PREM,
    clearance=Clearance(Sensitivity.RESTRICTED, None),
    endpoints=ENDPOINTS,
)
ASK = {"model": "cloud-first", "messages": [{"role": "user", "content": "Jane Roe comes"}]}
CLEAN = {"model": "cloud-first", "messages": [{"role": "user", "content": "somebody comes"}]}

Inside = Callable[[House, ClassifierServer, FaultServer], Awaitable[None]]


def with_classifier(
    house: House, inside: Inside, *, recognizer: ModelRecognizer = NAMES, mode: str = "classifying"
) -> None:
    async def scenario(house: House, _onprem: FaultServer, cloud: FaultServer) -> None:
        async with ClassifierServer(Classifier({"Jane": "PER", "Roe": "PER"}), mode) as ner:
            snapshot = house.snapshots.snapshot
            assert snapshot is not None
            view = replace(snapshot.projects["lab"], asked=(Asked(recognizer, FACTS),))
            place = destination("ner", ner.base_url, Zone.ON_PREM)
            house.change(
                projects={"lab": view}, destinations={**snapshot.destinations, "ner": place}
            )
            await inside(house, ner, cloud)

    play(house, scenario)


def change_classifier(house: House, **fields: Any) -> None:
    assert house.snapshots.snapshot is not None
    places = house.snapshots.snapshot.destinations
    house.change(destinations={**places, "ner": replace(places["ner"], **fields)})


def test_a_classifier_that_left_on_prem_since_the_decision_is_shown_nothing(house: House) -> None:
    """The decision's snapshot still has it on_prem; the newest one does not."""

    async def inside(house: House, ner: ClassifierServer, cloud: FaultServer) -> None:
        before = house.snapshots.snapshot
        looks = iter([before])

        def current() -> Any:
            """The old state for the decision, the new one from then on."""
            assert house.snapshots.snapshot is not None
            return next(looks, house.snapshots.snapshot), 0.0

        change_classifier(house, zone=Zone.CLOUD, networks=())
        house.snapshots.current = current  # type: ignore[method-assign]
        await house.run(CLEAN)
        assert ner.received == []
        assert cloud.received == []

    with_classifier(house, inside)
    assert house.decisions()[-1].scans == [["names", "ner", "deployment_changed"]]


def test_a_classifier_that_moved_since_the_decision_is_shown_nothing(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        before = house.snapshots.snapshot
        looks = iter([before])
        change_classifier(house, base_url="http://127.0.0.1:9/v1")
        house.snapshots.current = lambda: (  # type: ignore[assignment, method-assign, return-value]
            next(looks, house.snapshots.snapshot),
            0.0,
        )
        await house.run(CLEAN)
        assert ner.received == []

    with_classifier(house, inside)
    assert house.decisions()[-1].scans == [["names", "ner", "deployment_changed"]]


def test_an_address_outside_of_the_on_prem_networks_is_refused_at_connect(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, cloud: FaultServer) -> None:
        change_classifier(house, networks=())
        reply = await house.run(CLEAN)
        assert dict(reply.headers)[b"x-sluice-zone"] == b"on_prem"
        assert ner.received == []
        assert cloud.received == []

    with_classifier(house, inside)
    assert house.decisions()[-1].scans == [["names", "ner", "address_refused"]]


def test_a_text_that_was_judged_lately_is_not_shown_again(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        await house.run(CLEAN)
        asked = len(ner.received)
        assert asked
        await house.run(CLEAN)
        assert len(ner.received) == asked
        assert house.decisions()[-1].scans == [["names", "ner", "remembered"]]
        house.clock.moved_s += REMEMBERED_S + 1
        await house.run(CLEAN)
        assert len(ner.received) > asked

    with_classifier(house, inside)


def test_another_model_or_definition_does_not_inherit_what_was_said(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        await house.run(CLEAN)
        asked = len(ner.received)
        change_classifier(house, upstream_model="another")
        await house.run(CLEAN)
        assert len(ner.received) == 2 * asked
        assert house.snapshots.snapshot is not None
        view = house.snapshots.snapshot.projects["lab"]
        stricter = replace(NAMES, finds=(replace(NAMES.finds[0], at_least=0.01),))
        house.change(projects={"lab": replace(view, asked=(Asked(stricter, FACTS),))})
        reply = await house.run(CLEAN)
        assert dict(reply.headers)[b"x-sluice-categories"] == b"personal"

    with_classifier(house, inside)


def test_a_failure_is_not_remembered(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, cloud: FaultServer) -> None:
        await house.run(CLEAN)
        assert cloud.received == []
        ner.mode = "classifying"
        await house.run(CLEAN)
        assert len(cloud.received) == 1

    with_classifier(house, inside, mode="failing")


def test_nobody_is_asked_while_the_journal_denies(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(record: object) -> None:
        raise JournalUnavailable("full")

    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        monkeypatch.setattr(type(house.journal), "fault", property(lambda _: "full"))
        monkeypatch.setattr(house.journal, "append", full)
        with pytest.raises(FailClosed) as refused:
            await house.run(CLEAN)
        assert refused.value.param == "journal"
        assert ner.received == []

    with_classifier(house, inside)


def test_a_client_that_leaves_ends_the_question(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        task = asyncio.ensure_future(house.run(CLEAN))
        await ner.arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ner.client_gone.wait()

    with_classifier(house, inside, mode="slow_first_byte")


def test_whoever_decides_without_asking_meets_an_opaque_text(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        inbound = house.inbound(CLEAN)
        decided = house.gateway.decide(inbound, decision_id=new_id("dec_"))
        assert decided.labelled.opaque == {"model_recognizer"}
        previewed = house.gateway.decide(
            inbound, decision_id=new_id("dec_"), hearing=Hearing(previews=True)
        )
        assert not previewed.labelled.opaque
        assert ner.received == []

    with_classifier(house, inside)


def test_long_texts_are_asked_in_windows_and_found_in_their_places(house: House) -> None:
    text = "one two three four five six " * 20
    long = f"{text}Jane Roe {text}"
    body = {"model": "vendor", "messages": [{"role": "user", "content": long}]}

    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied):
            await house.run(body)
        decided = house.gateway.decide(house.inbound(body), decision_id=new_id("dec_"))
        (finding,) = decided.labelled.findings
        assert decided.labelled.texts[finding.field][finding.start : finding.end] == "Jane Roe"
        assert len(ner.received) > 5

    with_classifier(house, inside, recognizer=replace(NAMES, window=100, overlap=20))


def test_more_windows_than_anybody_waits_for_are_not_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.inference.asking.MOST_WINDOWS", 0)

    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        await house.run(CLEAN)
        assert ner.received == []

    with_classifier(house, inside)
    assert house.decisions()[-1].scans == [["names", "ner", "too_long"]]


def test_the_classifier_is_shown_no_key_and_no_header_of_the_client(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, _cloud: FaultServer) -> None:
        await house.run(ASK)
        for each in ner.received:
            assert each.header("authorization") is None
            assert {name.lower() for name, _ in each.headers} == {
                *("host", "user-agent", "accept-encoding", "content-type", "accept"),
                *("x-request-id", "content-length"),
            }
        assert {each.path for each in ner.received} == {"/pooling", "/tokenize"}

    with_classifier(house, inside)


def test_a_preview_is_never_taken_over_as_the_decision(house: House) -> None:
    """Whoever decided for a queue's pace asked no model; the path asks before it sends."""

    async def inside(house: House, ner: ClassifierServer, cloud: FaultServer) -> None:
        inbound = house.inbound(ASK)
        previewed = house.gateway.decide(
            inbound, decision_id=new_id("dec_"), hearing=Hearing(previews=True)
        )
        assert previewed.permit.candidates[0].deployment == "claude"
        reply = await house.gateway.run(inbound, decided=previewed)
        assert dict(reply.headers)[b"x-sluice-deployment"] == b"llama"
        assert ner.received
        assert cloud.received == []

    with_classifier(house, inside)


def test_the_name_of_a_model_is_no_name_of_a_person(house: House) -> None:
    async def inside(house: House, ner: ClassifierServer, cloud: FaultServer) -> None:
        ner.classifier.words = {"cloud": "PER"}
        await house.run(CLEAN)
        assert len(cloud.received) == 1
        assert b"cloud-first" not in b"".join(each.body for each in ner.received)

    with_classifier(house, inside)
