from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open
from tests.browser.people import PASSWORD, person
from tests.browser.screens import Screens
from tests.support.authenticator_app import code_of
from tests.support.identity_provider import IdentityProvider, claims_of
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


def test_a_second_factor_the_whole_way(opened: Open, sluice_server: Sluice) -> None:
    """Set up, keep the codes, sign out, sign in with it, use a code up, do without it again."""
    email = person(sluice_server, "cautious", "demo")
    screens = opened("/", signed_in=False)
    page = screens.page
    screens.sign_in(email, PASSWORD)
    page.get_by_role("link", name="Your account").click()
    screens.expect_accessible()
    page.get_by_role("link", name="Set it up").click()
    screens.expect_accessible()
    page.get_by_text("Or type it in").click()
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Type the six digits").fill("000000")
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("alert")).to_contain_text("not right")
    page.get_by_text("Or type it in").click()
    assert page.locator("#secret").inner_text() == secret
    page.get_by_label("Type the six digits").fill(code_of(secret))
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    screens.expect_accessible()
    codes = page.locator("#codes").inner_text().split()
    assert len(codes) == 10
    page.get_by_role("link", name="I keep them").click()
    expect(screens.composer).to_be_focused()
    it_is_asked_for_and_removed(screens, email, codes)


def it_is_asked_for_and_removed(screens: Screens, email: str, codes: list[str]) -> None:
    page = screens.page
    page.get_by_role("button", name="Sign out").click()

    def to_the_code() -> None:
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("Code")).to_be_focused()

    to_the_code()
    screens.expect_accessible()
    page.goto("/account/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    to_the_code()
    page.get_by_label("Code").fill(codes[0])
    page.get_by_label("Code").press("Enter")
    # Where the person was going.
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()
    expect(page.get_by_text("9 recovery codes are left")).to_be_visible()
    screens.expect_accessible()
    page.get_by_text("Remove it", exact=True).click()
    page.get_by_role("button", name="Remove the second factor").click()
    expect(page.get_by_role("status")).to_contain_text("removed")


def test_sessions_are_seen_and_ended_in_another_browser(
    opened: Open, sluice_server: Sluice
) -> None:
    email = person(sluice_server, "twofold", "demo")
    there = opened("/", signed_in=False)
    there.sign_in(email, PASSWORD)
    there.send("Is anybody there?")
    there.receipt()
    here = opened("/", signed_in=False)
    here.sign_in(email, PASSWORD)
    here.page.goto("/account/")
    expect(here.page.locator(".entries li")).to_have_count(2)
    # The open event connection of the other browser is closed without its doing anything.
    with there.page.expect_event(
        "requestfinished", lambda request: "/chat/events" in request.url, timeout=5_000
    ):
        here.page.get_by_role("button", name="End all others").click()
    expect(here.page.locator(".entries li")).to_have_count(1)
    there.page.reload()
    expect(there.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_identity_provider_lets_in_gives_and_takes(
    browser: Browser, provider: IdentityProvider, sluice_server: Sluice
) -> None:
    sluice = sluice_server
    admin = Screens(browser.new_context(base_url=sluice.url).new_page())
    admin.sign_in(sluice.first_run["admin_email"], sluice.first_run["admin_password"])
    admin.page.goto("/people/signing-in/")
    admin.page.get_by_label("One a line").fill("research -> project demo member\nno arrow")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("alert")).to_contain_text("Line 2")
    admin.page.get_by_label("One a line").fill("research -> project demo member")
    admin.expect_accessible()
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("status")).to_contain_text("Saved")
    provider.people["ada"] = claims_of("ada", "research")
    provider.people["mallory"] = claims_of("mallory")

    def comes(name: str) -> Screens:
        screens = Screens(browser.new_context(base_url=sluice.url).new_page())
        screens.page.goto("/p/demo/")
        screens.expect_accessible()
        screens.page.get_by_role("link", name="Sign in with Example").click()
        screens.page.get_by_role("link", name=name).click()
        return screens

    ada = comes("ada")
    expect(ada.composer).to_be_focused()
    ada.send("Hello from claims.")
    ada.receipt()
    mallory = comes("mallory")
    expect(mallory.page.get_by_role("alert")).to_contain_text("no account here for you")
    provider.people["ada"] = claims_of("ada")
    ada = comes("ada")
    ada.page.goto("/")
    expect(ada.page.get_by_text("You are not in a project yet")).to_be_visible()
    for screens in (admin, ada, mallory):
        screens.page.context.close()
