"""Each project's masking secret: 32 random bytes, sealed under the key-encryption key.

Placeholders, hashes and the digests of requests are keyed with what the snapshot derives from it,
so they are the same throughout a project and mean nothing outside of it. Whoever reads the database
alone can neither make one nor test a guess against one.
"""

import hmac
import secrets

from gateway.key_encryption import SealedUnreadable, open_sealed, seal

_BYTES = 32


class MaskingSecretUnreadable(Exception):
    """The stored secret is missing, or does not belong to this installation's key."""


def new_masking_secret() -> str:
    """A new secret as it is stored."""
    return seal(secrets.token_bytes(_BYTES))


def open_masking_secret(sealed: str) -> bytes:
    """The 32 bytes. Raises MaskingSecretUnreadable, whose text quotes nothing."""
    try:
        secret = open_sealed(sealed)
    except SealedUnreadable as error:
        raise MaskingSecretUnreadable(str(error)) from None
    if len(secret) != _BYTES:
        raise MaskingSecretUnreadable("not of the right length")
    return secret


def digest_key(secret: bytes) -> bytes:
    """The key for digests of the project's requests: 32 bytes."""
    return hmac.digest(secret, b"digest:requests", "sha256")


def masking_key(secret: bytes, *, deployment: str, vendor: str | None) -> bytes:
    """The key for one vendor (one deployment, where no vendor is named): 32 bytes.

    Two vendors see different placeholders for the same value, so they cannot join what they know.
    """
    # The word before the colon keeps a deployment that is named like a vendor apart from it.
    whom = f"vendor:{vendor.strip().casefold()}" if vendor else f"deployment:{deployment}"
    return hmac.digest(secret, whom.encode(), "sha256")
