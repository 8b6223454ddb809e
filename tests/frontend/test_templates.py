"""Every template is used: a view renders it, or one that is used takes it in."""

import re
from pathlib import Path
from typing import Final

FRONTEND: Final = Path(__file__).parents[2] / "frontend"
ROOTS: Final = (FRONTEND / "templates", FRONTEND / "components")
QUOTED: Final = re.compile(r"""["']([\w/.-]+\.html)["']""")
# Django and its administration look for these by name.
BY_NAME: Final = frozenset(
    {"403.html", "403_csrf.html", "404.html", "500.html", "admin/base_site.html"}
)


def used(templates: dict[str, Path]) -> set[str]:
    """Whatever Python names, and whatever those take in."""
    waiting = {name for path in FRONTEND.rglob("*.py") for name in QUOTED.findall(path.read_text())}
    waiting |= BY_NAME
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in templates and name not in found:
            found.add(name)
            waiting.update(QUOTED.findall(templates[name].read_text()))
    return found


def test_every_template_is_used() -> None:
    templates = {
        str(path.relative_to(root)): path for root in ROOTS for path in root.rglob("*.html")
    }
    assert len(templates) > 50
    assert sorted(set(templates) - used(templates)) == []


def test_a_template_that_nobody_names_is_told() -> None:
    templates = {"no/view/renders/it.html": FRONTEND / "templates" / "404.html"}
    assert used(templates) == set()
