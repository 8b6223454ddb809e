"""What an installation outside of the embedded mode is given: secrets in files."""

import base64
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_secrets(directory: Path) -> dict[str, str]:
    """Write the three secrets; the environment that names them."""
    audit = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    texts = {
        "secret_key": secrets.token_urlsafe(48).encode(),
        "key_encryption_key": base64.urlsafe_b64encode(secrets.token_bytes(32)),
        "audit_key.pem": audit,
    }
    for name, text in texts.items():
        (directory / name).write_bytes(text)
    return {
        "SLUICE_SECRET_KEY_FILE": str(directory / "secret_key"),
        "SLUICE_KEY_ENCRYPTION_KEY_FILE": str(directory / "key_encryption_key"),
        "SLUICE_AUDIT_KEY": str(directory / "audit_key.pem"),
    }
