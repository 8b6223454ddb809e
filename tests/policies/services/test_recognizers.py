"""Recognizers of the organisation and of projects: who may, what is kept, who sees what."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from gateway.accounts.models import ControlVersion
from gateway.audit.models import AuditEvent
from gateway.snapshot.build import Builder
from policies.classification.custom_patterns import CustomRecognizer
from policies.engine.document import DocumentError
from policies.models import CustomRecognizer as RecognizerRow
from policies.services import publish, validate
from policies.services.recognizers import (
    RecognizerInUse,
    RecognizerRefused,
    check,
    recognizers_of,
    remove_recognizer,
    set_recognizer,
)
from policies.services.word_lists import set_word_list
from tests.support.world import SETUP, World, make_world, project_with

pytestmark = pytest.mark.django_db

CUSTOMER = CustomRecognizer(
    name="customer-number",
    category="personal",
    patterns=(r"\bKD-\d{4,8}\b",),
    context=("customer",),
    must_match=("customer KD-471147",),
    must_not_match=("KD-471147",),
)
TEXT = ["our customer KD-1234"]


@pytest.fixture
def world() -> World:
    return make_world()


def found(slug: str) -> list[tuple[str, str]]:
    findings = Builder().build().projects[slug].analyser.analyse(TEXT).findings
    return [(finding.data_class, finding.category) for finding in findings]


def document(project: str, data_class: str = "CUSTOMER_NUMBER") -> dict[str, object]:
    rule = {
        "id": "r",
        "when": {"data_class": data_class},
        "then": {"allow_only": {"zone": "on_prem"}},
    }
    return {"kind": "project-policy", "project": project, "rules": [rule]}


def test_a_projects_recognizer_is_found_in_that_project_alone(world: World) -> None:
    project_with("other")
    set_recognizer(by=world.owner, project=world.project, recognizer=CUSTOMER)
    assert found("research") == [("CUSTOMER_NUMBER", "personal")]
    assert found("other") == []
    assert recognizers_of(world.project) == (CUSTOMER,)
    assert recognizers_of(None) == ()


def test_the_organisations_recognizer_is_found_in_every_project(world: World) -> None:
    project_with("other")
    set_recognizer(by=SETUP, project=None, recognizer=CUSTOMER)
    assert found("research") == found("other") == [("CUSTOMER_NUMBER", "personal")]


def test_the_organisation_says_what_its_class_means(world: World) -> None:
    set_recognizer(by=SETUP, project=world.project, recognizer=replace(CUSTOMER, category="code"))
    set_recognizer(by=SETUP, project=None, recognizer=replace(CUSTOMER, category="health"))
    assert found("research") == [("CUSTOMER_NUMBER", "health")]


def test_a_project_cannot_name_the_class_of_another(world: World) -> None:
    other, _ = project_with("other")
    set_recognizer(by=SETUP, project=world.project, recognizer=CUSTOMER)
    validate(document("research"), project=world.project)
    with pytest.raises(DocumentError) as caught:
        validate(document("other"), project=other)
    assert caught.value.problems[0].pointer.startswith("/rules/0/when/data_class")
    # Nor is it offered to who mistypes it.
    with pytest.raises(DocumentError) as near:
        validate(document("other", "CUSTOMER_NUMBR"), project=other)
    assert "CUSTOMER_NUMBER" not in " ".join(each.as_text() for each in near.value.problems)


def test_every_project_and_the_organisation_can_name_a_common_class(world: World) -> None:
    other, _ = project_with("other")
    set_recognizer(by=SETUP, project=None, recognizer=CUSTOMER)
    validate(document("research"), project=world.project)
    validate(document("other"), project=other)
    rules = document("x")["rules"]
    validate({"kind": "organisation-policy", "rules": rules}, project=None)


def test_members_define_nothing_and_editors_nothing_for_the_organisation(world: World) -> None:
    acts: list[Callable[[], None]] = [
        lambda: set_recognizer(by=world.member, project=world.project, recognizer=CUSTOMER),
        lambda: remove_recognizer(by=world.member, project=world.project, name="x"),
        lambda: set_recognizer(by=world.owner, project=None, recognizer=CUSTOMER),
        lambda: remove_recognizer(by=world.owner, project=None, name="x"),
        lambda: set_recognizer(
            by=world.owner, project=project_with("other")[0], recognizer=CUSTOMER
        ),
    ]
    for act in acts:
        with pytest.raises(PermissionDenied):
            act()
    assert not RecognizerRow.objects.exists()


def test_a_bad_recognizer_changes_nothing(world: World) -> None:
    set_recognizer(by=SETUP, project=world.project, recognizer=CUSTOMER)
    version = ControlVersion.objects.get().version
    bad = replace(CUSTOMER, patterns=(r"(a+)+$",), category="persnal")
    with pytest.raises(RecognizerRefused) as caught:
        set_recognizer(by=SETUP, project=world.project, recognizer=bad)
    assert [problem.field for problem in caught.value.problems] == ["/patterns/0", "/category"]
    assert recognizers_of(world.project) == (CUSTOMER,)
    assert ControlVersion.objects.get().version == version


def test_a_class_has_one_meaning(world: World) -> None:
    set_word_list(by=SETUP, project=world.project, name="clients", category="legal", words=["x y"])
    set_recognizer(by=SETUP, project=None, recognizer=CUSTOMER)
    for name in ("clients", "customer-number", "customer_number"):
        problems = check(replace(CUSTOMER, name=name), project=world.project)
        assert [problem.field for problem in problems] == ["/name"], name
    assert check(CUSTOMER, project=None) == []  # its own name is not taken by itself


def test_a_category_of_a_policy_in_effect_is_known(world: World) -> None:
    item = replace(CUSTOMER, category="merger")
    assert [problem.field for problem in check(item, project=world.project)] == ["/category"]
    policy = {
        "kind": "project-policy",
        "project": "research",
        "categories": {"merger": "restricted"},
    }
    publish(by=SETUP, project=world.project, document=policy)
    assert check(item, project=world.project) == []
    assert [problem.field for problem in check(item, project=None)] == ["/category"]
    assert check(item, project=None, categories={"merger"}) == []


def test_a_recognizer_that_a_policy_names_stays(world: World) -> None:
    set_recognizer(by=SETUP, project=world.project, recognizer=CUSTOMER)
    publish(by=SETUP, project=world.project, document=document("research"))
    with pytest.raises(RecognizerInUse, match="project research names CUSTOMER_NUMBER"):
        remove_recognizer(by=world.owner, project=world.project, name="customer-number")
    assert recognizers_of(world.project) == (CUSTOMER,)
    publish(by=SETUP, project=world.project, document=document("research", "IBAN"))
    remove_recognizer(by=world.owner, project=world.project, name="customer-number")
    remove_recognizer(by=world.owner, project=world.project, name="customer-number")
    assert recognizers_of(world.project) == ()
    assert found("research") == []


def test_a_recognizer_that_the_organisations_policy_names_stays(world: World) -> None:
    set_recognizer(by=SETUP, project=None, recognizer=CUSTOMER)
    rules = document("x")["rules"]
    publish(by=SETUP, project=None, document={"kind": "organisation-policy", "rules": rules})
    with pytest.raises(RecognizerInUse, match="the organisation names CUSTOMER_NUMBER"):
        remove_recognizer(by=SETUP, project=None, name="customer-number")
    # The class stays known as long as someone defines it.
    set_recognizer(by=SETUP, project=world.project, recognizer=replace(CUSTOMER, name="own"))
    RecognizerRow.objects.filter(name="own").update(name="customer_number")
    remove_recognizer(by=SETUP, project=None, name="customer-number")


def test_the_events_say_who_and_what_and_hold_no_pattern(world: World) -> None:
    set_recognizer(by=world.owner, project=world.project, recognizer=CUSTOMER)
    set_recognizer(
        by=world.owner, project=world.project, recognizer=replace(CUSTOMER, category="legal")
    )
    remove_recognizer(by=world.owner, project=world.project, name="customer-number")
    events = list(AuditEvent.objects.filter(type__startswith="recognizer.").order_by("seq"))
    assert [event.type for event in events] == [
        "recognizer.changed",
        "recognizer.changed",
        "recognizer.removed",
    ]
    assert {event.actor for event in events} == {f"user:{world.owner.pk}"}
    assert {event.project for event in events} == {"research"}
    assert events[1].details["before"] == "personal"
    text = " ".join(str(event.details) for event in events)
    assert "KD-" not in text
    assert "4711" not in text


def test_a_row_that_cannot_be_compiled_stops_its_project_and_no_other(world: World) -> None:
    project_with("other")
    set_recognizer(by=SETUP, project=world.project, recognizer=CUSTOMER)
    RecognizerRow.objects.update(patterns=[r"(a+)+$"])
    assert set(Builder().build().projects) == {"other"}


def test_the_command_scans_with_what_a_project_has(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    project_with("other")
    set_recognizer(by=SETUP, project=world.project, recognizer=CUSTOMER)
    examples = tmp_path / "examples.jsonl"
    marked = [{"class": "CUSTOMER_NUMBER", "start": 13, "end": 20}]
    examples.write_text(json.dumps({"text": TEXT[0], "findings": marked}) + "\n")
    for slug, found_there in (("research", True), ("other", False)):
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"id": 1, "text": TEXT[0]})))
        call_command("recognizers", "scan", "--project", slug)
        assert ("CUSTOMER_NUMBER" in capsys.readouterr().out) is found_there
        call_command("recognizers", "evaluate", "--project", slug, str(examples))
        assert ("100.0%    100.0%" in capsys.readouterr().out) is found_there
    with pytest.raises(CommandError, match="there is no project 'nowhere'"):
        call_command("recognizers", "scan", "--project", "nowhere")
