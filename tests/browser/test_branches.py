"""Editing, writing again, and going from branch to branch."""

import json
import re

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import CLEAN_TEXT, IBAN_TEXT


def test_an_edited_message_is_a_branch_and_both_stay(opened: Open) -> None:
    screens = opened()
    screens.send(IBAN_TEXT)
    screens.receipt()
    screens.write("x")
    screens.expect_badge("on_prem")
    message = screens.people.last
    message.hover()
    message.get_by_role("button", name="Edit the message").click()
    box = screens.page.locator("form.edit textarea")
    expect(box).to_have_value(IBAN_TEXT)
    screens.expect_accessible()
    box.fill(CLEAN_TEXT)
    screens.page.get_by_role("button", name="Send as a new branch").click()
    expect(screens.people.last.locator(".words")).to_have_text(CLEAN_TEXT)
    screens.receipt()
    expect(screens.people.last.locator(".branches")).to_contain_text("2 / 2")
    # The branch without the account number is as free as if it had never been written.
    screens.write("x")
    screens.expect_badge("cloud")
    screens.people.last.get_by_role("link", name="Previous branch").click()
    expect(screens.people.last.locator(".words")).to_have_text(IBAN_TEXT)
    screens.write("y")
    screens.expect_badge("on_prem")
    screens.page.reload()
    expect(screens.people.last.locator(".words")).to_have_text(IBAN_TEXT)


def test_a_reply_is_written_again_by_another_model(opened: Open) -> None:
    screens = opened()
    screens.send(CLEAN_TEXT)
    expect(screens.receipt()).to_contain_text("demo-cloud")
    screens.replies.last.get_by_role("button", name="with another model").click()
    screens.page.locator(".option").filter(has_text="demo-onprem").click()
    expect(screens.replies.last).to_contain_text("demo-onprem")
    expect(screens.receipt()).to_contain_text("demo-onprem")
    expect(screens.replies.last.locator(".branches")).to_contain_text("2 / 2")
    screens.replies.last.get_by_role("link", name="Previous branch").click()
    expect(screens.receipt()).to_contain_text("demo-cloud")
    expect(screens.replies).to_have_count(1)


def test_a_thumb_stays_and_what_is_copied_is_what_was_written(opened: Open) -> None:
    screens = opened()
    screens.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    screens.send("Say **bold** things.")
    screens.receipt()
    good = screens.replies.last.get_by_role("button", name="Good reply")
    good.click()
    expect(good).to_have_attribute("aria-pressed", "true")
    screens.people.last.hover()
    screens.people.last.get_by_role("button", name="Copy the message").click()
    screens.announced("Copied")
    assert screens.page.evaluate("navigator.clipboard.readText()") == "Say **bold** things."
    screens.page.reload()
    expect(good).to_have_attribute("aria-pressed", "true")


def test_a_conversation_is_renamed_pinned_exported_and_deleted(opened: Open) -> None:
    screens = opened()
    page = screens.page
    screens.send(CLEAN_TEXT)
    screens.receipt()
    page.get_by_role("button", name="This conversation").click()
    screens.expect_accessible()
    page.get_by_label("Title").fill("Locks and canals")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Locks and canals")
    page.get_by_role("button", name="This conversation").click()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("list", name="Pinned")).to_contain_text("Locks and canals")
    page.get_by_role("button", name="This conversation").click()
    with page.expect_download() as exported:
        page.get_by_role("link", name="Markdown").click()
    text = exported.value.path().read_text()
    assert text.startswith("# Locks and canals\n")
    assert CLEAN_TEXT in text
    with page.expect_download() as exported:
        page.get_by_role("link", name="JSON").click()
    said = json.loads(exported.value.path().read_text())["messages"]
    assert [(each["role"], each.get("zone")) for each in said] == [
        ("user", None),
        ("assistant", "cloud"),
    ]
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/")
    expect(page.get_by_role("navigation", name="Main")).not_to_contain_text("Locks and canals")


def test_a_system_prompt_is_set_before_the_first_message_and_the_lens_sees_it(
    opened: Open,
) -> None:
    screens = opened()
    page = screens.page
    screens.write(CLEAN_TEXT)
    screens.expect_badge("cloud")
    page.get_by_role("button", name="System prompt and parameters").click()
    page.get_by_label("System prompt", exact=True).fill(
        "The account is DE89 3704 0044 0532 0130 00."
    )
    page.get_by_label("Temperature").fill("warm")
    screens.expect_accessible()
    page.get_by_role("button", name="Begin with these").click()
    expect(screens.composer).to_be_focused()
    expect(page.locator("#set")).to_be_visible()
    expect(screens.reason).to_contain_text("temperature must be a number")
    page.get_by_role("button", name="System prompt and parameters").click()
    page.get_by_label("Temperature").fill("0.2")
    page.keyboard.press("Escape")
    screens.expect_badge("on_prem")
    screens.send(CLEAN_TEXT)
    expect(screens.receipt()).to_contain_text("demo-onprem")
    page.get_by_role("button", name="This conversation").click()
    expect(page.get_by_label("System prompt", exact=True)).to_have_value(re.compile("DE89"))
    expect(page.get_by_label("Temperature")).to_have_value("0.2")


def test_a_system_prompt_travels_and_is_scanned(opened: Open) -> None:
    screens = opened()
    page = screens.page
    screens.send(CLEAN_TEXT)
    screens.receipt()
    page.get_by_role("button", name="This conversation").click()
    page.get_by_label("System prompt", exact=True).fill(
        "The account is DE89 3704 0044 0532 0130 00."
    )
    page.get_by_role("button", name="Save", exact=True).click()
    screens.expect_badge("on_prem")
    screens.send("And now?")
    expect(screens.receipt()).to_contain_text("demo-onprem")
