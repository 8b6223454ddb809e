"""The receipt under a reply: what it cost, and what the vendor saw in place of what was masked."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.screens import Screens

ADDRESS = "ada@example.org"
TEXT = f"Write a short greeting to {ADDRESS}."


@contextmanager
def priced(page: Page) -> Iterator[None]:
    """A price for the demo vendor, per million tokens."""
    state_price(page, {"input": "3", "output": "15"})
    try:
        page.wait_for_timeout(1000)  # the promise: within a second everywhere
        yield
    finally:
        state_price(page, {})


def state_price(page: Page, price: dict[str, str]) -> None:
    code = """async (price) => {
      const key = JSON.parse(document.body.getAttribute("hx-headers:inherited"))["x-csrftoken"];
      const headers = { "content-type": "application/json", "x-csrftoken": key };
      const body = JSON.stringify(price);
      return (await fetch("/api/prices/demo-cloud", { method: "PUT", headers, body })).status;
    }"""
    assert page.evaluate(code, price) == 200


def sent(screens: Screens) -> None:
    screens.choose("auto")
    screens.write(TEXT)
    screens.expect_badge("masked")
    screens.send(TEXT)


def test_a_receipt_says_what_a_reply_cost(opened: Open) -> None:
    screens = opened()
    with priced(screens.page):
        sent(screens)
        receipt = screens.receipt()
        expect(receipt.locator(".facts")).to_contain_text("$0.0")
        receipt.locator("summary").click()
        expect(receipt.locator("dl")).to_contain_text("$0.0")
        screens.page.reload()
        expect(screens.receipt().locator(".facts")).to_contain_text("$0.0")


def test_what_stays_costs_nothing(opened: Open) -> None:
    screens = opened()
    screens.choose("demo-onprem")
    screens.send(TEXT)
    expect(screens.receipt().locator(".facts")).to_contain_text("$0")


def test_what_the_vendor_saw_is_shown_by_pointer_and_by_key(opened: Open) -> None:
    screens = opened()
    sent(screens)
    receipt = screens.receipt()
    peek, summary = receipt.locator(".peek"), receipt.locator("summary")
    expect(peek).to_be_hidden()
    summary.hover()
    expect(peek).to_be_visible()
    expect(peek).to_contain_text(ADDRESS)
    placeholder = peek.locator("code").inner_text()
    assert ADDRESS not in placeholder
    screens.page.mouse.move(0, 0)
    expect(peek).to_be_hidden()
    # From the first button of the message, back to the receipt, as somebody without a pointer.
    receipt.get_by_role("button", name="Copy the reply").focus()
    screens.page.keyboard.press("Shift+Tab")
    expect(summary).to_be_focused()
    expect(peek).to_be_visible()
    screens.expect_accessible()
    screens.page.keyboard.press("Enter")
    expect(peek).to_be_hidden()
    expect(receipt.locator("dl")).to_contain_text(placeholder)


def test_a_touch_opens_the_receipt_with_what_the_vendor_saw(opened: Open) -> None:
    screens = opened(viewport={"width": 390, "height": 780}, is_mobile=True, has_touch=True)
    screens.write(TEXT)
    screens.expect_badge("masked")
    screens.send_button.click()
    screens.page.wait_for_url("**/c/**")
    receipt = screens.receipt()
    receipt.locator("summary").tap()
    expect(receipt.locator("dl .masked")).to_contain_text(ADDRESS)
    expect(receipt.locator("dl .masked code")).to_be_visible()


def test_the_lens_leaves_the_choice_to_stay_or_to_mask_and_use_the_cloud(opened: Open) -> None:
    screens = opened()
    ways = screens.page.locator(".ways")
    screens.choose("auto")
    screens.write(TEXT)
    screens.expect_badge("masked")
    screens.lens.click()
    ways.get_by_role("button", name="demo-onprem").click()
    screens.expect_badge("on_prem")
    screens.lens.click()
    ways.get_by_role("button", name="Cloud, masked").click()
    screens.expect_badge("masked")
    screens.send_button.click()
    screens.page.wait_for_url("**/c/**")
    expect(screens.receipt().locator(".badge")).to_have_attribute("data-badge", "masked")
