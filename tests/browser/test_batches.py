"""The Batches page in a browser: from a table to its answers, beside what may go wrong."""

import csv
import io
import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import Screens
from tests.browser.tables import COLUMNS, Tables, feedback
from tests.browser.test_looks import PHONE

IBAN = "DE89 3704 0044 0532 0130 00"
MAIL = "ward4@example.org"


def test_a_table_goes_in_and_comes_back_with_its_answers(opened: Open) -> None:
    tables = Tables(opened("/p/demo/batches/").page)
    tables.upload(feedback(40))
    # Columns whose cells hold something say so.
    expect(tables.page.get_by_role("button", name="comment · payment, personal")).to_be_visible()
    tables.ask()
    for badge, rows in {"cloud": 20, "masked": 10, "on_prem": 10}.items():
        expect(tables.count(badge)).to_contain_text(str(rows))
        expect(tables.preview.locator(f"[data-badge={badge}]").first).to_be_visible()
    # What would be sent is shown as it would be: the address is not in it, its place is marked.
    masked = tables.preview.locator("tr", has=tables.page.locator("[data-badge=masked]")).first
    expect(masked.locator("mark")).to_be_visible()
    expect(masked).not_to_contain_text(MAIL)
    expect(tables.state).to_contain_text("Cost")
    last = int(tables.preview.get_by_role("rowheader").last.inner_text())
    tables.page.get_by_role("link", name="Preview 6 more").click()
    expect(tables.preview.get_by_role("rowheader").first).to_have_text(str(last + 1))

    tables.run(40)
    tables.ended("Completed")
    expect(tables.state.get_by_role("status")).to_contain_text("40 of 40 done · 0 failed")
    answers = tables.page.get_by_role("region", name="Answers")
    expect(answers.locator("tbody tr")).to_have_count(10)
    tables.page.get_by_role("link", name="More answers").click()
    expect(answers.get_by_role("rowheader").first).to_have_text("11")

    given = list(csv.DictReader(io.StringIO(feedback(40).decode())))
    back = list(csv.DictReader(io.StringIO(tables.download("CSV").decode("utf-8-sig"))))
    assert [[row[name] for name in COLUMNS] for row in back] == [
        [row[name] for name in COLUMNS] for row in given
    ]
    for row in back:
        assert row["_status"] == "completed"
        assert row["_zone"] == ("on_prem" if IBAN in row["comment"] else "cloud")
        assert row["_masked"] == ("1" if MAIL in row["comment"] else "0")
        assert row["_cost"] == "0.000000000"
        # The demo models say how what they received began.
        assert f"comment on ward {row['ward']}: {row['comment'][:10]}" in row["answer"]
    lines = [json.loads(line) for line in tables.download("JSONL").splitlines()]
    assert [line["answer"] for line in lines] == [row["answer"] for row in back]
    assert tables.download("XLSX").startswith(b"PK")


def test_rows_that_may_not_go_are_shown_and_counted_and_can_go_elsewhere(opened: Open) -> None:
    tables = Tables(opened("/p/demo/batches/").page)
    tables.upload(feedback(8))
    tables.ask(model="demo-cloud")
    expect(tables.count("blocked")).to_contain_text("2")
    expect(tables.preview.locator("[data-badge=blocked]").first).to_be_visible()
    expect(tables.preview.locator(".why").first).to_contain_text("demo-cloud may receive internal")
    tables.run(6)
    tables.ended("Completed")
    expect(tables.state.get_by_role("status")).to_contain_text("8 of 8 done · 2 failed")
    expect(tables.state).to_contain_text("No deployment may receive the row")
    tables.page.get_by_role("button", name="Retry 2").click()
    tables.ended("Completed")
    expect(tables.state.get_by_role("status")).to_contain_text("8 of 8 done · 2 failed")
    tables.page.get_by_label("Model for the retry").select_option("demo-onprem")
    tables.page.get_by_role("button", name="Retry 2").click()
    expect(tables.state.get_by_role("status")).to_contain_text(
        "8 of 8 done · 0 failed", timeout=60_000
    )


def test_progress_is_seen_without_reloading_and_what_is_paused_goes_on(opened: Open) -> None:
    tables = Tables(opened("/p/demo/batches/").page)
    rows = 3000  # so many that there is time to pause
    tables.upload(feedback(rows))
    tables.ask(model="demo-onprem")
    tables.run(rows)
    bar = tables.state.get_by_role("progressbar", name="Rows done")
    expect(bar).to_be_visible()
    tables.page.evaluate("window.stayed = true")
    expect(bar).not_to_have_js_property("value", 0, timeout=30_000)
    assert tables.page.evaluate("window.stayed") is True
    tables.page.get_by_role("button", name="Pause").click()
    tables.ended("Paused")
    done = float(bar.evaluate("(each) => each.value"))
    assert 0 < done < rows
    tables.page.get_by_role("button", name="Resume").click()
    tables.ended("Completed")
    expect(tables.state.get_by_role("status")).to_contain_text(
        re.compile(r"3,?000 of 3,?000 done · 0 failed")
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n3\n", "line 3"),
        (b"a,a\n1,2\n", "column B (a)"),
    ],
    ids=["empty", "a short row", "a column twice"],
)
def test_a_bad_file_is_refused_with_what_and_where(opened: Open, content: bytes, says: str) -> None:
    screens = opened("/p/demo/batches/")
    tables = Tables(screens.page)
    tables.upload(content, "bad.csv")
    expect(screens.page.get_by_role("heading", level=1)).to_have_text("Batches")
    complaint = screens.page.locator(".field .notice")
    expect(complaint).to_contain_text(says)
    screens.expect_accessible()


def test_a_column_that_is_not_there_is_named_beside_the_prompt(opened: Open) -> None:
    tables = Tables(opened("/p/demo/batches/").page)
    tables.upload(feedback(4))
    tables.prompt.fill("Say {{nonsense}}")
    tables.page.get_by_role("button", name="Preview and estimate").click()
    expect(tables.page.locator("form", has=tables.prompt)).to_contain_text("nonsense")
    expect(tables.prompt).to_have_value("Say {{nonsense}}")


def test_without_scripts_the_whole_way_works(opened: Open) -> None:
    tables = Tables(opened("/p/demo/batches/", java_script_enabled=False).page)
    tables.upload(feedback(4))
    tables.prompt.fill("Say {{comment}}")
    tables.page.get_by_label("Model").select_option("demo-onprem")
    tables.page.get_by_role("button", name="Preview and estimate").click()
    _reload_until(tables, "Ready to run")
    tables.run(4)
    _reload_until(tables, "Completed")
    assert tables.download("CSV").count(b"completed") == 4


def _reload_until(tables: Tables, words: str) -> None:
    for _ in range(60):
        if words in tables.page.locator("main").inner_text():
            return
        tables.page.wait_for_timeout(500)
        tables.page.reload()
    raise AssertionError(f"the page never said {words}")


def _seen_at_each_step(screens: Screens) -> None:
    tables = Tables(screens.page)
    screens.expect_accessible()
    tables.upload(feedback(12))
    screens.expect_accessible()
    tables.ask(model="demo-cloud")
    screens.expect_accessible()
    tables.run(9)
    tables.ended("Completed")
    expect(screens.page.get_by_role("region", name="Answers")).to_be_visible()
    screens.expect_accessible()
    screens.page.goto("/p/demo/batches/")
    screens.expect_accessible()


def test_axe_finds_nothing_at_any_step(opened: Open) -> None:
    _seen_at_each_step(opened("/p/demo/batches/"))


def test_on_a_phone_nothing_scrolls_sideways(opened: Open) -> None:
    screens = opened("/p/demo/batches/", **PHONE)
    tables = Tables(screens.page)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert screens.page.evaluate(wide) is False
    tables.upload(feedback(4))
    tables.ask()
    assert screens.page.evaluate(wide) is False
    assert tables.prompt.evaluate("(each) => getComputedStyle(each).fontSize") == "16px"
    expect(tables.preview.locator("[data-badge]").first).to_be_visible()
    screens.expect_accessible()
