"""What people and models write is text: a corpus of hostile Markdown, and nothing of it runs."""

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.frontend.hostile import HOSTILE


def test_nothing_of_the_corpus_runs_from_person_or_model(opened: Open) -> None:
    screens = opened()
    screens.choose("demo-onprem")
    # The demo model repeats what it was asked; ten at a time, as blocks of their own.
    for at in range(0, len(HOSTILE), 12):
        part = [each.replace("\x00", "\ufffd") for each in HOSTILE[at : at + 12]]
        screens.send("\n\n".join(part))
        screens.receipt()
    page = screens.page
    for shown in ("as it came", "loaded anew"):
        assert page.evaluate("window.owned") is None, shown
        forbidden = (
            "img, script, iframe, object, embed, form, input, style, link, base, meta, video"
        )
        assert page.locator(f"#log :is({forbidden})").count() == 0, shown
        for link in page.locator("#log .prose a").all():
            assert (link.get_attribute("href") or "").startswith(("http", "mailto:")), shown
        page.reload()
        expect(screens.replies.last).to_be_visible()
