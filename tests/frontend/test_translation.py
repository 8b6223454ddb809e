"""Every word that people read on a page is marked for translation."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

FRONTEND: Final = Path(__file__).parents[2] / "frontend"
TEMPLATES: Final = sorted(
    path
    for folder in ("templates", "components")
    for path in (FRONTEND / folder).rglob("*.html")
    # Django's own administration, which is in English.
    if "admin" not in path.parts
)
MODULES: Final = sorted(FRONTEND.rglob("*.py"))
READ_ALOUD: Final = {"title", "placeholder", "aria-label", "alt", "label", "aria-description"}
# What has no translation: names, and letters that are a picture.
NAMES: Final = {"Sluice", "API", "YAML", "CSV", "JSON", "SHA-256", "Markdown", "python"}
CODE: Final = {"code", "kbd", "pre", "style", "script"}
MARKED: Final = re.compile(
    r"\{%-?\s*blocktranslate\b.*?endblocktranslate\s*%\}|\{%\s*comment\b.*?endcomment\s*%\}"
    r"|\{%\s*block body_\w+ %\}.*?\{% endblock %\}|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}",
    re.DOTALL,
)
# Calls whose first argument somebody reads, and the names of arguments that somebody reads.
TOLD: Final = {
    *("ValidationError", "PermissionDenied", "InvalidRequest", "NotFound", "Unauthenticated"),
    *("MayNotChat", "success", "error", "warning", "add_error"),
}
SHOWN: Final = {"label", "help_text", "empty_label", "problem", "done", "sentence", "word"}


class Bare(HTMLParser):
    """Words of a template outside of what is marked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._code = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag in CODE
        button = tag == "input" and ("type", "submit") in attrs
        for name, value in attrs:
            if name in READ_ALOUD or (button and name == "value"):
                self._look(value or "")

    @override
    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in CODE

    @override
    def handle_data(self, data: str) -> None:
        if not self._code:
            self._look(data)

    def _look(self, text: str) -> None:
        words = re.findall(r"[^\W\d_][\w-]+", text)
        self.found += [word for word in words if word not in NAMES]


def bare_words(template: str) -> list[str]:
    parser = Bare()
    parser.feed(MARKED.sub("", template))
    return parser.found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(FRONTEND)))
def test_a_template_has_no_word_of_its_own(path: Path) -> None:
    assert bare_words(path.read_text()) == []


@pytest.mark.parametrize(
    "template",
    [
        "<p>Hello {{ name }}</p>",
        '<input placeholder="such as this">',
        '<button title="{% translate "Edit" %}" aria-label="Edit">x</button>',
        "<p>{% if a %}yes indeed{% endif %}</p>",
    ],
)
def test_the_look_at_templates_sees_what_is_bare(template: str) -> None:
    assert bare_words(template)


def bare_arguments(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        read = [node.args[-1]] if name in TOLD and node.args else []
        read += [each.value for each in node.keywords if each.arg in SHOWN]
        for value in read:
            text = value.value if isinstance(value, ast.Constant) else value
            if isinstance(text, ast.JoinedStr) or (isinstance(text, str) and " " in text.strip()):
                yield f"line {node.lineno}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FRONTEND)))
def test_a_view_tells_nothing_unmarked(path: Path) -> None:
    assert list(bare_arguments(path.read_text())) == []


def test_the_look_at_views_sees_what_is_bare() -> None:
    assert list(bare_arguments('raise InvalidRequest("There is no file.", param="file")'))
    assert list(bare_arguments('Trial(problem=f"No {name}")'))
    assert not list(bare_arguments('raise InvalidRequest(_("There is no file."))'))
