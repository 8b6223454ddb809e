"""Exceptions, a draft in shadow, budgets and usage in a browser, over the real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.people import PASSWORD, person
from tests.browser.screens import CLEAN_TEXT
from tests.support.sluice import Sluice

POLICY = "/p/demo/policy/"
STAYS = """\
kind: project-policy
project: demo
rules:
- id: stays
  then: {allow_only: {zone: on_prem}}
"""


def test_an_exception_is_made_listed_and_ended_without_scripts(opened: Open) -> None:
    page = opened(POLICY, java_script_enabled=False).page
    page.get_by_text("Make an exception").click()
    page.get_by_label("mails-masked", exact=True).check()
    page.get_by_label("Name", exact=True).fill("trial")
    until = datetime.now(UTC).date() + timedelta(days=9)
    page.get_by_label("Until the end of").fill(f"{until}")
    page.get_by_label("Why").fill("to see what arrives")
    page.get_by_role("button", name="Make the exception").click()
    expect(page.get_by_role("status").first).to_contain_text("trial holds")
    expect(page.locator("#exceptions")).to_contain_text(f"until {until:%-d %b %Y}")
    expect(page.locator("[data-rule='project:mails-masked']")).to_contain_text("suspended by trial")
    page.get_by_role("button", name="End it trial").click()
    expect(page.get_by_role("status").first).to_contain_text("trial has ended")
    expect(page.locator("#exceptions")).to_contain_text("None")


_SECOND = """
from gateway.accounts.acting import System
from gateway.accounts.models import Organisation, User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import people
by = System("console")
Organisation.load()
Organisation.objects.update(second_person_for_widening={asked})
people.change_user_role(
    by=by, user=User.objects.get(email="{email}"), role=OrganisationRole.{role}
)
"""


@contextmanager
def second_person(server: Sluice) -> Iterator[str]:
    """Widening takes one, who is this approver."""
    email = person(server, "second", "demo")
    server.manage("shell", "-c", _SECOND.format(asked=True, email=email, role="APPROVER"))
    try:
        yield email
    finally:
        server.manage("shell", "-c", _SECOND.format(asked=False, email=email, role="NONE"))


def ask_for_an_exception(page: Page, name: str) -> None:
    page.goto(POLICY)
    page.get_by_text("Make an exception").click()
    page.get_by_label("mails-masked", exact=True).check()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Until the end of").fill(f"{datetime.now(UTC).date() + timedelta(days=9)}")
    page.get_by_label("Why").fill("to see what arrives")
    page.get_by_role("button", name="Make the exception").click()
    expect(page.get_by_role("status").first).to_contain_text("It waits for a second person")
    expect(page.locator("[data-rule='project:mails-masked']")).not_to_contain_text("suspended by")


def test_an_exception_waits_for_a_second_person_without_scripts(
    opened: Open, sluice_server: Sluice
) -> None:
    with second_person(sluice_server) as email:
        author = opened(POLICY, java_script_enabled=False).page
        ask_for_an_exception(author, "two-of-us")
        author.get_by_role("link", name="waits for a second person").click()
        asked = author.locator("#exceptions")
        expect(asked).to_contain_text("You asked. Somebody else decides.")
        expect(asked.get_by_role("button", name="Agree")).to_have_count(0)

        page = opened("/login/", signed_in=False, java_script_enabled=False).page
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.goto("/approvals/")
        waiting = page.locator("#exceptions")
        expect(waiting).to_contain_text("asks for the exception two-of-us in Demo")
        expect(waiting).to_contain_text("project:mails-masked")
        expect(waiting).to_contain_text("for everybody in the project")
        waiting.get_by_label("Note").fill("for this test")
        waiting.get_by_role("button", name="Agree").click()
        expect(page.get_by_role("status").first).to_contain_text("two-of-us holds")
        author.goto(POLICY)
        rule = author.locator("[data-rule='project:mails-masked']")
        expect(rule).to_contain_text("suspended by two-of-us")
        author.get_by_role("button", name="End it two-of-us").click()
        expect(rule).not_to_contain_text("suspended by")


def test_axe_finds_nothing_where_an_exception_waits(opened: Open, sluice_server: Sluice) -> None:
    screens = opened(POLICY)
    page = screens.page
    with second_person(sluice_server):
        ask_for_an_exception(page, "looked-at")
        screens.expect_accessible()
        page.goto("/approvals/")
        screens.expect_accessible()
        page.get_by_role("button", name="Take back").click()
        expect(page.get_by_role("status").first).to_contain_text("taken back")
        screens.expect_accessible()


def test_a_draft_in_shadow_shows_what_it_would_move(opened: Open) -> None:
    screens = opened(f"{POLICY}draft/")
    page = screens.page
    page.get_by_label("The policy as YAML").fill(STAYS)
    page.get_by_role("button", name="Save draft").click()
    page.goto(POLICY)
    page.get_by_role("button", name="Put it in shadow").click()
    expect(page.get_by_role("status").first).to_contain_text("changes nothing")
    try:
        page.wait_for_timeout(1000)  # the promise: within a second everywhere
        page.goto("/p/demo/")
        screens.choose("auto")
        screens.send(CLEAN_TEXT)
        screens.receipt()
        shadow = page.locator("#shadow")
        for _ in range(20):  # the audit has it a few seconds later
            page.goto(POLICY)
            if shadow.locator(".moves").count():
                break
            page.wait_for_timeout(500)
        expect(shadow).to_contain_text("1 cloud to on-prem")
        shadow.get_by_text("Which").click()
        screens.expect_accessible()
        shadow.get_by_role("link").first.click()
        page.wait_for_url("**/audit/**")
    finally:
        page.goto(POLICY)
        page.get_by_role("button", name="End the shadow").click()
        page.goto(f"{POLICY}draft/")
        page.get_by_role("button", name="Throw the draft away").click()


def test_a_budget_is_made_stands_and_is_removed_without_scripts(opened: Open) -> None:
    page = opened("/budgets/", java_script_enabled=False).page
    page.get_by_role("link", name="New budget Demo").click()
    page.get_by_label("Name").fill("trial")
    page.get_by_label("US dollars").fill("5")
    page.get_by_label("Stay on-prem").check()
    page.get_by_role("button", name="Make the budget").click()
    expect(page.get_by_role("status").first).to_contain_text("trial holds")
    line = page.locator(".budget", has_text="trial")
    expect(line).to_contain_text("$5.00 a month for the whole project")
    expect(line).to_contain_text("then only on-prem")
    page.get_by_role("link", name="Change trial of Demo").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status").first).to_contain_text("is gone")
    expect(line).to_have_count(0)


def test_usage_is_drawn_filtered_and_taken_away(opened: Open) -> None:
    screens = opened()
    page = screens.page
    screens.send(CLEAN_TEXT)
    screens.receipt()
    for _ in range(20):
        page.goto("/usage/?by=deployment&measure=requests")
        if page.locator(".plot rect").count():
            break
        page.wait_for_timeout(500)
    screens.expect_accessible()
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("region", name="By day, as a table")).to_be_visible()
    page.get_by_label("Summed by").select_option("zone")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**by=zone**")
    with page.expect_download() as download:
        page.get_by_role("link", name="As CSV").click()
    assert download.value.suggested_filename.startswith("usage-")
