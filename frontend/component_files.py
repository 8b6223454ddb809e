"""The components: one folder each under `components/`, with its template, style sheet and module.

A template is included as `badge/badge.html`; style sheets and modules are served under
`components/badge/`. Templates themselves are not served.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage
from typing_extensions import override

FOLDER = Path(__file__).parent / "components"
PREFIX = "components"
SERVED = frozenset({".css", ".js"})
# In this order on every page; a page names what it needs beyond them.
SHARED = ("badge", "button", "field", "notice")


def style_sheets(names: Iterable[str]) -> list[str]:
    """The static paths of the style sheets of components. Raises LookupError for one without."""
    return [_path(name, ".css") for name in names]


def modules(names: Iterable[str]) -> list[str]:
    """The static paths of the modules of components. Raises LookupError for one without."""
    return [_path(name, ".js") for name in names]


def _path(name: str, ending: str) -> str:
    if not (FOLDER / name / f"{name}{ending}").is_file():
        raise LookupError(f"There is no components/{name}/{name}{ending}.")
    return f"{PREFIX}/{name}/{name}{ending}"


class ComponentFinder(BaseFinder):
    """Finds what browsers load of the components."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._storage = FileSystemStorage(location=FOLDER)
        self._storage.prefix = PREFIX  # type: ignore[attr-defined]

    @override
    def check(self, **_: Any) -> list[Any]:
        return []

    @override
    def find(self, path: str, find_all: bool = False, **_: Any) -> Any:
        found = FOLDER.parent / path
        inside = path.startswith(f"{PREFIX}/") and found.resolve().is_relative_to(FOLDER)
        if inside and found.suffix in SERVED and found.is_file():
            return [str(found)] if find_all else str(found)
        return []  # falsy, as the finders of Django answer

    @override
    def list(self, ignore_patterns: Any = None) -> Iterator[Any]:
        for file in sorted(FOLDER.rglob("*")):
            if file.suffix in SERVED:
                yield str(file.relative_to(FOLDER)), self._storage
