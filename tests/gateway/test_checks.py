"""Wrong settings are found before anything starts."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from gateway.checks import why_not_to_start

CASES: list[tuple[str, object, str]] = [
    ("KEY_ENCRYPTION_KEY", "short", "sluice.E001"),
    ("ON_PREM_NETWORKS", (ip_network("0.0.0.0/0"),), "sluice.E002"),
    ("ON_PREM_NETWORKS", (ip_network("::/0"),), "sluice.E002"),
    ("ON_PREM_NETWORKS", (ip_network("8.8.8.0/24"),), "sluice.W002"),
    ("TRUSTED_PROXIES", (ip_network("0.0.0.0/0"),), "sluice.E009"),
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
    assert ours() == ["sluice.W009"]
    settings.TRUSTED_PROXIES = (ip_network("10.0.0.5/32"),)
    assert ours() == []


def test_secrets_that_production_was_not_given_refuse(settings: Settings) -> None:
    settings.MISSING_SECRETS = ["SLUICE_SECRET_KEY", "SLUICE_KEY_ENCRYPTION_KEY"]
    assert ours() == ["sluice.E006", "sluice.E006"]


@pytest.mark.parametrize(
    "key",
    [
        "short",
        "a" * 60,
        "change-me-change-me-in-production-please",
        "django-insecure-x8k2m5p9q3w7e",
    ],
)
def test_a_secret_key_that_can_be_guessed_refuses(settings: Settings, key: str) -> None:
    settings.SECRET_KEY = key
    assert ours() == ["sluice.E007"]


def test_an_old_secret_key_is_held_to_the_same(settings: Settings) -> None:
    settings.SECRET_KEY_FALLBACKS = ["short"]
    assert ours() == ["sluice.E007"]


def test_only_a_worker_needs_the_signing_key(settings: Settings, tmp_path: Path) -> None:
    settings.EMBEDDED, settings.AUDIT_KEY_GIVEN = False, False
    assert why_not_to_start() is None
    assert "sluice.E008" in str(why_not_to_start(signs=True))
    settings.AUDIT_KEY_GIVEN, settings.AUDIT_KEY_FILE = True, tmp_path / "audit.pem"
    assert "sluice.E008" in str(why_not_to_start(signs=True))
    settings.AUDIT_KEY_FILE.write_text("a key")
    assert why_not_to_start(signs=True) is None
