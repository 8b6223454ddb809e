"""Fixtures of the policy services' tests."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def quick_hasher(settings: Settings) -> None:
    """A password of the first run is hashed in each test; the real hash takes its time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
