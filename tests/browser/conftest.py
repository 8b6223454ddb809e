"""A real browser before a real Sluice.

These tests have a pytest process of their own: the browser's driver keeps an event loop running,
which would upset whatever runs loops in process.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.screens import Screens
from tests.browser.watching import watch
from tests.conftest import require
from tests.support.identity_provider import IdentityProvider
from tests.support.sluice import Sluice

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="session")
def complaints() -> list[str]:
    """What the browser's pages complained of since the test began."""
    return []


@pytest.fixture(scope="session")
def browser(complaints: list[str]) -> Iterator[Browser]:
    require(CHROMIUM.exists(), "Chromium")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        watch(chromium, complaints)
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def nobody_complains(complaints: list[str]) -> Iterator[None]:
    """Set up first, so that it looks when every page of the test is closed."""
    yield
    said, complaints[:] = list(complaints), []
    assert said == []


@pytest.fixture(scope="session")
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as running:
        yield running


@pytest.fixture(scope="session")
def sluice_server(
    tmp_path_factory: pytest.TempPathFactory, provider: IdentityProvider
) -> Iterator[Sluice]:
    """A running Sluice with its demo models and, unlike elsewhere, its worker. It knows an identity
    provider: one server is enough for all tests, and each start takes seconds."""
    place = Path(tmp_path_factory.mktemp("sluice")) / "var"
    server = Sluice(place, worker=True, env=provider.environment)
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
def opened(
    browser: Browser, sluice_server: Sluice, session_cookies: Path, nobody_complains: None
) -> Iterator[Open]:
    """Open pages, each in a context of its own."""
    contexts: list[BrowserContext] = []

    def open_one(path: str = "/p/demo/", *, signed_in: bool = True, **options: object) -> Screens:
        context = browser.new_context(
            base_url=sluice_server.url,
            storage_state=session_cookies if signed_in else None,
            **options,  # type: ignore[arg-type]
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(path)
        return Screens(page)

    yield open_one
    for context in contexts:
        context.close()
