"""An empty installation leads its admin to the first message."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.screens import Screens
from tests.browser.scribe import Scribe
from tests.support.sluice import Sluice


@pytest.fixture
def empty_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    """A Sluice without any model."""
    server = Sluice(tmp_path_factory.mktemp("empty") / "var", demo=False)
    server.var.mkdir()
    try:
        yield server.start()
    finally:
        server.stop()


def test_from_nothing_to_the_first_message(browser: Browser, empty_house: Sluice) -> None:
    with Scribe() as scribe:
        context = browser.new_context(base_url=empty_house.url)
        screens = Screens(context.new_page())
        page = screens.page
        signed_in(page, empty_house)
        expect(page.get_by_text("No model may be used here yet")).to_be_visible()
        screens.expect_accessible()
        a_deployment_is_added(page, scribe.base_url)
        it_is_granted(page)
        a_key_is_made(page)
        empty_house.settle()
        the_first_message(screens)
        context.close()


def signed_in(page: Page, sluice: Sluice) -> None:
    page.goto("/login/")
    page.get_by_label("E-mail").fill(sluice.first_run["admin_email"])
    page.get_by_label("Password").fill(sluice.first_run["admin_password"])
    page.get_by_role("button", name="Sign in").click()


def step(page: Page, words: str) -> None:
    """Follow a step of the list on the overview."""
    page.goto("/overview/")
    page.get_by_role("region", name="First steps").get_by_role("link", name=words).click()


def a_deployment_is_added(page: Page, address: str) -> None:
    page.get_by_role("link", name="Add a deployment").click()
    page.get_by_label("Name", exact=True).fill("house")
    page.get_by_label("Model", exact=True).fill("scribe")
    page.get_by_label("Address", exact=True).fill(address)
    page.get_by_role("radio", name="On-prem").check(force=True)
    page.get_by_role("radio", name="restricted").check(force=True)
    page.get_by_role("checkbox", name="Every kind").check(force=True)
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")


def it_is_granted(page: Page) -> None:
    step(page, "Grant it")
    page.locator("#grants").get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Keep these").click()
    expect(page.get_by_role("status").first).to_contain_text("are those that are ticked")


def a_key_is_made(page: Page) -> None:
    page.goto("/overview/")
    # The first start made one and printed it.
    expect(page.get_by_role("heading", name="Make an API key (done)")).to_be_visible()
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("What is it for?").fill("notebook")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#key-text")).to_contain_text("sk-sluice-")


def the_first_message(screens: Screens) -> None:
    page = screens.page
    step(page, "Open the chat")
    screens.expect_badge("on_prem")
    screens.send("How often does each ward see its patients again?")
    expect(screens.receipt()).to_contain_text("house")
    for _ in range(40):  # the journal is loaded every moment
        page.goto("/overview/")
        if page.get_by_role("region", name="First steps").count() == 0:
            return
        page.wait_for_timeout(250)
    raise AssertionError("the first steps are never done")
