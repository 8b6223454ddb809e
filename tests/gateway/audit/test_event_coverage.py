"""Whatever changes the control plane leaves an event: read from the code itself.

A function that writes rows, directly or through others, must record an event, directly or through
others. What follows is known by name and judged over all packages at once, so a service that is
added later is judged, too.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit.event_types import EventType

ROOT = Path(__file__).resolve().parents[3]
# Where changes of configuration, policy, keys, roles, files and batches are made.
SERVICES = (
    "gateway/accounts/services",
    "gateway/deployments/services",
    "gateway/files/services.py",
    "gateway/batches/services.py",
    "gateway/batches/sheets/services.py",
    "gateway/batches/sheets/runs.py",
    "gateway/batches/failures.py",
    "gateway/audit/holds.py",
    "gateway/audit/retention.py",
    "gateway/usage/services",
    "policies/services",
)
WRITES = frozenset(
    {
        *("save", "create", "bulk_create", "update", "bulk_update", "delete", "get_or_create"),
        *("update_or_create", "set", "add", "remove", "set_password"),
    }
)
RECORDS = frozenset({"record_change", "record_event", "record"})
# Names that mean rows only where they are called on one of these: dicts and sets have them, too.
AMBIGUOUS = frozenset({"update", "set", "add", "remove", "delete", "create", "save"})
# Writes that are no change of the control plane, each with why.
NO_CHANGE = {
    "gateway/batches/sheets/services.py:begin_estimate": "a dry run: nothing is sent or spent",
    "gateway/files/services.py:hold": "a count of readers, while a batch runs",
    "gateway/files/services.py:let_go": "the same, when it ended",
    "gateway/files/services.py:set_label": "what the scan of its text found",
    "policies/services/reading.py:only_of_project": "a document in memory",
}


@dataclass(slots=True)
class Function:
    module: str
    writes: bool = False
    records: bool = False
    calls: set[str] = field(default_factory=set)


def functions() -> dict[str, list[Function]]:
    found: dict[str, list[Function]] = {}
    for package in ("gateway", "policies"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            module = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef):
                    found.setdefault(node.name, []).append(judged(node, module))
    return found


def judged(node: ast.FunctionDef, module: str) -> Function:
    function = Function(module)
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Name):
            function.calls.add(call.func.id)
            function.records |= call.func.id in RECORDS
        elif isinstance(call.func, ast.Attribute) and call.func.attr in WRITES:
            function.writes |= is_rows(call.func)
    return function


def is_rows(called: ast.Attribute) -> bool:
    """Whether a write goes to rows: `Model.objects…`, a related set, or a row that is saved."""
    text = ast.unparse(called.value)
    if called.attr not in AMBIGUOUS:
        return True
    if called.attr in {"save", "delete", "create"}:
        return True
    return ".objects" in text or ".filter(" in text or "." in text


def reaches(
    name: str, known: dict[str, list[Function]], what: str, seen: frozenset[str] = frozenset()
) -> bool:
    """Whether a function of this name does `what`, itself or through those it calls."""
    if name in seen:
        return False
    return any(
        getattr(function, what)
        or any(reaches(called, known, what, seen | {name}) for called in sorted(function.calls))
        for function in known.get(name, [])
    )


def services() -> Iterator[tuple[str, str]]:
    for place in SERVICES:
        path = ROOT / place
        for file in sorted(path.rglob("*.py") if path.is_dir() else [path]):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    yield str(file.relative_to(ROOT)), node.name


def test_every_service_that_changes_the_control_plane_records_an_event() -> None:
    known = functions()
    written = [
        (module, name)
        for module, name in services()
        if any(f.module == module and f.writes for f in known[name])
    ]
    assert len(written) > 25  # the reading finds them
    silent = [
        f"{module}: {name}"
        for module, name in written
        if f"{module}:{name}" not in NO_CHANGE and not reaches(name, known, "records")
    ]
    assert silent == []


def test_every_type_of_event_is_written_somewhere() -> None:
    registry = ROOT / "gateway" / "audit" / "registry.py"
    source = "\n".join(
        path.read_text()
        for package in ("gateway", "policies", "frontend")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path != registry
    )
    unwritten = {type_.value for type_ in EventType if f"EventType.{type_.name}" not in source}
    assert unwritten == set()
