"""Takes the pictures of `docs/tour.md` from a real Sluice: `make tour`, and a test each time."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from tests.browser.screens import CLEAN_TEXT, IBAN_TEXT, Screens
from tests.browser.scribe import SCRIBE, Scribe
from tests.browser.tables import Tables, feedback
from tests.browser.tour_policies import Picture, policies
from tests.browser.tour_words import words_on, write
from tests.support.sluice import ROOT, Sluice

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = ROOT / "docs" / "screenshots"
DESK = ViewportSize(width=1360, height=860)
PHONE = ViewportSize(width=390, height=780)
WARDS = {
    "name": "wards.csv",
    "mimeType": "text/csv",
    "buffer": b"ward,patients,readmitted\nCardiology,412,37\nOncology,198,11\nGeriatrics,305,48\n",
}
QUESTION = "What happens to a message that quotes an account number?"


def camera(folder: Path, words: dict[str, list[str]]) -> Picture:
    """What saves in `folder` what is seen, once nothing moves any more; and in `words`, by light,
    what it says."""

    def picture(screens: Screens, name: str) -> None:
        screens.page.evaluate("Promise.all(document.getAnimations().map((each) => each.finish()))")
        screens.page.mouse.move(0, 0)
        expect(screens.stop_button).to_be_hidden()
        screens.page.screenshot(path=folder / f"{name}.png")
        if not name.endswith("-dark"):
            words[name] = words_on(screens.page)

    return picture


def desk(browser: Browser, sluice: Sluice, scheme: str, picture: Picture) -> None:
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
    before_it_begins(screens, scheme, picture)
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
    expect(screens.replies.last.locator(".refusal")).to_be_visible()
    screens.expect_badge("cloud")
    picture(screens, f"chat-refused-{scheme}")
    screens.write(IBAN_TEXT)
    screens.page.get_by_role("button", name="Choose a model").click()
    expect(screens.page.locator(".option[data-out]")).to_have_count(1)
    picture(screens, f"chat-models-{scheme}")
    screens.page.keyboard.press("Escape")
    screens.page.get_by_role("button", name="Share").click()
    picture(screens, f"chat-share-{scheme}")
    screens.page.keyboard.press("Escape")
    screens.page.get_by_role("button", name="This conversation").click()
    picture(screens, f"chat-options-{scheme}")
    for show in (written, library, batches, people, administration, policies):
        show(screens, scheme, picture)
    context.close()


def before_it_begins(screens: Screens, scheme: str, picture: Picture) -> None:
    """The dialog of a chat that has no message yet."""
    page = screens.page
    page.get_by_role("button", name="System prompt and parameters").click()
    fields = {"System prompt": "Answer in plain words, and briefly.", "Temperature": "0.2"}
    for label, value in fields.items():
        page.get_by_label(label, exact=True).fill(value)
    screens.expect_badge("cloud")
    picture(screens, f"chat-begin-{scheme}")
    for label in fields:
        page.get_by_label(label, exact=True).fill("")
    page.keyboard.press("Escape")


def written(screens: Screens, scheme: str, picture: Picture) -> None:
    """A reply with everything that Markdown has, and a file beside the question."""
    screens.page.goto("/p/demo/")
    screens.choose("scribe")
    screens.page.locator("#file").set_input_files(WARDS)  # type: ignore[arg-type]
    expect(screens.page.locator("#files .file")).to_be_visible()
    screens.send("How often does each ward see its patients again?")
    screens.receipt()
    screens.page.get_by_role("button", name="This conversation").click()
    screens.page.get_by_label("Title").fill("Ward re-admission rates")
    screens.page.get_by_role("button", name="Rename").click()
    expect(screens.page.get_by_role("heading", level=1)).to_have_text("Ward re-admission rates")
    expect(screens.replies).to_have_count(1)
    screens.expect_badge("on_prem")
    picture(screens, f"chat-written-{scheme}")


def library(screens: Screens, scheme: str, picture: Picture) -> None:
    """Prompts, search, keys."""
    page = screens.page
    page.goto("/p/demo/prompts/")
    if page.get_by_text("Reminder", exact=True).count() == 0:
        page.get_by_role("link", name="New prompt").click()
        page.get_by_label("Title").fill("Reminder")
        page.get_by_label("Prompt", exact=True).fill(
            "Write a friendly reminder to {{customer}} for invoice {{number}}."
        )
        page.get_by_label("Share with").check()
        page.get_by_role("button", name="Keep it").click()
    picture(screens, f"prompts-{scheme}")
    page.get_by_role("link", name="Use it").first.click()
    page.get_by_label("customer").fill("the lock keeper")
    screens.expect_badge("on_prem")
    picture(screens, f"prompt-use-{scheme}")
    page.goto("/search/")
    page.get_by_label("Words").press_sequentially("canal")
    expect(page.locator(".found li").first).to_be_visible()
    picture(screens, f"search-{scheme}")
    page.goto("/shortcuts/")
    picture(screens, f"shortcuts-{scheme}")


def people(screens: Screens, scheme: str, picture: Picture) -> None:
    """Projects, people, keys, one's account."""
    page = screens.page
    for name, path in (
        ("project", "/projects/demo/"),
        ("people", "/people/"),
        ("signing-in", "/people/signing-in/"),
        ("roles", "/roles/"),
        ("keys", "/keys/"),
        ("account", "/account/"),
        ("second-factor", "/account/second-factor/"),
    ):
        page.goto(path)
        picture(screens, f"{name}-{scheme}")
    page.goto("/keys/")
    page.get_by_label("What is it for?").fill("notebook")
    page.get_by_role("button", name="Make the key").click()
    picture(screens, f"key-shown-once-{scheme}")


def batches(screens: Screens, scheme: str, picture: Picture) -> None:
    """A table on its way: where its rows would go, and what came back."""
    tables = Tables(screens.page)
    tables.upload(feedback(915))
    tables.ask()
    expect(tables.preview.locator("[data-badge]").first).to_be_visible()
    picture(screens, f"batch-estimate-{scheme}")
    tables.run(915)
    tables.ended("Completed")
    expect(screens.page.get_by_role("region", name="Answers")).to_be_visible()
    picture(screens, f"batch-answers-{scheme}")
    screens.page.goto("/p/demo/batches/")
    picture(screens, f"batches-{scheme}")


def administration(screens: Screens, scheme: str, picture: Picture) -> None:
    """How the day went, where models are, and what may go to one of them."""
    page = screens.page
    page.goto("/overview/")
    picture(screens, f"overview-{scheme}")
    page.goto("/deployments/")
    picture(screens, f"deployments-{scheme}")
    page.goto("/deployments/demo-cloud/")
    page.get_by_role("radio", name="confidential").check(force=True)
    expect(page.locator("#means")).to_contain_text("This widens demo-cloud")
    picture(screens, f"deployment-{scheme}")


def phone(browser: Browser, sluice: Sluice, picture: Picture) -> None:
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
    screens.page.wait_for_url("**/c/**")
    screens.receipt()
    picture(screens, "chat-phone")
    screens.page.get_by_role("button", name="Menu", exact=True).click()
    picture(screens, "chat-phone-menu")
    context.close()


def take(browser: Browser, folder: Path) -> dict[str, list[str]]:
    """Start a Sluice of its own, take every picture into `folder`, stop it; returns what stands on
    the pages."""
    words: dict[str, list[str]] = {}
    picture = camera(folder, words)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        sluice = Sluice(Path(place) / "var", worker=True)
        sluice.var.mkdir()
        try:
            sluice.start()
            scribe = stack.enter_context(Scribe())
            sluice.apply(SCRIBE.format(url=scribe.base_url))
            for scheme in ("light", "dark"):
                desk(browser, sluice, scheme, picture)
            phone(browser, sluice, picture)
        finally:
            sluice.stop()
    return words


def main() -> None:
    """Replace the pictures of the documents."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        write(take(browser, PICTURES))
        browser.close()


if __name__ == "__main__":
    main()
