"""The look at what pages complain of sees every kind of complaint, on every page of a context."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Open

# Each in a tab that the test opened itself, as tests of several tabs do.
WRONG = {
    "an error": ("console.error('ouch')", "ouch"),
    "an exception": ("setTimeout(() => { throw new Error('thrown') })", "thrown"),
    "a style of its own": (
        "document.body.append(Object.assign(document.createElement('style'),"
        " { textContent: 'b {}' }))",
        "content security policy: style-src",
    ),
    "a missing part": (
        "document.head.append(Object.assign(document.createElement('script'),"
        " { src: '/static/no-such.js' }))",
        "404 for",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_seen_in_a_second_tab(opened: Open, complaints: list[str], what: str) -> None:
    script, words = WRONG[what]
    page = opened("/login/", signed_in=False).page.context.new_page()
    page.goto("/login/")
    page.evaluate(f"() => {{ {script} }}")
    assert said(page, complaints, words), complaints
    complaints.clear()


def said(page: Page, complaints: list[str], words: str) -> bool:
    for _ in range(100):
        if any(words in each for each in complaints):
            return True
        page.wait_for_timeout(50)
    return False
