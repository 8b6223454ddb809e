"""What a recipe writes can be published, and its own tests hold it: without its rule one fails."""

from typing import Any

import pytest

from gateway.accounts.models import Group
from policies.classification.analyser import Analyser
from policies.classification.examples import EXAMPLES
from policies.classification.recognizers import DATA_CLASSES
from policies.services.judging import NotPublished, judge
from policies.services.publishing import current_revision, publish
from policies.services.recipes import cook
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db
FILLED: dict[str, dict[str, object]] = {
    "stays-on-prem": {"what": ["code"]},
    "masked-for": {"what": ["code"], "to": ["claude"], "masked": ["EMAIL_ADDRESS", "IBAN"]},
    "only-regions": {"regions": ["eu"], "what": ["code"]},
    "then-on-prem": {"group": "interns", "amount": 200},
}


@pytest.fixture
def world() -> World:
    made = make_world()
    Group.objects.create(slug="interns")
    for deployment, region in ((made.local, "eu"), (made.cloud, "us")):
        deployment.region = region
        deployment.save()
    return made


@pytest.mark.parametrize("recipe", FILLED)
def test_it_is_published_and_its_own_tests_hold_it(world: World, recipe: str) -> None:
    project = world.project
    cooked = cook(by=world.owner, project=project, recipe=recipe, answers=FILLED[recipe])
    assert cooked is not None
    assert cooked.problems == ()
    document: dict[str, Any] = dict(cooked.document)
    tests, never = len(document["tests"]), len(document.get("never", ()))
    assert tests == len(cooked.built.tests) > 0
    verdict = judge(document, project=project)
    assert [test.passed for test in verdict.tests] == [True] * tests
    assert len(verdict.proofs) == never == len(cooked.built.never)
    publish(by=SETUP, project=project, document=document)
    assert current_revision(project) is not None
    with pytest.raises(NotPublished) as refused:
        publish(by=SETUP, project=project, document={**document, "rules": []})
    assert any(each.pointer.startswith("/tests/") for each in refused.value.problems)


def test_the_tests_of_the_masking_mask(world: World) -> None:
    cooked = cook(
        by=world.owner, project=world.project, recipe="masked-for", answers=FILLED["masked-for"]
    )
    assert cooked is not None
    verdict = judge(cooked.document, project=world.project)
    assert [(test.deployment, test.masked) for test in verdict.tests] == [
        ("claude", 0),
        ("claude", 1),
        ("claude", 1),
    ]


def test_every_shipped_class_has_an_example_in_which_it_alone_is_found() -> None:
    assert EXAMPLES.keys() == DATA_CLASSES.keys()
    analyser = Analyser()
    for name, text in EXAMPLES.items():
        analysis = analyser.analyse([text])
        assert [each.data_class for each in analysis.findings] == [name], name
        assert not analysis.opaque, name
