"""A real browser before a real Sluice.

These tests have a pytest process of their own: the browser's driver keeps an event loop running,
which would upset whatever runs loops in process.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, sync_playwright

from tests.browser.screens import Screens
from tests.conftest import require
from tests.support.sluice import Sluice

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    require(CHROMIUM.exists(), "Chromium")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def sluice_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    """A running Sluice with its demo models and, unlike elsewhere, its worker."""
    server = Sluice(Path(tmp_path_factory.mktemp("sluice")) / "var", worker=True)
    server.var.mkdir()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def session_cookies(
    browser: Browser, sluice_server: Sluice, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """One sign-in for all tests that are not about signing in."""
    path = tmp_path_factory.mktemp("browser") / "state.json"
    context = browser.new_context(base_url=sluice_server.url)
    Screens(context.new_page()).sign_in(
        sluice_server.first_run["admin_email"], sluice_server.first_run["admin_password"]
    )
    context.storage_state(path=path)
    context.close()
    return path


Open = Callable[..., Screens]


@pytest.fixture
def opened(browser: Browser, sluice_server: Sluice, session_cookies: Path) -> Iterator[Open]:
    """Open pages; at the end no browser may have complained of anything unexpected."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # The network log of answers that a test asks for (a refusal is a 403) is no complaint.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_one(path: str = "/p/demo/", *, signed_in: bool = True, **options: object) -> Screens:
        context = browser.new_context(
            base_url=sluice_server.url,
            storage_state=session_cookies if signed_in else None,
            **options,  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return Screens(page)

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []
