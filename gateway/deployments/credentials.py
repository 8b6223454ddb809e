"""Vendors' credentials at rest: sealed under the key-encryption key.

A credential is encrypted when it comes in and decrypted only for the snapshot's destinations.
"""

from gateway.key_encryption import SealedUnreadable as CredentialUnreadable
from gateway.key_encryption import open_sealed, seal

__all__ = ["CredentialUnreadable", "decrypt", "encrypt"]


def encrypt(secret: str) -> str:
    """Cipher text for the database; empty stays empty."""
    return seal(secret.encode()) if secret else ""


def decrypt(cipher_text: str) -> str:
    """The secret again. Raises CredentialUnreadable; its text quotes nothing."""
    return open_sealed(cipher_text).decode() if cipher_text else ""
