"""The audit's pages in a browser: from a message in the chat to its decision, step by step."""

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.screens import IBAN_TEXT


def test_a_message_is_found_in_the_audit_and_explained(opened: Open) -> None:
    screens = opened()
    screens.send(IBAN_TEXT)
    screens.receipt()
    page = screens.page
    page.get_by_role("link", name="Audit", exact=True).click()
    rows = page.get_by_role("row")

    def there() -> bool:
        page.get_by_label("Category").select_option("payment")
        page.get_by_label("Zone").select_option("on_prem")
        page.get_by_role("button", name="Filter").click()
        return rows.count() > 1

    for _ in range(40):  # the journal is loaded every moment
        if there():
            break
        page.wait_for_timeout(250)
    assert "category=payment" in page.url
    row = rows.nth(1)
    expect(row).to_contain_text("IBAN account number")
    expect(row.locator(".badge")).to_have_attribute("data-badge", "on_prem")
    screens.expect_accessible()
    row.get_by_role("link").click()
    expect(page.locator(".steps")).to_contain_text("Found: IBAN account number.")
    expect(page.locator(".steps")).to_contain_text("The decision was written before")
    assert "DE89" not in page.locator("#main").inner_html()  # the rail has the chat's title
    screens.expect_accessible()
    page.goto("/audit/changes/")
    expect(page.get_by_role("table")).to_contain_text("user.logged_in")
    screens.expect_accessible()


def test_on_a_phone_the_tables_scroll_and_the_page_does_not(opened: Open) -> None:
    screens = opened("/audit/changes/", viewport={"width": 390, "height": 780}, is_mobile=True)
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert screens.page.evaluate(wide) is False
    screens.page.get_by_role("button", name="Menu", exact=True).click()
    expect(screens.page.get_by_role("navigation", name="Main")).to_be_visible()
