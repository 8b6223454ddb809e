"""The keys that seal secrets: several at once, from a text or from a file that changes."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from gateway.key_encryption import (
    SEALED_START,
    NoKeys,
    SealedUnreadable,
    open_sealed,
    parse_keys,
    seal,
    sealed_anew,
)

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_the_first_key_seals_and_all_of_them_open(settings: Settings) -> None:
    settings.KEY_ENCRYPTION_KEY = OLD
    before = seal(b"secret")
    assert before.startswith(SEALED_START)
    settings.KEY_ENCRYPTION_KEY = f"{NEW}, {OLD}\n"
    assert open_sealed(before) == b"secret"
    after = sealed_anew(before)
    assert after is not None
    assert sealed_anew(after) is None
    settings.KEY_ENCRYPTION_KEY = NEW
    assert open_sealed(after) == b"secret"
    with pytest.raises(SealedUnreadable, match="SLUICE_KEY_ENCRYPTION_KEY"):
        open_sealed(before)


def test_a_file_that_changes_is_read_again(settings: Settings, tmp_path: Path) -> None:
    settings.KEY_ENCRYPTION_KEY = tmp_path / "keys"
    settings.KEY_ENCRYPTION_KEY.write_text(OLD)
    before = seal(b"secret")
    replacement = tmp_path / "replacement"
    replacement.write_text(f"{NEW}\n{OLD}\n")
    replacement.rename(settings.KEY_ENCRYPTION_KEY)
    assert open_sealed(before) == b"secret"
    assert Fernet(NEW).decrypt(seal(b"other").encode()) == b"other"


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "no key in it"), (f"{OLD} x", "its key 2")],
    ids=["none", "the second"],  # OLD is another one in each process
)
def test_what_is_no_key_is_named_by_its_place(text: str, why: str) -> None:
    with pytest.raises(NoKeys, match=why):
        parse_keys(text)


def test_a_file_that_is_gone_is_named(settings: Settings, tmp_path: Path) -> None:
    settings.KEY_ENCRYPTION_KEY = tmp_path / "gone"
    with pytest.raises(NoKeys, match="gone cannot be read"):
        seal(b"secret")


@pytest.mark.parametrize("text", ["", "nonsense", SEALED_START, "\u00e4"])
def test_what_nobody_sealed_does_not_open(text: str) -> None:
    with pytest.raises(SealedUnreadable):
        open_sealed(text)


def test_nothing_else_knows_the_keys() -> None:
    """A secret that is sealed some other way would be forgotten when the keys are replaced."""
    packages = [*ROOT.glob("gateway/**/*.py"), *ROOT.glob("policies/**/*.py")]
    packages += ROOT.glob("frontend/**/*.py")
    users = {
        str(path.relative_to(ROOT))
        for path in packages
        if "settings.KEY_ENCRYPTION_KEY" in path.read_text()
    }
    assert users == {"gateway/key_encryption.py"}
