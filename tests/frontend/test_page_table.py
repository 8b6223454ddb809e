"""Which addresses are pages: every one is looked at by axe in both themes (`tests/browser`)."""

from collections.abc import Iterator

from django.urls import URLPattern, get_resolver, reverse

from tests.browser.pages import LINKED, NO_PAGE, ON_THE_WAY, PLAIN
from tests.frontend.conftest import SignIn

_VALUES = {"int": 1, "uuid": "00000000-0000-4000-8000-000000000000", "slug": "lab"}


def addresses() -> Iterator[tuple[str, str]]:
    for pattern in get_resolver("frontend.urls").url_patterns:
        assert isinstance(pattern, URLPattern)
        assert pattern.name
        values = {
            name: _VALUES.get(type(converter).__name__.removesuffix("Converter").lower(), "x")
            for name, converter in pattern.pattern.converters.items()
        }
        yield pattern.name, reverse(pattern.name, kwargs=values)


def test_every_address_that_can_be_opened_is_in_the_table_of_pages(signed_in: SignIn) -> None:
    client = signed_in("admin")
    named = {*PLAIN, *LINKED, *ON_THE_WAY, *NO_PAGE}
    opened = {name for name, path in addresses() if client.get(path).status_code != 405}
    assert opened - named == set(), "name them in tests/browser/pages.py"
    assert named - {name for name, _ in addresses()} == set()
