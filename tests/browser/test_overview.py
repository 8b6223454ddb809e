"""The overview in a browser: the day's numbers after real messages, and the switch that stops."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import CLEAN_TEXT
from tests.support.sluice import Sluice


def test_axe_finds_nothing_on_a_day_with_requests(opened: Open, sluice_server: Sluice) -> None:
    message = {"role": "user", "content": CLEAN_TEXT}
    sluice_server.client().chat.completions.create(model="auto", messages=[message])  # type: ignore[list-item]
    screens = opened("/overview/")
    page = screens.page
    headline = page.locator(".headline")
    for _ in range(40):  # the loader brings the journal in a moment
        if re.search(r"[1-9]\d* of \d+ request", headline.inner_text()):
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(headline).to_contain_text(re.compile(r"[1-9]\d* of \d+ request"))
    page.get_by_text("By the hour, as a table").click()
    expect(page.get_by_role("region", name="Requests by the hour")).to_be_visible()
    screens.expect_accessible()
    page.get_by_text("Stop everything that leaves").click()
    screens.expect_accessible()


def test_the_switch_stops_what_leaves_on_the_next_message_and_lets_it_go_again(
    opened: Open,
) -> None:
    screens = opened("/overview/")
    page = screens.page
    page.get_by_text("Stop everything that leaves").click()
    page.get_by_label("Reason").fill("a drill")
    page.get_by_label("Yes, stop it for everybody").check()
    page.get_by_role("button", name="Stop it now").click()
    try:
        expect(page.locator(".stopped")).to_contain_text("Nothing leaves the house.")
        screens.expect_accessible()
        page.wait_for_timeout(1000)  # the promise: within a second everywhere
        page.goto("/p/demo/")
        expect(page.locator(".stopped")).to_be_visible()
        screens.write(CLEAN_TEXT)
        screens.expect_badge("on_prem")
        expect(screens.composer).to_be_in_viewport()
    finally:
        page.goto("/overview/")
        page.get_by_label("Yes, let it leave again").check()
        page.get_by_role("button", name="Let it leave", exact=True).click()
        expect(page.locator(".stopped")).to_have_count(0)
    page.wait_for_timeout(1000)
    page.goto("/p/demo/")
    screens.write(CLEAN_TEXT)
    screens.expect_badge("cloud")


def test_a_day_is_chosen_without_scripts(opened: Open) -> None:
    page = opened("/overview/", java_script_enabled=False).page
    page.locator("#day").fill("2026-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".headline")).to_have_text("Nothing was asked.")
    page.get_by_role("link", name="The day after").click()
    expect(page.locator("#day")).to_have_value("2026-01-02")
