"""One walk over every page: axe in both themes, and on a phone nothing scrolls sideways."""

from collections.abc import Iterator

from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.pages import LINKED, PLAIN
from tests.browser.screens import CLEAN_TEXT, Screens

DESK, PHONE = {"width": 1280, "height": 720}, {"width": 390, "height": 780}
WIDE = """() => [document.documentElement, document.querySelector('.page, .scroll')]
  .some((each) => each && each.scrollWidth > each.clientWidth)"""


def paths() -> Iterator[str]:
    for name, values in PLAIN.items():
        yield reverse(name, kwargs=values)


def look_at(screens: Screens, what: str) -> None:
    page = screens.page
    screens.expect_accessible()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate(WIDE) is False, f"{what} scrolls sideways"
    if page.locator("nav.rail").count():
        expect(page.get_by_role("button", name="Menu", exact=True)).to_be_visible()
    page.set_viewport_size(DESK)  # type: ignore[arg-type]


def test_every_page_is_accessible_in_both_themes_and_fits_a_phone(opened: Open) -> None:
    screens = opened()
    page = screens.page
    prepare(screens)
    for path in paths():
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        look_at(screens, path)
    for name, (start, link) in LINKED.items():
        slug = {"slug": "demo"} if start == "prompts" else {}
        page.goto(reverse(start, kwargs=slug))
        with page.expect_navigation():
            page.locator(link).first.click()
        look_at(screens, name)


def prepare(screens: Screens) -> None:
    """A conversation, a prompt and a decision in the audit, so that there are pages of them."""
    page = screens.page
    screens.send(CLEAN_TEXT)
    screens.receipt()
    page.goto("/p/demo/prompts/new")
    page.get_by_label("Title").fill("Walked over")
    page.get_by_label("Prompt", exact=True).fill("Remind {{name}}.")
    page.get_by_role("button", name="Keep it").click()
    for _ in range(40):  # the journal is loaded every moment
        page.goto("/audit/")
        if page.locator("tbody a").count():
            return
        page.wait_for_timeout(250)


def test_the_door_and_what_is_not_there_are_accessible(opened: Open) -> None:
    screens = opened("/login/", signed_in=False)
    look_at(screens, "the door")
    screens.page.goto("/no/such/page")
    look_at(screens, "a page that is not there")
    expect(screens.page.get_by_role("link").first).to_be_visible()
