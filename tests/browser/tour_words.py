"""The words of the pages of the tour: when they change, its pictures are old.

Pictures cannot be compared from machine to machine; what stands on headings, labels, buttons and
columns can. Numbers, dates and ids are taken out: they differ from day to day.
"""

import json
import re
from pathlib import Path

from playwright.sync_api import Page

from tests.support.sluice import ROOT

WORDS = ROOT / "docs" / "screenshots" / "words.json"
_READ = """() => [...document.querySelectorAll(
  'h1, h2, legend, label, summary, button, thead th, th[scope=col]')]
  .filter((each) => each.checkVisibility())
  .map((each) => each.getAttribute('aria-label') ?? each.innerText)"""
_ID = re.compile(r"\b(?=\w*\d)(?=\w*[a-z])[\w-]{9,}\b")
_DAY = re.compile(
    r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\b"
)
_NUMBER = re.compile(r"\d[\d.,:]*")


def words_on(page: Page) -> list[str]:
    """What stands on the page's headings, labels, buttons and columns, each once, sorted."""
    found: list[str] = page.evaluate(_READ)
    return sorted({plain for each in found if (plain := _plain(each))})


def _plain(text: str) -> str:
    text = _NUMBER.sub("0", _DAY.sub("day", _ID.sub("id", text)))
    return " ".join(text.split())[:120]


def changed(before: dict[str, list[str]], now: dict[str, list[str]]) -> list[str]:
    """What differs, a line for each picture that is old."""
    lines = []
    for name in sorted(before.keys() | now.keys()):
        old, new = set(before.get(name, ())), set(now.get(name, ()))
        if old != new:
            lines.append(f"{name}: gone {sorted(old - new)}, new {sorted(new - old)}")
    return lines


def read(path: Path = WORDS) -> dict[str, list[str]]:
    """The words that were there when the pictures were taken."""
    found: dict[str, list[str]] = json.loads(path.read_text("utf-8"))
    return found


def write(words: dict[str, list[str]], path: Path = WORDS) -> None:
    """Keep the words beside the pictures."""
    text = json.dumps(words, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", "utf-8")
