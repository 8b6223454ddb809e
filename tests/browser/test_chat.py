"""The badge before, the stream, the receipt after."""

import re

from playwright.sync_api import APIResponse, Route, expect

from tests.browser.conftest import Open
from tests.browser.screens import CLEAN_TEXT, IBAN_TEXT


def test_an_account_number_keeps_the_message_in_the_house_before_it_is_sent(
    opened: Open,
) -> None:
    screens = opened()
    screens.expect_badge("cloud")
    screens.write(IBAN_TEXT)
    screens.expect_badge("on_prem")
    expect(screens.lens).to_contain_text("Stays on your servers")
    expect(screens.reason).to_contain_text("IBAN")
    expect(screens.page.locator("#ghosted mark")).to_have_text("DE89 3704 0044 0532 0130 00")
    screens.write(CLEAN_TEXT)
    screens.expect_badge("cloud")
    expect(screens.lens).to_contain_text("Goes to demo-cloud")
    expect(screens.page.locator("#ghosted mark")).to_have_count(0)


def test_the_lens_tells_the_label_the_order_and_what_was_dropped(opened: Open) -> None:
    screens = opened()
    screens.write(IBAN_TEXT)
    screens.expect_badge("on_prem")
    screens.lens.click()
    sheet = screens.page.get_by_role("dialog")
    expect(sheet).to_contain_text("confidential")
    expect(sheet.locator("li").filter(has_text="demo-onprem")).to_contain_text("On-prem")
    expect(sheet.locator("li.out").filter(has_text="demo-cloud")).to_contain_text("Blocked")
    screens.expect_accessible()
    screens.page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_the_lens_offers_to_stay_on_prem_and_the_models_say_what_would_become_of_it(
    opened: Open,
) -> None:
    screens = opened()
    screens.write(CLEAN_TEXT)
    screens.expect_badge("cloud")
    screens.lens.click()
    screens.page.get_by_role("dialog").get_by_role("button", name="demo-onprem").click()
    screens.expect_badge("on_prem")
    screens.write(IBAN_TEXT)
    screens.page.get_by_role("button", name="Choose a model").click()
    cloud = screens.page.locator(".option[data-model=demo-cloud]")
    expect(cloud).to_have_attribute("data-out", "")
    expect(cloud).to_contain_text("Blocked")
    expect(cloud).to_contain_text("may receive internal at most")


def test_a_clean_message_goes_to_the_cloud_and_the_receipt_says_so(opened: Open) -> None:
    screens = opened()
    screens.send(CLEAN_TEXT)
    receipt = screens.receipt()
    expect(receipt.locator(".done .badge")).to_have_text("Cloud")
    expect(receipt).to_contain_text("demo-cloud")
    expect(receipt).to_contain_text("nothing masked")
    expect(receipt).to_contain_text(re.compile(r"\d+ in"))
    expect(receipt).to_contain_text(re.compile(r"\d+ out"))
    # The demo vendor answers with what it received: the question, and nothing about us.
    expect(screens.replies.last).to_contain_text(CLEAN_TEXT)
    receipt.locator("summary").click()
    expect(receipt.locator("[data-slot=decision]")).to_have_text(re.compile(r"^dec_\w+$"))
    expect(receipt.locator("[data-slot=label]")).to_have_text("internal")
    screens.send("And a fourth?")
    screens.receipt()
    screens.announced("Reply complete")


def test_an_account_number_is_answered_on_prem(opened: Open) -> None:
    screens = opened()
    screens.send(IBAN_TEXT)
    receipt = screens.receipt()
    expect(receipt.locator(".done .badge")).to_have_text("On-prem")
    expect(receipt).to_contain_text("demo-onprem")
    # What was said stays said: the whole conversation is labelled again with the next message.
    screens.write(CLEAN_TEXT)
    screens.expect_badge("on_prem")


def test_a_refused_message_says_why_and_what_would_help_and_is_no_part_of_the_talk(
    opened: Open,
) -> None:
    screens = opened()
    screens.choose("demo-cloud")
    screens.write(IBAN_TEXT)
    screens.expect_badge("blocked")
    screens.send(IBAN_TEXT)
    card = screens.replies.last.locator(".refusal")
    expect(card.locator(".badge")).to_have_text("Blocked")
    expect(card).to_contain_text("confidential")
    expect(card.get_by_text("What would allow it:")).to_be_visible()
    expect(card.locator("[data-slot=remedy]")).to_contain_text("use model auto")
    screens.expect_badge("cloud")  # the refused words do not weigh on what comes next
    card.get_by_role("button", name="Take it back to edit").click()
    expect(screens.composer).to_have_value(IBAN_TEXT)
    expect(screens.people).to_have_count(0)
    screens.page.reload()
    expect(screens.people).to_have_count(0)


def test_a_refused_message_may_be_sent_where_the_policy_allows_it(opened: Open) -> None:
    screens = opened()
    screens.choose("demo-cloud")
    screens.send(IBAN_TEXT)
    screens.replies.last.get_by_role("button", name="Send with auto").click()
    expect(screens.receipt().locator(".done .badge")).to_have_text("On-prem")
    expect(screens.page.locator("#pick-name")).to_have_text("auto")
    expect(screens.people).to_have_count(1)


def test_a_refusal_that_is_there_before_the_answer_to_sending_leaves_nothing_to_stop(
    opened: Open,
) -> None:
    screens = opened()
    screens.send(CLEAN_TEXT)
    screens.receipt()
    held: list[tuple[Route, APIResponse]] = []
    screens.page.route("**/messages", lambda route: held.append((route, route.fetch())))
    screens.choose("demo-cloud")
    screens.send(IBAN_TEXT)
    expect(screens.replies.last.locator(".refusal")).to_be_visible()
    route, answer = held[0]
    route.fulfill(response=answer)
    expect(screens.composer).to_have_value("")
    expect(screens.stop_button).to_be_hidden()
    expect(screens.send_button).to_be_visible()


def test_enter_sends_and_shift_enter_starts_a_line(opened: Open) -> None:
    screens = opened()
    screens.composer.fill("one")
    screens.composer.press("Shift+Enter")
    screens.page.keyboard.type("two")
    expect(screens.composer).to_have_value("one\ntwo")
    screens.composer.press("Enter")
    expect(screens.people.last.locator(".words")).to_have_text("one\ntwo")


def test_an_empty_message_is_not_sent(opened: Open) -> None:
    screens = opened()
    expect(screens.send_button).to_have_attribute("aria-disabled", "true")
    screens.write("   ")
    screens.composer.press("Enter")
    expect(screens.people).to_have_count(0)
    assert screens.page.url.endswith("/p/demo/")


def test_a_reload_shows_the_same_talk(opened: Open) -> None:
    screens = opened()
    screens.send(CLEAN_TEXT)
    screens.receipt()
    live = screens.page.locator("#log").inner_text()
    screens.page.reload()
    expect(screens.replies).to_have_count(1)
    assert screens.page.locator("#log").inner_text() == live


def test_the_model_is_chosen_by_keyboard_and_remembered(opened: Open) -> None:
    screens = opened()
    picker = screens.page.get_by_role("button", name="Choose a model")
    picker.focus()
    screens.page.keyboard.press("Enter")
    expect(screens.page.locator("input[name=model]:checked")).to_be_focused()
    while screens.page.locator("input[name=model]:checked").input_value() != "demo-onprem":
        screens.page.keyboard.press("ArrowDown")
    screens.page.keyboard.press("Enter")
    expect(screens.page.locator("#models")).to_be_hidden()
    screens.expect_badge("on_prem")
    screens.page.reload()
    expect(screens.page.locator("#pick-name")).to_have_text("demo-onprem")


def test_the_session_that_ended_meanwhile_is_said_and_nothing_is_lost(opened: Open) -> None:
    screens = opened()
    screens.expect_badge("cloud")
    screens.page.context.clear_cookies(name="sessionid")
    screens.write(CLEAN_TEXT)
    screens.composer.press("Enter")
    expect(screens.page.get_by_role("alert")).to_contain_text("signed out")
    expect(screens.composer).to_have_value(CLEAN_TEXT)
