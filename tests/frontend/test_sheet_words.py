"""What people read of a row in the preview and of an answer."""

import pytest

from frontend.sheet_words import answer_words, previewed
from gateway.batches.sheets.answered import Answer
from gateway.batches.sheets.marks import Fate

WORDS = {
    Fate.PLACEHOLDER: "e-mail address, masked",
    Fate.HASH: "e-mail address, hashed",
    Fate.PARTIAL: "e-mail address, partly masked",
    Fate.REMOVE: "e-mail address, removed",
    Fate.OPEN: "e-mail address, sent as it is",
    Fate.HELD: "e-mail address, not sent",
}


@pytest.mark.parametrize("fate", list(Fate))
def test_every_mark_says_what_was_found_and_what_becomes_of_it(fate: Fate) -> None:
    end = 5 if fate is Fate.REMOVE else 8
    mark = {"class": "EMAIL_ADDRESS", "start": 5, "end": end, "fate": fate.value}
    row = {
        **{"row": 1, "destination": None, "held": None, "cost_usd_most": None, "rules": []},
        "prompt": [{"role": "user", "text": "mail abc now", "marks": [mark]}],
    }
    pieces = previewed(row)["messages"][0]["pieces"]
    assert "".join(piece["text"] for piece in pieces) == "mail abc now"
    (marked,) = [piece for piece in pieces if piece["found"]]
    assert (marked["found"], marked["fate"]) == (WORDS[fate], fate.value)
    assert marked["text"] == "mail abc now"[5:end]


@pytest.mark.parametrize("lost", [True, False])
def test_an_answer_says_that_it_may_have_been_paid_for_twice(lost: bool) -> None:
    assert answer_words(Answer(row=1, cells=["x"], lost=lost))["twice"] is lost
