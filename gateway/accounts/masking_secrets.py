"""Each project's masking secret: 32 random bytes, sealed under `KEY_ENCRYPTION_KEY`.

Placeholders and hashes are keyed with what the snapshot derives from it, so they are the same
throughout a project and mean nothing outside of it. Whoever reads the database alone can neither
make one nor test a guess against one.
"""

import hmac
import secrets

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

_BYTES = 32


class MaskingSecretUnreadable(Exception):
    """The stored secret is missing, or does not belong to this installation's key."""


def new_masking_secret() -> str:
    """A new secret as it is stored."""
    return _fernet().encrypt(secrets.token_bytes(_BYTES)).decode("ascii")


def open_masking_secret(sealed: str) -> bytes:
    """The 32 bytes. Raises MaskingSecretUnreadable, whose text quotes nothing."""
    try:
        secret = _fernet().decrypt(sealed.encode())
    except InvalidToken:
        raise MaskingSecretUnreadable(
            "sealed under another key: set SLUICE_KEY_ENCRYPTION_KEY (or var/kek.key) to the key "
            "it was stored with"
        ) from None
    if len(secret) != _BYTES:
        raise MaskingSecretUnreadable("not of the right length")
    return secret


def masking_key(secret: bytes, *, deployment: str, vendor: str | None) -> bytes:
    """The key for one vendor (one deployment, where no vendor is named): 32 bytes.

    Two vendors see different placeholders for the same value, so they cannot join what they know.
    """
    # The word before the colon keeps a deployment that is named like a vendor apart from it.
    whom = f"vendor:{vendor.strip().casefold()}" if vendor else f"deployment:{deployment}"
    return hmac.digest(secret, whom.encode(), "sha256")


def _fernet() -> Fernet:
    return Fernet(settings.KEY_ENCRYPTION_KEY.encode())
