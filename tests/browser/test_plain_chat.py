"""Everything of the chat but the live talk, in a browser without scripting."""

from playwright.sync_api import expect

from tests.browser.conftest import Open


def test_a_conversation_begins_and_is_named_pinned_shared_and_deleted(opened: Open) -> None:
    page = opened(java_script_enabled=False).page
    page.get_by_role("button", name="System prompt and parameters").click()
    page.get_by_label("System prompt", exact=True).fill("Be kind.")
    page.get_by_label("Temperature").fill("0.4")
    page.get_by_role("button", name="Begin with these").click()
    page.wait_for_url("**/c/**")
    address = page.url
    options = page.get_by_role("button", name="This conversation")
    options.click()
    expect(page.get_by_label("System prompt", exact=True)).to_have_value("Be kind.")
    expect(page.get_by_label("Temperature")).to_have_value("0.4")
    page.get_by_label("Title").fill("Plain talk")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Plain talk")
    options.click()
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("list", name="Pinned")).to_contain_text("Plain talk")

    share = page.get_by_role("button", name="Share")
    share.click()
    page.get_by_role("button", name="Make a link").click()
    share.click()
    expect(page.locator(".links-made code")).to_contain_text("/s/")
    page.get_by_role("button", name="End it").click()
    share.click()
    expect(page.locator(".links-made li")).to_have_count(0)

    page.goto("/search/")
    page.get_by_label("Words").fill("plain talk")
    page.get_by_label("Words").press("Enter")
    expect(page.locator(".found li")).to_have_count(1)
    page.locator(".found a").click()
    options.click()
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_role("navigation", name="Main")).not_to_contain_text("Plain talk")
    assert page.goto(address).status == 404  # type: ignore[union-attr]
