"""YAML with a finger on the line: plain data, and where each value stands.

Scalars are read as in YAML 1.2: `yes`, `no`, `on` and `off` are words, `18:00` and `2027-01-01` are
text. A key that stands twice is a problem; so are tags, and references that blow the file up.
"""

import re
from dataclasses import dataclass, field

import yaml

from policies.engine.problems import Problem
from policies.services.configuration.problems import ConfigurationError, FileProblem

_LOOK = "Look at the indentation, brackets and quotes here and in the line above."
SIZE_LIMIT = 5_000_000  # characters
_VALUES_LIMIT = 200_000
_NESTING_LIMIT = 60
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """SafeLoader that resolves plain scalars as YAML 1.2's core schema does."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 -- the base class's contract


class Dumper(yaml.SafeDumper):
    """Writes what `read_yaml` reads back as the same: quotes what either kind of YAML resolves."""


for _name, _pattern, _first in (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    for _kind in (_Loader, Dumper):
        _kind.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(slots=True)
class Source:
    """A file as data. `marks` gives line and column of each value by its JSON Pointer."""

    file: str
    data: object = None
    marks: dict[str, tuple[int, int]] = field(default_factory=dict)
    problems: list[FileProblem] = field(default_factory=list)

    def located(self, problem: Problem) -> FileProblem:
        """A problem with its line: that of the value, or of what it should have stood in."""
        pointer = problem.pointer
        while pointer and pointer not in self.marks:
            pointer = pointer.rpartition("/")[0]
        line, column = self.marks.get(pointer, (1, 1))
        return FileProblem(line, column, problem.sentence, problem.advice)


def read_yaml(text: str, *, file: str) -> Source:
    """Read a file. Duplicate keys and the like are collected in the source's problems.

    Raises ConfigurationError for what is not YAML at all. No I/O.
    """
    source = Source(file)
    if len(text) > SIZE_LIMIT:
        raise _error(source, 1, 1, "The file is larger than 5 MB.", "Split what can be split.")
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        what = error.problem or "This is not YAML"
        if "'\\t'" in what:
            raise _error(source, line, column, "A tab stands here.", "Use spaces.") from None
        raise _error(source, line, column, f"{what[:1].upper()}{what[1:]}.", _LOOK) from None
    except yaml.YAMLError:
        raise _error(
            source, 1, 1, "The file has characters that YAML does not allow.", ""
        ) from None
    except RecursionError:
        raise _error(source, 1, 1, "The file is nested too deeply.", "") from None
    if node is not None:
        source.data = _Walk(source).value(node, "", 0)
    return source


def _error(
    source: Source, line: int, column: int, sentence: str, advice: str
) -> ConfigurationError:
    return ConfigurationError([FileProblem(line, column, sentence, advice)], file=source.file)


class _Walk:
    """From nodes to plain data, noting where everything stands."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._values = 0

    def value(self, node: yaml.Node, pointer: str, depth: int) -> object:
        self._values += 1
        if self._values > _VALUES_LIMIT or depth > _NESTING_LIMIT:
            line, column = _mark(node)
            raise _error(self._source, line, column, "The file is too large from here on.", "")
        self._source.marks.setdefault(pointer, _mark(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, pointer, depth)
        if isinstance(node, yaml.SequenceNode):
            self._plain(node, "seq")
            return [
                self.value(item, f"{pointer}/{place}", depth + 1)
                for place, item in enumerate(node.value)
            ]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, pointer: str, depth: int) -> dict[object, object]:
        self._plain(node, "map")
        found: dict[object, object] = {}
        lines: dict[object, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, "A key is a word.", "Write a single word before the colon.")
                continue
            key = self._scalar(key_node)
            line, column = _mark(key_node)
            if key in found:
                self._refuse(
                    key_node,
                    f"The key {key!r} stands here a second time, after line {lines[key]}.",
                    "Keep one of them.",
                )
                continue
            lines[key] = line
            below = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
            self._source.marks[below] = (line, column)
            found[key] = self.value(value_node, below, depth + 1)
        return found

    def _scalar(self, node: yaml.Node) -> object:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text)
            case "float":
                return float(text)
        self._plain(node, "str")
        return text

    def _plain(self, node: yaml.Node, kind: str) -> None:
        if node.tag != f"{_TAG}{kind}":
            self._refuse(node, "YAML tags have no meaning here.", "Remove the tag.")

    def _refuse(self, node: yaml.Node, sentence: str, advice: str) -> None:
        line, column = _mark(node)
        self._source.problems.append(FileProblem(line, column, sentence, advice))


def _mark(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
