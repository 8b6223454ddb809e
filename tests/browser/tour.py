"""Takes the pictures of `docs/screenshots/` from a real Sluice: `python -m tests.browser.tour`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from tests.browser.screens import CLEAN_TEXT, IBAN_TEXT, Screens
from tests.support.sluice import ROOT, Sluice

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = ROOT / "docs" / "screenshots"
DESK = ViewportSize(width=1360, height=860)
PHONE = ViewportSize(width=390, height=780)
QUESTION = "What happens to a message that quotes an account number?"


def picture(screens: Screens, name: str) -> None:
    """Save what is seen, once nothing moves any more."""
    screens.page.evaluate("Promise.all(document.getAnimations().map((each) => each.finish()))")
    screens.page.mouse.move(0, 0)
    screens.page.screenshot(path=PICTURES / f"{name}.png")


def desk(browser: Browser, sluice: Sluice, scheme: str) -> None:
    """The door, the lens, a talk and a refusal, at a desk."""
    context = browser.new_context(
        base_url=sluice.url,
        viewport=DESK,
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    screens = Screens(context.new_page())
    screens.page.goto("/login/")
    picture(screens, f"login-{scheme}")
    screens.sign_in(sluice.first_run["admin_email"], sluice.first_run["admin_password"])
    screens.expect_badge("cloud")
    picture(screens, f"chat-empty-{scheme}")
    screens.write(IBAN_TEXT)
    screens.expect_badge("on_prem")
    screens.lens.click()
    picture(screens, f"chat-lens-{scheme}")
    screens.page.keyboard.press("Escape")
    screens.choose("demo-onprem")
    screens.send(QUESTION)
    screens.receipt()
    screens.choose("auto")
    screens.send(CLEAN_TEXT)
    screens.receipt()
    screens.expect_badge("cloud")
    picture(screens, f"chat-{scheme}")
    screens.choose("demo-cloud")
    screens.send(IBAN_TEXT)
    expect(screens.people.last.locator(".refusal")).to_be_visible()
    screens.expect_badge("cloud")
    picture(screens, f"chat-refused-{scheme}")
    screens.page.get_by_role("button", name="Choose a model").click()
    picture(screens, f"chat-models-{scheme}")
    context.close()


def phone(browser: Browser, sluice: Sluice) -> None:
    """A talk and the drawer on a phone."""
    context = browser.new_context(
        base_url=sluice.url,
        viewport=PHONE,
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
        reduced_motion="reduce",
    )
    screens = Screens(context.new_page())
    screens.sign_in(sluice.first_run["admin_email"], sluice.first_run["admin_password"])
    screens.write(IBAN_TEXT)
    screens.expect_badge("on_prem")
    screens.send_button.click()
    screens.receipt()
    picture(screens, "chat-phone")
    screens.page.get_by_role("button", name="Menu", exact=True).click()
    picture(screens, "chat-phone-menu")
    context.close()


def main() -> None:
    """Start a Sluice of its own, take every picture, stop it."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        sluice = Sluice(Path(folder) / "var")
        sluice.var.mkdir()
        try:
            sluice.start()
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                for scheme in ("light", "dark"):
                    desk(browser, sluice, scheme)
                phone(browser, sluice)
                browser.close()
        finally:
            sluice.stop()


if __name__ == "__main__":
    main()
