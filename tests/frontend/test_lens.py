"""What the page says before sending, from what the path explains."""

from typing import Any

import pytest

from frontend.lens import choices_of, lens_of, marks_of

ON_PREM = {"deployment": "llama", "zone": "on_prem", "mask": [], "masked": 0}
CLOUD = {"deployment": "claude", "zone": "cloud", "mask": [], "masked": 0}
PRIVATE = {"deployment": "leased", "zone": "private_cloud", "mask": [], "masked": 0}
NOT_CLEARED = {
    "deployment": "claude",
    "zone": "cloud",
    "reason": "sensitivity",
    "detail": "claude is cleared for internal.",
    "rule": None,
}
IBAN = {"class": "IBAN", "category": "payment", "place": "messages[0].content"}


def explained(**changes: Any) -> dict[str, Any]:
    return {
        "outcome": "allowed",
        "label": {"sensitivity": "internal", "categories": []},
        "findings": [],
        "opaque": [],
        "rules": [],
        "candidates": [CLOUD, ON_PREM],
        "dropped": [],
        "remedy": "",
        **changes,
    }


@pytest.mark.parametrize(
    ("first", "badge", "headline"),
    [
        (ON_PREM, "on_prem", "Stays on your servers"),
        (CLOUD, "cloud", "Goes to claude"),
        (PRIVATE, "private_cloud", "Goes to leased"),
        ({**CLOUD, "mask": ["IBAN"], "masked": 2}, "masked", "Goes to claude"),
        ({**CLOUD, "zone": "moon"}, "cloud", "Goes to claude"),
    ],
)
def test_the_badge_is_that_of_the_first_candidate(
    first: dict[str, Any], badge: str, headline: str
) -> None:
    lens = lens_of(explained(candidates=[first, ON_PREM]))
    assert (lens["badge"], lens["headline"]) == (badge, headline)


def test_findings_are_named_and_counted_with_what_they_make_of_the_message() -> None:
    label = {"sensitivity": "confidential", "categories": ["payment", "trial"]}
    lens = lens_of(
        explained(label=label, findings=[IBAN, IBAN], candidates=[ON_PREM], dropped=[NOT_CLEARED])
    )
    assert lens["reason"] == "Found: IBAN account number (2). That makes it confidential."
    assert lens["label"] == ["confidential", "payment", "trial"]
    assert lens["places"] == [
        {
            "name": "llama",
            "badge": "on_prem",
            "detail": "Would get it as it is.",
            "out": False,
        },
        {
            "name": "claude",
            "badge": "blocked",
            "detail": "claude is cleared for internal.",
            "out": True,
        },
    ]


def test_a_message_that_may_go_nowhere_says_why_and_what_would_help() -> None:
    lens = lens_of(
        explained(
            outcome="denied",
            candidates=[],
            dropped=[NOT_CLEARED],
            remedy="mask 1 IBAN",
        )
    )
    assert lens["badge"] == "blocked"
    assert lens["reason"] == ("claude is cleared for internal. What would allow it: mask 1 IBAN.")


def test_an_alias_that_serves_nothing_here_is_said_so() -> None:
    lens = lens_of(explained(outcome="unknown_alias", candidates=[]))
    assert lens["reason"] == "No model of that name may be used in this project."


def test_what_cannot_be_read_is_said_so() -> None:
    lens = lens_of(explained(opaque=["encoded_text"], candidates=[ON_PREM]))
    assert "cannot be read" in str(lens["reason"])


def test_rules_say_whose_they_are() -> None:
    lens = lens_of(explained(rules=["organisation:health-stays", "project:code-masked"]))
    assert lens["rules"] == ["health-stays (organisation)", "code-masked"]


def test_findings_in_the_draft_are_marked_where_a_browser_counts_them() -> None:
    text = "\N{BIRD} pay DE89 now"
    found = [
        {"class": "IBAN", "place": "/messages/2/content", "start": 16, "end": 20},
        {"class": "IBAN", "place": "/messages/0/content", "start": 0, "end": 4},
        {"class": "IBAN", "place": "/messages/2/content", "start": 2, "end": 6},  # in a file
    ]
    marks = marks_of(explained(findings=found), ("/messages/2/content", 10), text)
    assert marks == [{"start": 7, "end": 11, "word": "IBAN account number"}]
    assert text.encode("utf-16-le")[14:22].decode("utf-16-le") == "DE89"


def test_a_choice_says_what_would_become_of_the_draft() -> None:
    masked = choices_of(explained(candidates=[{**CLOUD, "mask": ["IBAN"], "masked": 2}]))
    assert masked == {
        "badge": "masked",
        "detail": "Would get it with 2 masked.",
        "masked": True,
    }
    assert choices_of(explained(candidates=[], dropped=[NOT_CLEARED]))["badge"] == "blocked"


def test_it_says_that_a_model_is_asked_only_when_the_message_is_sent() -> None:
    names = [{"recognizer": "names", "deployment": "ner", "classes": ["PERSON_NAME"]}]
    reason = lens_of(explained(candidates=[CLOUD], unasked=names))["reason"]
    assert reason == (
        "When you send it, a model of your own is asked as well (names): what that finds may keep "
        "it here."
    )
    assert lens_of(explained(candidates=[ON_PREM], unasked=names))["reason"] == ""
