"""Forms of a page as a browser without scripting fills them in and sends them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

from django.http import HttpResponse
from django.test import Client
from typing_extensions import override


@dataclass
class Form:
    """`fields`: what is sent by itself. `buttons`: (words, name, value)."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)  # also of boxes that are not checked
    buttons: list[tuple[str, str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._inside: Form | None = None
        self._button: dict[str, str] | None = None
        self._area = ""
        self._select = ""
        self._words = ""
        self.feed(page)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = Form(given.get("action", ""), given.get("method", "get").lower())
            self.found.append(self._inside)
        if self._inside is not None:
            self._take(self._inside, tag, given)

    def _take(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name = given.get("name", "")
        if name and tag in {"input", "textarea", "select"}:
            form.names.add(name)
        if tag == "input" and name:
            _take_input(form, name, given)
        elif tag == "textarea":
            self._area, self._words = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in form.fields:
                form.fields[self._select] = given.get("value", "")
        elif tag == "button":
            self._button, self._words = given, ""

    @override
    def handle_data(self, data: str) -> None:
        self._words += data

    @override
    def handle_endtag(self, tag: str) -> None:
        form = self._inside
        if tag == "textarea" and form is not None:
            form.fields[self._area] = self._words
        elif tag == "select":
            self._select = ""
        elif tag == "button" and self._button is not None and form is not None:
            if self._button.get("type", "submit") == "submit":
                words = " ".join(self._words.split())
                name, value = self._button.get("name", ""), self._button.get("value", "")
                form.buttons.append((words, name, value))
            self._button = None
        elif tag == "form":
            self._inside = None


def _take_input(form: Form, name: str, given: dict[str, str]) -> None:
    checkable = given.get("type") in {"checkbox", "radio"}
    if not checkable or "checked" in given:
        form.fields[name] = given.get("value", "on" if checkable else "")


def forms_of(page: str) -> list[Form]:
    """Every form of a page."""
    return _Forms(page).found


def press(
    client: Client, path: str, button: str, *, page: str = "", **values: str | list[str]
) -> HttpResponse:
    """Open `path`, fill in the form with this button, press it, and follow where it leads.

    `page`: what `path` answered already, where it is seen but once.
    """
    page = page or client.get(path).content.decode()
    for form in forms_of(page):
        for words, name, value in form.buttons:
            if words.startswith(button):
                unknown = values.keys() - form.names
                assert not unknown, f"the form has no {unknown}"
                sent: dict[str, Any] = {**form.fields, **values, **({name: value} if name else {})}
                assert form.method == "post"
                address = urljoin(path, form.action).partition("#")[0]
                return client.post(address, sent, follow=True)  # type: ignore[return-value]
    raise AssertionError(f"no button {button} on {path}")
