"""Files, prompts, search, temporary chats, keys."""

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import CLEAN_TEXT

NOTES = {
    "name": "notes.txt",
    "mimeType": "text/plain",
    "buffer": b"Write to ada.lovelace@example.org about IBAN DE89 3704 0044 0532 0130 00.",
}
RIVERS = {"name": "rivers.txt", "mimeType": "text/plain", "buffer": b"Amazon, Orinoco, Rhine"}
BLOB = {"name": "blob.bin", "mimeType": "application/octet-stream", "buffer": b"\x00\x01\x02"}


def test_what_a_file_says_is_found_before_it_is_sent_and_shown_as_it_would_be_sent(
    opened: Open,
) -> None:
    screens = opened()
    screens.write(CLEAN_TEXT)
    screens.expect_badge("cloud")
    screens.page.locator("#file").set_input_files(NOTES)  # type: ignore[arg-type]
    card = screens.page.locator("#files .file")
    expect(card).to_contain_text("its text is sent")
    screens.expect_badge("on_prem")
    expect(screens.reason).to_contain_text("IBAN")
    card.locator("summary").click()
    expect(card.locator(".extract")).to_contain_text("ada.lovelace@example.org")
    screens.expect_accessible()
    screens.send(CLEAN_TEXT)
    expect(screens.receipt()).to_contain_text("demo-onprem")
    expect(screens.people.last.locator(".file")).to_contain_text("notes.txt")
    expect(screens.page.locator("#files .file")).to_have_count(0)


def test_a_file_that_cannot_be_read_counts_as_restricted_and_may_be_removed(opened: Open) -> None:
    screens = opened()
    screens.write(CLEAN_TEXT)
    screens.page.locator("#file").set_input_files(BLOB)  # type: ignore[arg-type]
    expect(screens.page.locator("#files")).to_contain_text("cannot be read")
    screens.expect_badge("on_prem")
    screens.lens.click()
    expect(screens.page.get_by_role("dialog")).to_contain_text("restricted")
    screens.page.keyboard.press("Escape")
    screens.page.get_by_role("button", name="Remove blob.bin").click()
    screens.expect_badge("cloud")


def test_a_prompt_is_kept_filled_in_and_sent(opened: Open) -> None:
    screens = opened("/p/demo/prompts/")
    page = screens.page
    page.get_by_role("link", name="New prompt").click()
    page.get_by_label("Title").fill("Reminder")
    page.get_by_label("Prompt", exact=True).fill("Remind {{name}} of {{what}}.")
    page.get_by_label("System prompt").fill("Be kind.")
    screens.expect_accessible()
    page.get_by_role("button", name="Keep it").click()
    screens.expect_accessible()
    page.locator(".prompts li", has_text="Reminder").get_by_role("link", name="Use it").click()
    page.get_by_label("name", exact=True).fill("Ada")
    page.get_by_label("what", exact=True).fill("the lock")
    expect(screens.composer).to_have_value("Remind Ada of the lock.")
    screens.expect_accessible()
    screens.composer.press("Enter")
    page.wait_for_url("**/c/**")
    screens.receipt()
    # The demo vendor answers with what it received.
    expect(screens.replies.last).to_contain_text("Be kind.")
    expect(screens.people.last.locator(".words")).to_have_text("Remind Ada of the lock.")


def test_words_are_found_in_all_conversations(opened: Open) -> None:
    screens = opened()
    screens.page.locator("#file").set_input_files(RIVERS)  # type: ignore[arg-type]
    expect(screens.page.locator("#files .file")).to_be_visible()
    screens.send("Where does the kingfisher nest?")
    screens.receipt()
    page = screens.page
    page.keyboard.press("Control+k")
    page.get_by_label("Words").press_sequentially("kingf")
    found = page.locator(".found li")
    # The first message gave the conversation its title, and the demo model repeats it.
    expect(found).to_have_count(3)
    expect(found.first.locator("mark")).to_have_text("kingfisher")
    page.get_by_label("Words").fill("orinoco")
    expect(found).to_have_count(2)  # in the file, and in the reply
    expect(found.locator(".in-file")).to_contain_text("rivers.txt")
    expect(found.last.locator("mark")).to_contain_text("Orinoco")
    screens.expect_accessible()
    assert "orinoco" not in page.url
    found.first.get_by_role("link").click()
    expect(screens.people.last).to_contain_text("kingfisher")


def test_a_temporary_chat_stands_in_no_list(opened: Open) -> None:
    screens = opened()
    screens.page.get_by_role("link", name="Temporary").click()
    expect(screens.page.get_by_text("leaves no trace")).to_be_visible()
    screens.send("Where does the wryneck nest?")
    screens.receipt()
    expect(screens.page.locator(".top")).to_contain_text("Temporary")
    screens.page.goto("/search/")
    expect(screens.page.get_by_role("navigation", name="Main")).not_to_contain_text("wryneck")
    screens.page.get_by_label("Words").fill("wryneck")
    expect(screens.page.get_by_text("Nothing has all of these words.")).to_be_visible()


def test_keys_do_what_their_page_says(opened: Open) -> None:
    screens = opened()
    screens.send(CLEAN_TEXT)
    screens.receipt()
    keyboard = screens.page.keyboard
    screens.page.locator("#title").click()
    for key, place in (("m", "#models"), ("l", "#why"), ("s", "#share"), ("o", "#options")):
        keyboard.press(key)
        expect(screens.page.locator(place)).to_be_visible()
        keyboard.press("Escape")
        expect(screens.page.locator(place)).to_be_hidden()
        screens.page.locator("#title").click()
    keyboard.press("/")
    expect(screens.composer).to_be_focused()
    screens.page.locator("#title").click()
    keyboard.press("j")
    expect(screens.replies.last).to_be_focused()
    keyboard.press("k")
    expect(screens.people.last).to_be_focused()
    keyboard.press("?")
    expect(screens.page.get_by_role("heading", name="Keyboard shortcuts")).to_be_visible()
    screens.expect_accessible()
    keyboard.press("n")
    expect(screens.page.get_by_text("What would you like to know?")).to_be_visible()
