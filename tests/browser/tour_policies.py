"""Pictures of the pages of policies, audit, usage and budgets, for the tour."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.screens import Screens

POLICY = "/p/demo/policy/"
CODE = """\
def notify(queue):
    send("desk@example.org", queue)
    return queue.pop()
"""
Picture = Callable[[Screens, str], None]


def policies(screens: Screens, scheme: str, picture: Picture) -> None:
    """From a recipe to its draft with a text tried; the audit, usage and budgets of the tour."""
    page = screens.page
    page.goto(f"{POLICY}recipes/?recipe=masked-for")
    for of, name in (
        ("What", "source code"),
        ("May go to", "demo-cloud"),
        ("With these masked", "e-mail address"),
    ):
        page.get_by_role("group", name=of, exact=True).get_by_label(name, exact=True).check()
    page.get_by_role("button", name="See what it adds").click()
    page.locator(".cooked").scroll_into_view_if_needed()
    picture(screens, f"policy-recipe-{scheme}")
    page.get_by_role("button", name="Add to the draft").click()
    page.get_by_label("Text", exact=True).fill(CODE)
    expect(page.locator("#trial .places")).to_contain_text("demo-cloud")
    page.locator("#main").evaluate("(each) => each.scrollTo(0, 0)")
    picture(screens, f"policy-draft-{scheme}")
    page.get_by_role("link", name="Edit masked-for-code").click()
    picture(screens, f"policy-rule-{scheme}")
    page.goto(f"{POLICY}draft/")
    page.get_by_role("button", name="Throw the draft away").click()
    page.goto(POLICY)
    picture(screens, f"policy-{scheme}")
    page.goto("/audit/")
    picture(screens, f"audit-{scheme}")
    page.locator("tbody a").first.click()
    picture(screens, f"audit-decision-{scheme}")
    money(screens, scheme, picture)


def money(screens: Screens, scheme: str, picture: Picture) -> None:
    """What the tour used, and a budget."""
    page = screens.page
    page.goto("/usage/?by=deployment&measure=tokens")
    picture(screens, f"usage-{scheme}")
    page.goto("/budgets/")
    if page.locator(".budget").count() == 0:
        page.get_by_role("link", name="New budget Demo").click()
        page.get_by_label("Name").fill("research")
        page.get_by_label("US dollars").fill("25")
        page.get_by_label("Stay on-prem").check()
        page.get_by_role("button", name="Make the budget").click()
        page.goto("/budgets/")
    picture(screens, f"budgets-{scheme}")
