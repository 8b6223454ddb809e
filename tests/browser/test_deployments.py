"""Deployments in a browser: what may go there as one chooses, aliases, and a test of a real one."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Open


def test_what_is_chosen_is_decided_at_once_and_saved_only_when_asked(opened: Open) -> None:
    page = opened("/deployments/demo-cloud/").page
    means = page.locator("#means")
    expect(means).to_contain_text(re.compile(r"Usable by 1 of \d+ project"))
    page.get_by_role("radio", name="public").check(force=True)
    expect(means).to_contain_text(re.compile(r"Usable by 0 of \d+ project"))
    expect(means).to_contain_text("demo-cloud may receive public at most")
    page.get_by_role("radio", name="confidential").check(force=True)
    page.get_by_role("checkbox", name="Payment").check()
    expect(means).to_contain_text("This widens demo-cloud from data up to internal: source code")
    bill = means.locator("li", has_text="A bill with an account number")
    expect(bill.locator(".badge")).to_have_attribute("data-badge", "cloud")
    page.reload()
    expect(page.get_by_role("radio", name="internal")).to_be_checked()


def test_a_deployment_is_tested_where_it_is(opened: Open) -> None:
    page = opened("/deployments/demo-onprem/").page
    page.get_by_role("button", name="Test this deployment").click()
    expect(page.get_by_role("status").first).to_contain_text("It answers")


def test_without_scripts_a_deployment_is_added_ordered_and_removed(opened: Open) -> None:
    page = opened("/deployments/new/", java_script_enabled=False).page
    page.get_by_label("Name", exact=True).fill("spare")
    page.get_by_label("Model", exact=True).fill("llama-3")
    page.get_by_label("Address", exact=True).fill("http://127.0.0.1:9/v1")
    page.get_by_role("radio", name="On-prem").check(force=True)
    page.get_by_role("button", name="What would that mean?").click()
    expect(page.locator("#means")).to_contain_text("It is not granted to the project.")
    expect(page.locator("#means")).to_contain_text("usually may have everything")
    page.get_by_label("It may be asked for by its name").uncheck()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved.")
    page.goto("/aliases/new")
    page.get_by_label("Name", exact=True).fill("spare-alias")
    page.get_by_label("Place of spare").fill("1")
    page.get_by_role("button", name="Make the alias").click()
    expect(page.locator("#aliases")).to_contain_text("spare-alias")
    page.get_by_role("link", name="spare-alias").click()
    page.get_by_text("Remove this alias").click()
    page.get_by_label("Yes, remove").check()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#aliases")).not_to_contain_text("spare-alias")
    page.goto("/deployments/spare/")
    page.get_by_text("Remove this deployment").click()
    page.get_by_label("Yes, remove").check()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("spare was removed")
