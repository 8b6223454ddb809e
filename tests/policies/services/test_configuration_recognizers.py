"""Recognizers in the configuration file: read, compared, applied, taken away."""

import pytest

from policies.classification.custom_patterns import CustomRecognizer
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    apply,
    diff,
    export,
)
from policies.services.recognizers import recognizers_of, set_recognizer
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db

FILE = r"""
organisation:
  recognizers:
    customer-number:
      category: merger
      patterns: ['\bKD-\d{6}\b']
      must_match: ["KD-123456"]
  policy:
    kind: organisation-policy
    categories: {merger: restricted}
    rules:
      - {id: stay, when: {data_class: CUSTOMER_NUMBER}, then: {allow_only: {zone: on_prem}}}
projects:
  - slug: research
    recognizers:
      matter:
        category: legal
        patterns: ['\b\d{4}/\d{2}\b']
        context: [matter]
        must_match: ["matter 1234/26"]
    policy:
      kind: project-policy
      rules:
        - {id: ask, when: {data_class: [MATTER, CUSTOMER_NUMBER]}, then: {require_approval: true}}
"""
AUTHORITY = Authority(SETUP)


@pytest.fixture
def world() -> World:
    return make_world()


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        diff(ConfigFile(text))
    return [f"{each.line}: {each.sentence}" for each in caught.value.problems]


def test_a_file_brings_recognizers_with_the_policies_that_name_them(world: World) -> None:
    plan = apply(ConfigFile(FILE), authority=AUTHORITY, yes_widen=True)
    text = plan.as_text()
    assert "+ recognizer customer-number of the organisation" in text
    assert "+ recognizer matter of research" in text
    assert "KD-" not in text
    (common,) = recognizers_of(None)
    assert (common.data_class, common.category) == ("CUSTOMER_NUMBER", "merger")
    assert [item.name for item in recognizers_of(world.project)] == ["matter"]
    assert diff(ConfigFile(FILE)).as_text() == ""
    assert diff(ConfigFile(export()), prune=True).as_text() == ""


def test_a_change_says_how_it_widens_and_no_pattern(world: World) -> None:
    apply(ConfigFile(FILE), authority=AUTHORITY, yes_widen=True)
    changed = FILE.replace(r"\d{6}\b", r"\d{8}\b").replace("KD-123456", "KD-12345678")
    (step,) = diff(ConfigFile(changed)).steps
    assert step.subject == "recognizer customer-number of the organisation"
    assert step.lines == ("patterns: 1 added, 1 removed", "must_match: 1 added, 1 removed")
    assert step.widens == ("it may find less than before",)
    wider = FILE.replace("context: [matter]", "context: [matter, file]")
    (step,) = diff(ConfigFile(wider)).steps
    assert step.widens == ()


def test_what_the_file_leaves_out_stays_until_it_is_pruned(world: World) -> None:
    apply(ConfigFile(FILE), authority=AUTHORITY, yes_widen=True)
    bare = "projects:\n  - {slug: research, name: Research, recognizers: {}}\n"
    assert "recognizer" not in diff(ConfigFile(bare)).as_text()
    refused = apply_pruned(bare)
    assert "names MATTER" in refused
    policy = "    policy: {kind: project-policy}\n"
    block = f"projects:\n  - slug: research\n    recognizers: {{}}\n{policy}"
    assert apply_pruned(block) == ""
    assert recognizers_of(world.project) == ()
    assert len(recognizers_of(None)) == 1


def apply_pruned(text: str) -> str:
    try:
        apply(ConfigFile(text), authority=AUTHORITY, yes_widen=True, prune=True)
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("before", "after", "line", "sentence"),
    [
        (r"\d{6}\b", r"\d+\b", 6, "At character 8: '+' has no end"),
        ('"KD-123456"', '"KD-12345"', 7, "This example is not found."),
        ("category: legal", "category: leagl", 17, "There is no category 'leagl'."),
        ("      matter:", "      iban:", 16, "The data class IBAN exists already."),
        ("      matter:", "      customer_number:", 16, "The data class CUSTOMER_NUMBER exists"),
        ("context: [matter]", "kontext: [matter]", 19, "There is no field 'kontext' here."),
        ("context: [matter]", "checksum: crc", 19, "This checksum is not known."),
        ("context: [matter]", "score: high", 19, "This is not a number."),
        ("context: [matter]", "score: 2", 19, "A score is above 0 and at most 1."),
        ("[MATTER, CUSTOMER_NUMBER]", "[MATER]", 24, "There is no data class 'MATER'."),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_is_wrong_has_its_line(before: str, after: str, line: int, sentence: str) -> None:
    assert before in FILE
    found = problems(FILE.replace(before, after))
    assert any(each.startswith(f"{line}: {sentence}") for each in found), found


def test_a_project_cannot_take_the_name_of_what_the_organisation_has(world: World) -> None:
    common = CustomRecognizer(
        name="matter", category="legal", patterns=(r"\bM\d{6}\b",), must_match=("M123456",)
    )
    set_recognizer(by=SETUP, project=None, recognizer=common)
    only_project = FILE[FILE.index("projects:") :].replace(", CUSTOMER_NUMBER", "")
    assert problems(only_project)[0].startswith("4: The data class MATTER exists already.")
