"""docs/recognizers.md names every data class, under its category."""

import re
from pathlib import Path

from policies.classification.recognizers import DATA_CLASSES
from policies.engine.labels import DEFAULT_MINIMUMS

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "recognizers.md").read_text()
ROWS = {
    row[1]: (row[2], set(re.findall(r"`([A-Z_]+)`", row[3])))
    for row in re.finditer(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", TEXT, re.MULTILINE)
}


def test_every_category_stands_there_with_its_minimum() -> None:
    listed = {name: word for name, (word, _) in ROWS.items()}
    assert listed == {name: minimum.word for name, minimum in DEFAULT_MINIMUMS.items()}


def test_every_data_class_stands_under_its_category() -> None:
    listed = {name: category for category, (_, names) in ROWS.items() for name in names}
    assert listed == dict(DATA_CLASSES)
