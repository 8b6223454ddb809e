"""docs/interfaces.md names what the code has, and nothing else."""

import inspect
import re
from pathlib import Path

from django.core.management import get_commands

from gateway.protocol import errors
from gateway.telemetry.names import METRICS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "interfaces.md").read_text()
OURS = ("gateway.", "policies", "frontend")


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/interfaces.md has no section {title!r}"
    return found[1]


def source(*patterns: str) -> str:
    files = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    assert files
    return "\n".join(path.read_text() for path in files)


def test_every_environment_variable_is_listed_and_used() -> None:
    settings = source("gateway/settings.py")
    readers = r"(?:environ(?:\.get\(|\[)|environment\.\w+\(\s*)"
    used = set(re.findall(readers + r'"([A-Z_]+)"', settings))
    used |= set(re.findall(r'\bname = "([A-Z_]+)"', settings))
    assert used == set(re.findall(r"^\| `([A-Z_]+)`", section("Environment"), re.MULTILINE))


def test_every_error_code_is_listed_and_used() -> None:
    codes = {
        cls.code
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.GatewayError) and cls.code
    }
    text = source("gateway/protocol/*.py", "gateway/inference/*.py", "gateway/openai_api/*.py")
    text += source("gateway/files/*.py", "gateway/batches/services.py")
    text += source("gateway/batches/failures.py", "gateway/batches/sheets/*.py")
    codes |= set(re.findall(r'\bcode\s*=\s*"([a-z_0-9]+)"', text))
    listed = set(re.findall(r"^\| \d{3} \| `([a-z_0-9]+)`", section("Errors"), re.MULTILINE))
    assert codes == listed


def test_every_header_is_listed_and_used() -> None:
    text = source("gateway/inference/*.py", "gateway/openai_api/*.py", "gateway/protocol/*.py")
    used = set(re.findall(r'"(x-(?:sluice|should|request)-?[a-z-]*[a-z])"', text))
    listed = re.findall(
        r"^\| `(x-[a-z-]+)`", section("Request headers") + section("Response headers"), re.MULTILINE
    )
    assert used == set(listed)


def test_every_command_of_ours_is_listed_and_exists() -> None:
    ours = {name for name, app in get_commands().items() if app.startswith(OURS)}
    listed = set(re.findall(r"^\| `manage\.py ([a-z_]+)`", section("Commands"), re.MULTILINE))
    assert ours == listed


def test_every_make_target_is_listed_and_exists() -> None:
    makefile = source("Makefile")
    listed = re.findall(r"^\| `make ([a-z-]+)`", section("Commands"), re.MULTILINE)
    for target in listed:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_metric_is_listed_with_its_kind_and_labels() -> None:
    listed = re.findall(r"^\| `(sluice_[a-z_]+)` \| (\w+) \| (.*?) \|", section("Metrics"), re.M)
    said = {name: (kind, tuple(re.findall("`([a-z_]+)`", labels))) for name, kind, labels in listed}
    assert said == {each.shown: (each.kind.value, each.labels) for each in METRICS}
