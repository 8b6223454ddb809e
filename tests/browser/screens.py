"""What people see and do on the pages, by the names that screen readers read."""

import re
from typing import Literal

from axe_playwright_python.base import AxeResults
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

IBAN_TEXT = "Please pay to IBAN DE89 3704 0044 0532 0130 00 by Friday."
Scheme = Literal["dark", "light"]
CLEAN_TEXT = "Name three uses of a canal lock."
_AXE = Axe()


class Screens:
    """One page and the words to drive it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.composer = page.get_by_label("Message", exact=True)
        self.lens = page.get_by_role("button", name="Before sending:")
        self.reason = page.locator("#reason")
        self.send_button = page.get_by_role("button", name="Send", exact=True)
        self.stop_button = page.get_by_role("button", name="Stop", exact=True)

    def sign_in(self, email: str, password: str) -> None:
        self.page.goto("/login/")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.composer).to_be_focused()

    def choose(self, model: str) -> None:
        self.page.get_by_role("button", name="Choose a model").click()
        self.page.locator(".option").filter(has=self.page.locator(f"input[value={model}]")).click()
        expect(self.page.locator("#pick-name")).to_have_text(model)
        expect(self.page.locator("#models")).to_be_hidden()

    def write(self, text: str) -> None:
        self.composer.fill(text)

    def send(self, text: str) -> None:
        """Send, and wait until the talk shows it."""
        self.write(text)
        before = self.people.count()
        self.composer.press("Enter")
        if "/c/" not in self.page.url:
            self.page.wait_for_url("**/c/**")
        expect(self.people).to_have_count(before + 1)

    def expect_badge(self, kind: str) -> None:
        """The badge before sending; `kind` as in `frontend.badges`."""
        expect(self.lens.locator(".badge")).to_have_attribute("data-badge", kind)
        expect(self.lens).not_to_have_attribute("data-stale", "")

    @property
    def replies(self) -> Locator:
        """The replies, each with its receipt."""
        return self.page.locator("article.reply")

    @property
    def people(self) -> Locator:
        """What people wrote."""
        return self.page.locator("article.person")

    def receipt(self, at: int = -1) -> Locator:
        """The receipt of a reply, once it is complete."""
        expect(self.page.locator("[data-live]")).to_have_count(0, timeout=15_000)
        expect(self.stop_button).to_be_hidden()
        receipt = (self.replies.last if at == -1 else self.replies.nth(at)).locator(".receipt")
        expect(receipt.locator("[data-slot=done]")).to_be_visible()
        return receipt

    def announced(self, words: str) -> None:
        """What a screen reader is told."""
        expect(self.page.locator("#say")).to_have_text(re.compile(words))

    def expect_accessible(self) -> None:
        """axe finds nothing, in the light or in the dark; moving parts are let come to rest first.

        Colours are all that differs between the themes, so the second look is at them alone.
        """
        self._come_to_rest()
        self.page.evaluate(_AXE.axe_script)
        self._look({})
        shown = "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"
        before: Scheme = self.page.evaluate(shown)
        self.page.emulate_media(color_scheme="light" if before == "dark" else "dark")
        self._come_to_rest()
        self._look({"runOnly": ["color-contrast", "link-in-text-block"]})
        self.page.emulate_media(color_scheme=before)

    def _come_to_rest(self) -> None:
        self.page.evaluate("Promise.all(document.getAnimations().map((each) => each.finish()))")

    def _look(self, options: dict[str, object]) -> None:
        options = {"resultTypes": ["violations"], **options}
        found = AxeResults(self.page.evaluate("(given) => axe.run(document, given)", options))
        assert found.violations_count == 0, f"{self.page.url}: {found.generate_report()}"
