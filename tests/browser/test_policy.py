"""The policy's page in a browser: try a text, add a rule, publish it, see it hold in the chat."""

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import CLEAN_TEXT

RULE = """\
kind: project-policy
project: demo
rules:
- id: stays
  when: {sensitivity: {at_least: public}}
  then: {allow_only: {zone: on_prem}}
"""


def test_axe_finds_nothing_on_a_policy_with_a_text_tried(opened: Open) -> None:
    screens = opened("/p/demo/policy/")
    page = screens.page
    rule = page.locator("[data-rule='project:mails-masked']")
    page.get_by_label("Text", exact=True).fill("Pay to DE89 3704 0044 0532 0130 00.")
    expect(page.locator("#trial .fact")).to_have_text("Stays on your servers")
    expect(rule).not_to_have_attribute("data-matched", "")
    page.get_by_label("Text", exact=True).fill(
        "Ask ada@example.org, or pay DE89370400440532013000."
    )
    expect(rule).to_have_attribute("data-matched", "")
    expect(rule).to_contain_text("matches the text you typed")
    expect(page.locator("#trial .places")).to_contain_text("demo-onprem")
    screens.expect_accessible()
    page.goto("/policy/")
    screens.expect_accessible()


def test_a_rule_published_here_holds_in_the_chat_within_a_second(opened: Open) -> None:
    screens = opened("/p/demo/policy/draft/")
    page = screens.page
    before = page.get_by_label("The policy as YAML").input_value()
    page.get_by_label("The policy as YAML").fill(RULE)
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".changes")).to_contain_text("New rule stays:")
    page.get_by_label("Text", exact=True).fill(CLEAN_TEXT)
    expect(page.locator("#trial .fact")).to_have_text("Stays on your servers")
    page.get_by_label("Reason").fill("for this test")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("is in effect")
    try:
        page.wait_for_timeout(1000)  # the promise: within a second everywhere
        page.goto("/p/demo/")
        screens.write(CLEAN_TEXT)
        screens.expect_badge("on_prem")
    finally:
        page.goto("/p/demo/policy/draft/")
        page.get_by_label("The policy as YAML").fill(before)
        page.get_by_label("Reason").fill("as it was")
        page.get_by_role("button", name="Publish", exact=True).click()
        expect(page.get_by_role("status").first).to_contain_text("is in effect")


def test_without_scripts_a_text_can_be_tried_all_the_same(opened: Open) -> None:
    screens = opened("/p/demo/policy/", java_script_enabled=False)
    page = screens.page
    page.get_by_label("Text", exact=True).fill("My card is 4111 1111 1111 1111.")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.locator("#trial .fact")).to_have_text("Stays on your servers")
    expect(page.get_by_label("Text", exact=True)).to_have_value("My card is 4111 1111 1111 1111.")


def test_on_a_phone_a_policy_does_not_scroll_sideways(opened: Open) -> None:
    screens = opened("/p/demo/policy/", viewport={"width": 390, "height": 780}, is_mobile=True)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert screens.page.evaluate(wide) is False
