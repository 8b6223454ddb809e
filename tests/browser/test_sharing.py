"""Several people in one conversation, each with a browser of their own."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.people import PASSWORD, person
from tests.browser.screens import CLEAN_TEXT, Screens
from tests.support.sluice import Sluice


def signed_in(opened: Open, email: str) -> Screens:
    screens = opened("/login/", signed_in=False)
    screens.page.get_by_label("E-mail").fill(email)
    screens.page.get_by_label("Password").fill(PASSWORD)
    screens.page.get_by_role("button", name="Sign in").click()
    screens.page.wait_for_url(re.compile(r"^https?://[^/]+/$"))
    return screens


def test_two_members_see_the_same_talk_who_is_here_and_who_types(
    opened: Open, sluice_server: Sluice
) -> None:
    ben = signed_in(opened, person(sluice_server, "ben", "demo"))
    ada = opened()
    ada.send(CLEAN_TEXT)
    ada.receipt()
    address = ada.page.url
    assert ben.page.goto(address).status == 404  # type: ignore[union-attr]
    ada.page.get_by_role("button", name="Share").click()
    ada.expect_accessible()
    ada.page.get_by_role("button", name="Members of").click()
    ben.page.goto(address)
    expect(ben.people).to_have_count(1)
    expect(ben.page.locator("#here")).to_contain_text("2 here now")
    expect(ada.page.locator("#here")).to_contain_text("2 here now")
    ben.composer.press_sequentially("Me")
    expect(ada.page.locator("#typing")).to_contain_text("ben@example.org is typing")
    ben.send("And a question of mine?")
    ben.receipt()
    expect(ada.people.last).to_contain_text("ben@example.org")
    ada.receipt()
    assert ada.page.locator("#log").inner_text() == ben.page.locator("#log").inner_text()
    ben.expect_accessible()
    ada.page.get_by_role("button", name="Share").click()
    ada.page.get_by_role("button", name="Only you").click()
    # Whoever may not look any more is sent away at once.
    ben.page.wait_for_url(re.compile(r"/$"))


def test_a_link_asks_for_a_login_opens_reading_and_ends_at_once(
    opened: Open, sluice_server: Sluice
) -> None:
    email = person(sluice_server, "eve")
    ada = opened()
    ada.send(CLEAN_TEXT)
    ada.receipt()
    ada.page.get_by_role("button", name="Share").click()
    ada.page.get_by_role("button", name="Make a link").click()
    link = ada.page.locator(".links-made code").inner_text()
    stranger = opened("/login/", signed_in=False)
    stranger.page.goto(link)
    expect(stranger.page.get_by_role("heading", name="Sign in")).to_be_visible()
    stranger.page.get_by_label("E-mail").fill(email)
    stranger.page.get_by_label("Password").fill(PASSWORD)
    stranger.page.get_by_role("button", name="Sign in").click()
    expect(stranger.people).to_have_count(1)
    expect(stranger.composer).to_have_count(0)
    expect(stranger.page.get_by_text("you may read here")).to_be_visible()
    stranger.expect_accessible()
    address = stranger.page.url
    ada.page.keyboard.press("Escape")
    ada.send("One more thing?")
    ada.receipt()
    expect(stranger.replies).to_have_count(2)
    ada.page.get_by_role("button", name="Share").click()
    ada.page.get_by_role("button", name="End it").click()
    stranger.page.wait_for_url(re.compile(r"/$"))
    assert stranger.page.goto(address).status == 404  # type: ignore[union-attr]


def test_ten_tabs_of_one_browser_hold_one_event_connection(
    opened: Open, sluice_server: Sluice
) -> None:
    first = opened()
    first.send(CLEAN_TEXT)
    first.receipt()
    address = first.page.url
    context = first.page.context
    tabs = [Screens(context.new_page()) for _ in range(9)]
    for tab in tabs:
        tab.page.goto(address)
        expect(tab.replies).to_have_count(1)
    tabs[4].send("Do all of you see this?")
    for tab in (first, *tabs):
        expect(tab.people).to_have_count(2)
        tab.receipt()
    held = "navigator.locks.query().then(({ held }) => held.map((lock) => lock.name))"
    assert first.page.evaluate(held) == ["sluice-events"]
    # Only the tab that leads asks for events: again as tabs come, closing the one before.
    leaders = {
        url
        for tab in tabs
        for url in tab.page.evaluate(
            "performance.getEntriesByType('resource').map((e) => e.name)"
            ".filter((n) => n.includes('/chat/events'))"
        )
    }
    assert leaders == set()
    # The leader goes: another tab takes over, and nothing is missed.
    first.page.close()
    tabs[0].send("And this?")
    for tab in tabs:
        expect(tab.people).to_have_count(3)
        tab.receipt()
