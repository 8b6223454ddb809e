"""Where a value must not be put back: in whatever may be taken for a part of a URL."""

import pytest

from policies.classification.links import LONGEST_RUN, REACH, inside_url


@pytest.mark.parametrize(
    ("before", "inside"),
    [
        ("write to ", False),
        ("https://files.example/", True),
        ("see https://files.example/ and ", False),
        *[(f"https://files.example/{white}", False) for white in " \n\t\r\f\v"],
        *[(f"a{white}https://files.example/?q=", True) for white in " \n\t\r\f\v"],
        ("![shown](//files.example/a b", True),
        ("![shown](//files.example/a) b", False),
        ("![shown](//files.example/a\nb ", False),
        ("one] and [two](c d", True),
        ("a ](b\nc](d ", True),
        ("[1] and (so on) ", False),
        ('<img src="//files.example/a b', True),
        ('<img src="//files.example/a"> and ', False),
        ("a" * (LONGEST_RUN - 1), False),
        ("a" * LONGEST_RUN, True),
        (" " + "a" * LONGEST_RUN, True),
        (" " + "a" * (LONGEST_RUN - 1), False),
        ("](" + "b " * (REACH // 2), False),
        ("](" + "b " * (REACH // 2 - 1), True),
    ],
)
def test_a_place_is_inside_a_url_or_not(before: str, inside: bool) -> None:
    assert inside_url(before + "word", len(before)) is inside
    assert inside_url(f"{before} ", len(before)) is inside
