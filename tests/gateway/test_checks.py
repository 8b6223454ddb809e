"""Wrong settings are found before anything starts."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

CASES: list[tuple[str, object, str]] = [
    ("KEY_ENCRYPTION_KEY", "short", "sluice.E001"),
    ("ON_PREM_NETWORKS", (ip_network("0.0.0.0/0"),), "sluice.E002"),
    ("ON_PREM_NETWORKS", (ip_network("::/0"),), "sluice.E002"),
    ("ON_PREM_NETWORKS", (ip_network("8.8.8.0/24"),), "sluice.W002"),
    ("HOST", "0.0.0.0", "sluice.W003"),  # noqa: S104
    ("MAX_BODY_BYTES", 0, "sluice.E004"),
    ("CONFIG_FILE", Path("/nowhere/sluice.yaml"), "sluice.E005"),
]


def ours() -> list[str]:
    ids = [str(message.id) for message in run_checks()]
    return [found for found in ids if found.startswith("sluice.")]


@pytest.mark.parametrize(("name", "value", "expected"), CASES)
def test_a_wrong_setting_is_found_by_its_id(
    settings: Settings, name: str, value: object, expected: str
) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    setattr(settings, name, value)
    assert ours() == [expected]


def test_the_defaults_are_right() -> None:
    assert ours() == []


def test_a_proxy_with_tls_in_front_is_right(settings: Settings) -> None:
    settings.HOST, settings.PUBLIC_URL = "0.0.0.0", "https://sluice.example"  # noqa: S104
    assert ours() == []
