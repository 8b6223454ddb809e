"""The tour of the documents: it can be taken as the pages are now, shows what they name, and its
pictures are of the pages as they are."""

import re
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.tour import PICTURES, take
from tests.browser.tour_words import changed, read
from tests.support.sluice import ROOT

_SHOWN = re.compile(r"screenshots/([\w-]+)\.png")


def test_the_tour_can_be_taken_and_its_pictures_are_those_of_the_documents(
    browser: Browser, tmp_path: Path
) -> None:
    words = take(browser, tmp_path)
    taken = {each.stem for each in tmp_path.glob("*.png")}
    assert taken == {each.stem for each in PICTURES.glob("*.png")}, "run `make tour`"
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {name for each in documents for name in _SHOWN.findall(each.read_text("utf-8"))}
    assert shown <= taken
    of_tour = set(_SHOWN.findall((ROOT / "docs" / "tour.md").read_text("utf-8")))
    assert {name for name in taken if not name.endswith("-dark")} == of_tour
    assert changed(read(), words) == [], "the pages have changed: run `make tour`"
