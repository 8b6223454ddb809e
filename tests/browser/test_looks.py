"""Themes, sizes, access and paper."""

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import CLEAN_TEXT, IBAN_TEXT

PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


def test_axe_finds_nothing_from_the_empty_page_to_a_talk_with_a_refusal(opened: Open) -> None:
    screens = opened()
    screens.expect_badge("cloud")
    screens.expect_accessible()
    screens.send(CLEAN_TEXT)
    screens.receipt().locator("summary").click()
    screens.choose("demo-cloud")
    screens.send(IBAN_TEXT)
    expect(screens.replies.last.locator(".refusal")).to_be_visible()
    screens.expect_accessible()
    screens.page.get_by_role("button", name="Choose a model").click()
    screens.expect_accessible()
    screens.page.keyboard.press("Escape")
    screens.page.get_by_role("button", name="Use the API").click()
    screens.expect_accessible()


def test_the_theme_is_kept_by_the_server_so_that_nothing_flashes(opened: Open) -> None:
    screens = opened(color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = screens.page.evaluate(paper)
    screens.page.get_by_role("button", name="Dark").click()
    dark = screens.page.evaluate(paper)
    assert dark != light
    screens.page.reload()
    assert screens.page.locator("html").get_attribute("data-theme") == "dark"
    assert screens.page.evaluate(paper) == dark
    screens.page.get_by_role("button", name="Follow the system").click()
    assert screens.page.evaluate(paper) == light


def test_on_a_phone_the_rail_is_a_drawer_and_nothing_scrolls_sideways(opened: Open) -> None:
    screens = opened(**PHONE)
    rail = screens.page.get_by_role("navigation", name="Main")
    expect(rail).to_be_hidden()
    screens.write(IBAN_TEXT)
    screens.expect_badge("on_prem")
    expect(screens.lens.locator(".badge")).to_be_in_viewport()
    screens.send_button.click()
    screens.page.wait_for_url("**/c/**")
    screens.receipt()
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert screens.page.evaluate(wide) is False
    assert (
        screens.page.evaluate("getComputedStyle(document.querySelector('#text')).fontSize")
        == "16px"
    )
    screens.expect_accessible()
    screens.page.get_by_role("button", name="Menu", exact=True).click()
    expect(rail).to_be_visible()
    screens.expect_accessible()
    screens.page.get_by_role("button", name="Close the menu").click()
    expect(rail).to_be_hidden()


def test_nothing_moves_for_those_who_asked_for_stillness(opened: Open) -> None:
    screens = opened(reduced_motion="reduce")
    screens.send(CLEAN_TEXT)
    screens.receipt()
    names = "[...document.querySelectorAll('*')].map((e) => getComputedStyle(e).animationName)"
    assert set(screens.page.evaluate(names)) == {"none"}


def test_on_paper_there_is_the_talk_alone(opened: Open) -> None:
    screens = opened()
    screens.send(CLEAN_TEXT)
    screens.receipt()
    screens.page.emulate_media(media="print")
    expect(screens.people.last).to_be_visible()
    expect(screens.page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(screens.composer).to_be_hidden()


def test_a_reader_who_scrolled_up_stays_there_and_may_jump_back(opened: Open) -> None:
    screens = opened(viewport={"width": 1000, "height": 420})
    for _ in range(3):
        screens.send("\n".join(f"line {number}" for number in range(12)))
        screens.receipt()
        expect(screens.stop_button).to_be_hidden()
    expect(screens.receipt()).to_be_in_viewport()
    screens.page.locator("#scroll").evaluate("(each) => each.scrollTo(0, 0)")
    jump = screens.page.get_by_role("button", name="Latest")
    jump.click()
    expect(screens.receipt()).to_be_in_viewport()
    expect(jump).to_be_hidden()


def test_the_administration_works_under_the_same_policy(opened: Open) -> None:
    screens = opened("/admin/")
    expect(screens.page.locator("#content")).to_be_visible()
    screens.page.locator("#content-main a").first.click()
    expect(screens.page.locator("#changelist, #content")).not_to_have_count(0)
