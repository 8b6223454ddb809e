"""Somebody is invited, comes in, makes a key and uses it; what an admin sees and does."""

import re

import openai
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.people import PASSWORD, person
from tests.browser.screens import Screens
from tests.support.sluice import Sluice


def copied(page: Page, place: str) -> str:
    return page.locator(place).inner_text().strip()


def invite(page: Page, email: str) -> str:
    """The link of an invitation to the project `demo`."""
    page.goto("/projects/demo/")
    form = page.locator("section").filter(has_text="Invite somebody new")
    form.get_by_label("E-mail").fill(email)
    form.get_by_role("button", name="Make a link").click()
    return copied(page, "#link")


def test_from_an_invitation_to_a_key_that_answers_and_dies(
    opened: Open, sluice_server: Sluice
) -> None:
    admin = opened("/projects/")
    link = invite(admin.page, "grace@example.org")
    admin.expect_accessible()
    grace = opened(link.removeprefix(sluice_server.url), signed_in=False)
    page = grace.page
    expect(page.get_by_text("To the project Demo, as Member.")).to_be_visible()
    grace.expect_accessible()
    page.get_by_label("Your name").fill("Grace")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make my account").click()
    expect(grace.composer).to_be_focused()
    again = opened(link.removeprefix(sluice_server.url), signed_in=False)
    expect(again.page.get_by_text("This link lets nobody in")).to_be_visible()
    again.expect_accessible()
    a_key_is_made_rotated_and_revoked(grace, sluice_server)


def a_key_is_made_rotated_and_revoked(grace: Screens, sluice_server: Sluice) -> None:
    page = grace.page
    page.get_by_role("link", name="API keys").click()
    page.get_by_label("What is it for?").fill("notebook")
    page.get_by_role("button", name="Make the key").click()
    first = copied(page, "#key-text")
    grace.expect_accessible()
    sluice_server.settle()
    assert answers(sluice_server, first)
    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_text(first)).to_have_count(0)

    def used() -> bool:
        page.reload()
        cell = page.get_by_role("row").filter(has_text="notebook").get_by_role("cell").nth(3)
        return re.search(r"\d\d:\d\d", cell.inner_text()) is not None

    sluice_server.wait_for(used, "seen as used")
    page.get_by_role("link", name="notebook").click()
    grace.expect_accessible()
    page.get_by_label("The old one ends").select_option("1")
    page.get_by_role("button", name="Rotate it").click()
    second = copied(page, "#key-text")
    sluice_server.settle()
    assert answers(sluice_server, first)
    assert answers(sluice_server, second)
    page.goto("/keys/")
    # The successor has no end date yet: the old one's is tomorrow.
    page.get_by_role("row").filter(has_text=second[:18]).get_by_role("link").click()
    page.get_by_text("Revoke the key").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(page.get_by_role("status")).to_contain_text("dead")
    sluice_server.settle()
    assert answers(sluice_server, first)
    assert not answers(sluice_server, second)


def answers(sluice: Sluice, key: str) -> bool:
    """Whether the real SDK gets an answer with this key."""
    asked = [{"role": "user", "content": "Name a lock on a canal."}]
    try:
        sluice.client(key).chat.completions.create(model="demo-onprem", messages=asked)  # type: ignore[arg-type]
    except openai.AuthenticationError:
        return False
    return True


def test_an_admin_switches_somebody_off_and_their_open_page_is_out(
    opened: Open, sluice_server: Sluice
) -> None:
    email = person(sluice_server, "leaver", "demo")
    leaver = opened("/", signed_in=False)
    leaver.sign_in(email, PASSWORD)
    admin = opened("/people/?q=leaver")
    admin.page.get_by_role("link", name=email).click()
    admin.page.get_by_text("Switch the account off").click()
    admin.page.get_by_role("button", name="Switch it off").click()
    expect(admin.page.get_by_role("status")).to_contain_text("dead")
    leaver.page.reload()
    expect(leaver.page.get_by_role("heading", name="Sign in")).to_be_visible()
    leaver.page.get_by_label("E-mail").fill(email)
    leaver.page.get_by_label("Password").fill(PASSWORD)
    leaver.page.get_by_role("button", name="Sign in").click()
    expect(leaver.page.get_by_role("alert")).to_contain_text("do not match")


def test_every_form_works_without_scripting(opened: Open, sluice_server: Sluice) -> None:
    email = person(sluice_server, "plain")
    screens = opened("/projects/", java_script_enabled=False)
    page = screens.page
    page.get_by_label("Name", exact=True).fill("Plain forms")
    page.get_by_label("Short name").fill("plain-forms")
    page.get_by_label("Floor").select_option("confidential")
    page.get_by_role("button", name="Create it").click()
    expect(page.get_by_role("heading", name="Plain forms")).to_be_visible()
    page.get_by_label("Add by e-mail address").fill(email)
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".entries")).to_contain_text(email)
    page.get_by_label("Name", exact=True).last.fill("Plainer forms")
    page.locator("#account-name").fill("robot")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("robot", exact=True)).to_be_visible()
    page.goto("/keys/")
    page.get_by_label("What is it for?").fill("nightly")
    page.get_by_label("It acts as").select_option(label="robot, in Plain forms")
    page.get_by_role("button", name="Make the key").click()
    assert copied(page, "#key-text").startswith("sk-sluice-")
    page.goto("/people/groups/")
    page.get_by_label("Name", exact=True).fill("plain-people")
    page.get_by_label("Members, an address a line").last.fill(email)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", name="plain-people")).to_be_visible()
