"""The digest of a request's body, keyed with a secret of its project.

A plain SHA-256 of a short body ("approve the loan of N. N.: yes") can be found by trying; the audit
is kept for years and handed out. With the key it says nothing to whoever reads it, and whoever has
the key and the body can still show that they belong together (`manage.py privacy digest`).
"""

import hmac
from typing import Final

KEYED: Final = "k1:"  # what stands before it; records of version 0.1 have 64 hex digits and no word
HEX_DIGITS: Final = 60  # 240 bits of the HMAC; with the word it fits into 64 characters


def request_digest(body: bytes, key: bytes) -> str:
    """`k1:` and the first 60 hex digits of HMAC-SHA-256 over the body; empty without a body."""
    return KEYED + hmac.digest(key, body, "sha256").hex()[:HEX_DIGITS] if body else ""
