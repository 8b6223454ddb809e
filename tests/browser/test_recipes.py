"""The sentence of UI.md, from recipes to what two chat messages do: one stays, one goes masked."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.screens import Screens

POLICY = "/p/demo/policy/"
PATIENT = "Patient, MRN: 4482917, was seen on Monday. Summarise."
CODE = """\
def notify(queue):
    # the ward list is ready
    send("desk@example.org", queue)
    return queue.pop()
"""


@contextmanager
def policy_put_back(page: Page) -> Iterator[None]:
    """Whatever a test publishes, the policy of before is in effect after it."""
    page.goto(f"{POLICY}draft/")
    before = page.get_by_label("The policy as YAML").input_value()
    try:
        yield
    finally:
        page.goto(f"{POLICY}draft/")
        page.get_by_label("The policy as YAML").fill(before)
        page.get_by_label("Reason").fill("as it was")
        page.get_by_role("button", name="Publish", exact=True).click()
        expect(page.get_by_role("status").first).to_contain_text("is in effect")


def open_recipe(page: Page, words: str) -> None:
    page.goto(POLICY)
    page.get_by_role("link", name="Recipes").click()
    page.get_by_role("link", name=words).click()


def choose(page: Page, of: str, name: str) -> None:
    page.get_by_role("group", name=of, exact=True).get_by_label(name, exact=True).check()


def add_both_sentences(page: Page, *, scripts: bool = True) -> None:
    open_recipe(page, "never leaves the house")
    choose(page, "What", "health")
    added = page.locator(".cooked")
    if scripts:  # while the blanks are filled
        expect(added.locator(".yaml")).to_contain_text("never:")
    page.get_by_role("button", name="See what it adds").click()
    expect(added).to_contain_text("Health data never leaves the house.")
    expect(added).to_contain_text("never reaches cloud or private cloud deployments")
    page.get_by_role("button", name="Add to the draft").click()
    expect(page.get_by_role("status").first).to_contain_text("Added to the draft")

    open_recipe(page, "masked")
    choose(page, "What", "source code")
    choose(page, "May go to", "demo-cloud")
    choose(page, "With these masked", "e-mail address")
    page.get_by_role("button", name="See what it adds").click()
    expect(added).to_contain_text("Code may go to demo-cloud with e-mail addresses masked.")
    expect(added).to_contain_text("Nothing here finds names of people")
    page.get_by_role("button", name="Add to the draft").click()
    expect(page.get_by_role("status").first).to_contain_text("Added to the draft")


def publish(page: Page) -> None:
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.locator(".verdict")).to_contain_text("All of it holds.")
    expect(page.locator(".verdict")).to_contain_text("states")
    page.get_by_label("Reason").fill("patients first")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("is in effect")
    expect(page.locator("[data-rule='project:stays-on-prem-health']")).to_be_visible()
    expect(page.locator("[data-rule='project:masked-for-code']")).to_be_visible()


def prove_in_the_chat(screens: Screens) -> None:
    page = screens.page
    page.wait_for_timeout(1000)  # the promise: within a second everywhere
    page.goto("/p/demo/")
    screens.choose("auto")
    screens.send(PATIENT)
    receipt = screens.receipt()
    expect(receipt.locator(".badge")).to_have_attribute("data-badge", "on_prem")
    receipt.locator("summary").click()
    expect(receipt.locator("dl")).to_contain_text("stays-on-prem-health")

    page.goto("/p/demo/")  # a conversation of its own: what was said before passes on
    screens.choose("auto")
    screens.send(CODE)
    receipt = screens.receipt()
    expect(receipt.locator(".badge")).to_have_attribute("data-badge", "masked")
    receipt.locator("summary").click()
    expect(receipt.locator("dl")).to_contain_text("masked-for-code")
    sent = receipt.locator(".as-sent")
    expect(sent).to_contain_text("def notify(queue)")
    expect(sent).not_to_contain_text("desk@example.org")


def test_a_sentence_from_recipe_to_publish_holds_in_the_chat(opened: Open) -> None:
    screens = opened(POLICY)
    with policy_put_back(screens.page):
        add_both_sentences(screens.page)
        publish(screens.page)
        prove_in_the_chat(screens)


def test_without_scripts_a_recipe_is_filled_and_added_all_the_same(opened: Open) -> None:
    page = opened(POLICY, java_script_enabled=False).page
    with policy_put_back(page):
        add_both_sentences(page, scripts=False)
        publish(page)


def test_axe_finds_nothing_on_the_pages_of_a_draft(opened: Open) -> None:
    screens = opened(POLICY)
    page = screens.page
    with policy_put_back(page):
        open_recipe(page, "masked")
        page.get_by_role("button", name="See what it adds").click()
        screens.expect_accessible()
        choose(page, "What", "source code")
        choose(page, "May go to", "demo-cloud")
        choose(page, "With these masked", "IBAN account number")
        page.get_by_role("button", name="See what it adds").click()
        screens.expect_accessible()
        page.get_by_role("button", name="Add to the draft").click()
        page.get_by_text("State something").click()
        screens.expect_accessible()
        page.get_by_role("link", name="Edit masked-for-code").click()
        screens.expect_accessible()
        page.goto(f"{POLICY}compare/")
        screens.expect_accessible()
        page.goto(POLICY)
        page.get_by_text("Make an exception").click()
        screens.expect_accessible()


def test_the_form_of_a_rule_shows_its_last_state_however_fast_it_is_filled(opened: Open) -> None:
    page = opened(f"{POLICY}draft/rule/").page
    shown = page.locator("#preview")
    # Each choice asks the server; what is chosen while it answers must not be lost.
    page.get_by_label("legal", exact=True).check()
    page.get_by_label("Prefer some deployments").check()
    page.get_by_label("First", exact=True).select_option("demo-onprem")
    page.get_by_label("then", exact=True).first.select_option("demo-cloud")
    expect(shown).to_contain_text("demo-onprem, then demo-cloud first.")
    expect(shown).to_contain_text("legal")
