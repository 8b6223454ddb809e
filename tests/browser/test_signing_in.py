from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.support.sluice import Sluice


def test_one_signs_in_by_keyboard_alone(opened: Open, sluice_server: Sluice) -> None:
    screens = opened("/", signed_in=False)
    keyboard = screens.page.keyboard
    expect(screens.page.get_by_label("E-mail")).to_be_focused()
    keyboard.type(sluice_server.first_run["admin_email"])
    keyboard.press("Tab")
    keyboard.type(sluice_server.first_run["admin_password"])
    keyboard.press("Enter")
    expect(screens.composer).to_be_focused()


def test_a_wrong_password_is_said_clearly(opened: Open, sluice_server: Sluice) -> None:
    screens = opened("/login/", signed_in=False)
    screens.page.get_by_label("E-mail").fill(sluice_server.first_run["admin_email"])
    screens.page.get_by_label("Password").fill("not it")
    screens.page.get_by_role("button", name="Sign in").click()
    expect(screens.page.get_by_role("alert")).to_contain_text("do not match")
    screens.expect_accessible()


def test_signing_out_closes_the_door(opened: Open, sluice_server: Sluice) -> None:
    screens = opened("/", signed_in=False)
    first_run = sluice_server.first_run
    screens.sign_in(first_run["admin_email"], first_run["admin_password"])
    screens.page.get_by_role("button", name="Sign out").click()
    expect(screens.page.get_by_role("heading", name="Sign in")).to_be_visible()
    screens.page.goto("/")
    expect(screens.page.get_by_role("heading", name="Sign in")).to_be_visible()
