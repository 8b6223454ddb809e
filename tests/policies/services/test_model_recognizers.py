"""Model recognizers as services and in the configuration file: who may be asked, and who not."""

from dataclasses import replace

import pytest

from gateway.accounts.access import NoSuchProject
from gateway.deployments.models import Deployment
from gateway.deployments.services import add_grant, change_deployment, remove_grant
from gateway.deployments.spec import spec_of
from gateway.snapshot.build import Builder
from policies.classification.model_recognizers import Asks, Finds, ModelRecognizer
from policies.engine.facts import Clearance, Zone
from policies.engine.labels import Sensitivity
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    apply,
    diff,
    export,
)
from policies.services.model_recognizers import (
    model_recognizers_of,
    remove_model_recognizer,
    set_model_recognizer,
)
from policies.services.publishing import publish
from policies.services.recognizers import RecognizerInUse, RecognizerRefused
from tests.policies.services.policy_documents import project_policy
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db

AUTHORITY = Authority(SETUP)
NAMES = ModelRecognizer(
    name="names",
    deployment="llama",
    asks=Asks.TOKEN_CLASSIFY,
    labels=("O", "B-PER", "I-PER"),
    finds=(Finds(data_class="PERSON_NAME", category="personal", labels=("B-PER", "I-PER")),),
)
FILE = """
organisation:
  model_recognizers:
    topics:
      deployment: ner
      asks: chat
      finds:
        - {data_class: ILLNESS, category: health, what: illnesses of people}
      window: 2000
deployments:
  - {name: ner, base_url: "http://127.0.0.1:9001/v1", model: ner, zone: on_prem}
projects:
  - slug: research
    grants: [ner]
    model_recognizers:
      names:
        deployment: ner
        asks: token_classify
        labels: [O, B-PER, I-PER]
        finds:
          - {data_class: PERSON_NAME, category: personal, labels: [B-PER, I-PER], at_least: 0.4}
    policy:
      kind: project-policy
      rules:
        - id: names-stay
          when: {data_class: [PERSON_NAME, ILLNESS]}
          then: {allow_only: {zone: on_prem}}
"""


@pytest.fixture
def world() -> World:
    return make_world()


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        diff(ConfigFile(text))
    return [f"{each.line}: {each.sentence}" for each in caught.value.problems]


def refused(world: World, recognizer: ModelRecognizer) -> list[str]:
    with pytest.raises(RecognizerRefused) as caught:
        set_model_recognizer(by=world.owner, project=world.project, recognizer=recognizer)
    return [f"{each.field}: {each.sentence}" for each in caught.value.problems]


def test_the_project_asks_it_from_the_next_snapshot_on(world: World) -> None:
    set_model_recognizer(by=world.owner, project=world.project, recognizer=NAMES)
    view = Builder().build().projects["research"]
    (asked,) = view.asked
    assert asked.recognizer == NAMES
    assert asked.facts is not None
    assert asked.facts.name == "llama"
    assert view.analyser.data_classes["PERSON_NAME"] == "personal"
    remove_model_recognizer(by=world.owner, project=world.project, name="names")
    assert Builder().build().projects["research"].asked == ()


def test_the_organisations_needs_no_grant_and_a_projects_own_loses_its_with_it(
    world: World,
) -> None:
    builder = Builder()
    set_model_recognizer(by=world.owner, project=world.project, recognizer=NAMES)
    remove_grant(by=world.admin, project=world.project, deployment=world.local)
    (asked,) = builder.build().projects["research"].asked
    assert asked.facts is None
    assert "not granted" in refused(world, NAMES)[0]
    common = replace(NAMES, finds=(replace(NAMES.finds[0], data_class="PERSON"),))
    set_model_recognizer(by=world.admin, project=None, recognizer=common)
    asked = builder.build().projects["research"].asked[1]
    assert (asked.recognizer, asked.facts is not None) == (common, True)


@pytest.mark.parametrize(
    ("recognizer", "problem"),
    [
        (replace(NAMES, deployment="claude"), "/deployment: claude is in zone cloud"),
        (replace(NAMES, deployment="nobody"), "/deployment: The project is not granted nobody."),
        (replace(NAMES, labels=("O",)), "/labels: All labels of the model are needed"),
        (replace(NAMES, finds=()), "/finds: It finds 1 to 20 data classes."),
        (replace(NAMES, asks=Asks.CHAT), "/labels: A chat model has no labels"),
        (replace(NAMES, overlap=900), "/overlap: Windows share at most a quarter"),
        (replace(NAMES, window=1), "/window: A window has"),
        (replace(NAMES, timeout_s=60), "/timeout_s: The time-out is"),
        (replace(NAMES, name="Names"), "/name: A name has lower-case letters"),
        (
            replace(NAMES, finds=(replace(NAMES.finds[0], data_class="IBAN"),)),
            "/finds/0/data_class: The data class IBAN exists already.",
        ),
        (
            replace(NAMES, finds=(replace(NAMES.finds[0], labels=("LOC",)),)),
            "/finds/0/labels: The model has no label 'LOC'.",
        ),
        (
            replace(NAMES, finds=(replace(NAMES.finds[0], category="nothing"),)),
            "/finds/0/category: There is no such category.",
        ),
        (
            replace(NAMES, finds=(replace(NAMES.finds[0], at_least=0),)),
            "/finds/0/at_least: A likelihood is above 0",
        ),
    ],
)
def test_what_could_not_work_or_would_leave_is_refused(
    world: World, recognizer: ModelRecognizer, problem: str
) -> None:
    assert refused(world, recognizer)[0].startswith(problem)
    assert model_recognizers_of(world.project) == ()


def test_members_may_not_and_other_projects_do_not_see_it(world: World) -> None:
    with pytest.raises((PermissionError, NoSuchProject, Exception)) as caught:
        set_model_recognizer(by=world.member, project=world.project, recognizer=NAMES)
    assert type(caught.value).__name__ in {"PermissionDenied", "NoSuchProject"}
    assert model_recognizers_of(world.project) == ()


def test_a_class_that_a_policy_names_cannot_be_lost(world: World) -> None:
    set_model_recognizer(by=world.owner, project=world.project, recognizer=NAMES)
    rule = {"id": "stay", "when": {"data_class": "PERSON_NAME"}, "then": {"deny": True}}
    publish(by=world.owner, project=world.project, document=project_policy(rule))
    with pytest.raises(RecognizerInUse):
        remove_model_recognizer(by=world.owner, project=world.project, name="names")
    renamed = replace(NAMES, finds=(replace(NAMES.finds[0], data_class="HUMAN"),))
    with pytest.raises(RecognizerInUse):
        set_model_recognizer(by=world.owner, project=world.project, recognizer=renamed)
    assert model_recognizers_of(world.project) == (NAMES,)


def test_a_deployment_that_moves_away_is_no_longer_what_may_be_asked(world: World) -> None:
    set_model_recognizer(by=world.owner, project=world.project, recognizer=NAMES)
    spec = replace(spec_of(world.local), zone=Zone.PRIVATE_CLOUD)
    change_deployment(by=world.admin, deployment=world.local, spec=spec)
    (asked,) = Builder().build().projects["research"].asked
    assert asked.facts is not None
    assert (asked.facts.zone, asked.facts.enabled) == (Zone.PRIVATE_CLOUD, False)


def test_a_file_brings_deployment_recognizer_and_the_policy_that_names_its_class(
    world: World,
) -> None:
    plan = apply(ConfigFile(FILE), authority=AUTHORITY, yes_widen=True)
    assert "+ model recognizer names of research" in plan.as_text()
    assert "    asks ner (token_classify) for PERSON_NAME" in plan.as_text()
    assert "+ model recognizer topics of the organisation" in plan.as_text()
    assert diff(ConfigFile(FILE)).steps == ()
    assert diff(ConfigFile(export()), prune=True).as_text() == ""
    assert [item.asks for item in model_recognizers_of(None)] == [Asks.CHAT]


def test_a_file_says_with_its_line_why_a_deployment_may_not_be_asked(world: World) -> None:
    cloud = FILE.replace("zone: on_prem}\nprojects", "zone: cloud}\nprojects")
    assert problems(cloud) == [
        "5: ner is in zone cloud: only what is on_prem may read unread text.",
        "17: ner is in zone cloud: only what is on_prem may read unread text.",
    ]
    off = FILE.replace("zone: on_prem}\nprojects", "zone: on_prem, enabled: false}\nprojects")
    assert problems(off)[0] == "5: ner is disabled."
    less = FILE.replace(
        "zone: on_prem}\nprojects", "zone: on_prem, clearance: {sensitivity: internal}}\nprojects"
    )
    assert problems(less)[0].startswith("5: ner is not cleared for everything")
    assert problems(FILE.replace("grants: [ner]", "grants: []"))[0].startswith(
        "17: The project is not granted ner."
    )
    assert problems(FILE.replace("asks: chat", "asks: chatt"))[0] == "6: There is no kind 'chatt'."
    assert problems(FILE.replace("at_least: 0.4", "at_leest: 0.4"))[0].startswith("21: There is no")


def test_a_change_that_may_find_less_widens(world: World) -> None:
    apply(ConfigFile(FILE), authority=AUTHORITY, yes_widen=True)
    (step,) = diff(ConfigFile(FILE.replace("at_least: 0.4", "at_least: 0.9"))).steps
    assert step.widens == ("it may find less than before",)
    (step,) = diff(ConfigFile(FILE.replace("at_least: 0.4", "at_least: 0.2"))).steps
    assert step.widens == ()


def test_a_file_that_takes_a_classifier_away_says_what_that_does(world: World) -> None:
    apply(ConfigFile(FILE), authority=AUTHORITY, yes_widen=True)
    text = """
deployments:
  - {name: ner, base_url: "http://127.0.0.1:9001/v1", model: ner, zone: on_prem, enabled: false}
"""
    notes = "\n".join(diff(ConfigFile(text)).notes)
    assert "model recognizer names of research can ask nobody: ner is disabled." in notes
    assert "model recognizer topics of the organisation can ask nobody" in notes


def test_the_deployment_must_be_cleared_for_everything(world: World) -> None:
    spec = replace(spec_of(world.local), clearance=Clearance(Sensitivity.CONFIDENTIAL, None))
    change_deployment(by=world.admin, deployment=world.local, spec=spec)
    assert refused(world, NAMES)[0].startswith("/deployment: llama is not cleared for everything")
    Deployment.objects.filter(pk=world.local.pk).update(clearance_sensitivity="restricted")
    add_grant(by=world.admin, project=world.project, deployment=world.local)
    set_model_recognizer(by=world.owner, project=world.project, recognizer=NAMES)
