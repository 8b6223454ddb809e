"""Vendors' credentials at rest: Fernet (AES-128-CBC, HMAC-SHA-256) under `KEY_ENCRYPTION_KEY`.

A credential is encrypted when it comes in and decrypted only for the snapshot's destinations.
"""

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class CredentialUnreadable(Exception):
    """The stored credential does not belong to this installation's key-encryption key."""


def encrypt(secret: str) -> str:
    """Cipher text for the database; empty stays empty."""
    return _fernet().encrypt(secret.encode()).decode("ascii") if secret else ""


def decrypt(cipher_text: str) -> str:
    """The secret again. Raises CredentialUnreadable; its text quotes nothing."""
    if not cipher_text:
        return ""
    try:
        return _fernet().decrypt(cipher_text.encode()).decode()
    except InvalidToken:
        raise CredentialUnreadable(
            "encrypted under another key: set SLUICE_KEY_ENCRYPTION_KEY (or var/kek.key) to the "
            "key it was stored with, or store the credential again"
        ) from None


def _fernet() -> Fernet:
    return Fernet(settings.KEY_ENCRYPTION_KEY.encode())
