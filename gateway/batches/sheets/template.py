"""Prompt templates: `{{column}}` stands for a row's cell. Nothing else in them means anything.

INVARIANT: rendering joins strings. What a cell holds is never looked at: neither braces in it nor
anything else is evaluated.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.batches.sheets.cells import Cell, text_of
from gateway.protocol.errors import InvalidRequest

# `\{{` writes two braces that mean nothing.
_PLACE = re.compile(r"\\\{\{|\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """A template over the columns of one table: texts, and indices of columns."""

    parts: tuple[str | int, ...]

    def render(self, row: Sequence[Cell]) -> str:
        """The prompt of a row."""
        return "".join(part if isinstance(part, str) else text_of(row[part]) for part in self.parts)

    @property
    def columns(self) -> frozenset[int]:
        """Which columns it uses."""
        return frozenset(part for part in self.parts if isinstance(part, int))


def parse(text: str, columns: Sequence[str], *, param: str) -> Template:
    """Read a template. Raises InvalidRequest for a name that is no column."""
    index_of = {name: index for index, name in enumerate(columns)}
    parts: list[str | int] = []
    end = 0
    for found in _PLACE.finditer(text):
        parts.append(text[end : found.start()])
        end = found.end()
        if found[1] is None:
            parts.append("{{")
            continue
        name = " ".join(found[1].split())
        if name not in index_of:
            raise _unknown(name, columns, param)
        parts.append(index_of[name])
    parts.append(text[end:])
    return Template(tuple(part for part in parts if part != ""))


def _unknown(name: str, columns: Sequence[str], param: str) -> InvalidRequest:
    near = difflib.get_close_matches(name, columns, n=1)
    meant = f" Did you mean {{{{{near[0]}}}}}?" if near else ""
    known = ", ".join(columns[:50])
    return InvalidRequest(
        f"{{{{{name[:80]}}}}} names no column of the table.{meant} The columns are: {known}. "
        "Write \\{{ for two braces that mean nothing.",
        param=param,
        code="unknown_column",
    )
