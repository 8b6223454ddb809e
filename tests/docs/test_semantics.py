"""docs/semantics.md says what the code has: every rule that is referred to, each name and order."""

import re
from pathlib import Path

from policies.engine.effects import EFFECTS
from policies.engine.facts import EVERYTHING_CLEARED
from policies.engine.labels import DEFAULT_MINIMUMS
from policies.engine.permit import LIFETIME, DropReason, MaskMode

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "semantics.md").read_text()
RULES = dict(re.findall(r"^## (\d+)\. (.+)$", TEXT, re.MULTILINE))
SECTIONS = dict(zip(RULES, re.split(r"^## \d+\. .+$", TEXT, flags=re.MULTILINE)[1:], strict=True))


def rows(rule: str) -> list[tuple[str, str]]:
    """The first two cells of each row of the rule's table."""
    return re.findall(r"^\| (`[^|]*?) \| ?([^|]*?) ?\|$", SECTIONS[rule], re.MULTILINE)


def test_there_are_eleven_rules_in_order() -> None:
    assert list(RULES) == [str(number) for number in range(1, 12)]


def test_every_rule_that_the_code_refers_to_stands_there() -> None:
    named = {
        number
        for package in ("policies", "gateway", "frontend")
        for path in (ROOT / package).rglob("*.py")
        for number in re.findall(r"(?:semantic rule|\(rule|\bRule) (\d+)", path.read_text())
    }
    assert len(named) > 5
    assert named <= set(RULES)


def test_every_file_of_cases_is_about_a_rule_that_stands_there() -> None:
    engine = ROOT / "tests" / "policies" / "engine"
    named = {
        found[1]
        for path in engine.rglob("*.yaml")
        if (found := re.match(r"rule(\d+)_", path.name)) is not None
    }
    assert named == set(RULES)


def test_the_categories_have_their_minimums() -> None:
    told = {name.strip("`"): word for name, word in rows("1")}
    assert told == {name: minimum.word for name, minimum in DEFAULT_MINIMUMS.items()}


def test_every_reason_stands_there_once() -> None:
    told = [name for cell, _ in rows("9") for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted(reason.value for reason in DropReason)


def test_the_modes_stand_from_the_strictest_on() -> None:
    by_strictness = sorted(MaskMode, key=lambda mode: -mode.strictness)
    told = re.search(r"strictest of its modes: ([^.]+)\.", " ".join(SECTIONS["5"].split()))
    assert told is not None
    assert re.findall(r"`(\w+)`", told[1]) == [mode.value for mode in by_strictness]


def test_a_permit_holds_as_long_as_it_says() -> None:
    assert f"holds for {LIFETIME.total_seconds():.0f} seconds" in SECTIONS["9"]
    assert EVERYTHING_CLEARED.categories is None


def test_the_effects_are_those_that_are_read() -> None:
    told = [re.findall(r"`(\w+)`", cell)[0] for cell, _ in rows("4")]
    assert sorted(told) == sorted(EFFECTS)


def test_it_is_linked_from_where_people_look() -> None:
    for name in ("README.md", "docs/guarantees.md", "docs/architecture.md"):
        assert "semantics.md" in (ROOT / name).read_text(), name
