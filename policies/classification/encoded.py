"""Runs of base64, base32, hexadecimal and character codes: what they say, or that they say
nothing that can be read.

A run is decoded only to be scanned. What stays unreadable, is long, and is none of the ordinary
forms (hashes, identifiers, public keys, addresses) is enciphered as far as anyone can tell.
"""

import re
from base64 import b32decode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from contextlib import suppress

from policies.classification.spans import Trigger

_B64 = "A-Za-z0-9+/_-"
# One hit per run, at its twelfth character, for runs with a capital or a digit among the first
# twelve but not only in front: ordinary long words have none, base64 lacks one in 1 of 20,000.
_MIXED = "|".join("[a-z]" * n + "[A-Z0-9+]" + f"[{_B64}]" * (10 - n) for n in range(11))
RUN_TRIGGERS = (
    Trigger(rf"[^{_B64}][{_B64}](?:{_MIXED})"),
    # 34 31 31 31, 0x34 0x31, 00110100 00110001, 52 49 49 49
    Trigger(r"(?:[0-9A-Fa-f]{2}[ ,:]{1,2}(?:0x|\\x)?){7}[0-9A-Fa-f]{2}", once=True),
    Trigger(r"(?:[01]{8}[ ,]{0,2}){6}[01]{8}", once=True),
    Trigger(r"(?:[0-9]{2,3}[ ,;]{1,2}){8}[0-9]{2}", once=True),
)
OPAQUE_TRIGGERS = (
    Trigger(
        r"BEGIN PGP MESSAGE|\$ANSIBLE_VAULT;|ENC\[AES|U2FsdGVkX1|BEGIN AGE ENCRYPTED", once=True
    ),
)

_RUN = re.compile(rf"[{_B64}]{{12,}}(?:\r?\n[{_B64}]{{4,}})*={{0,2}}", re.ASCII)
_LINE_BREAK = re.compile(r"[\r\n]+")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_HEX = re.compile(r"[0-9A-Fa-f]+", re.ASCII)
_BASE32 = re.compile(r"[A-Z2-7]+", re.ASCII)
_PAIRS = re.compile(
    r"(?<![0-9A-Za-z])(?:0x|\\x)?[0-9A-Fa-f]{2}(?:[ ,:]{1,2}(?:0x|\\x)?[0-9A-Fa-f]{2}){7,4096}"
    r"(?![0-9A-Za-z])",
    re.ASCII,
)
_OCTETS = re.compile(
    r"(?<![0-9A-Za-z])[01]{8}(?:[ ,]{0,2}[01]{8}){6,4096}(?![0-9A-Za-z])", re.ASCII
)
_CODES = re.compile(
    r"(?<![0-9A-Za-z])[0-9]{2,3}(?:[ ,;]{1,2}[0-9]{2,3}){8,4096}(?![0-9A-Za-z])", re.ASCII
)
_BYTE = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}|(?<=0x)[0-9A-Fa-f]{2}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)

# Unreadable runs up to this length are identifiers, hashes and keys; SHA-512 is 88 in base64
# and 128 in hexadecimal.
LEAST_ENCIPHERED = 100
LEAST_ENCIPHERED_HEX = 256
# Signed links carry long parameters.
LEAST_ENCIPHERED_IN_LINK = 1024
_PUBLIC = re.compile(
    r"(?:BEGIN (?:CERTIFICATE|[A-Z0-9 ]{0,20}PUBLIC KEY|PGP (?:SIGNATURE|PUBLIC)[A-Z ]*|X509 CRL"
    r"|CERTIFICATE REQUEST|NEW CERTIFICATE REQUEST|SSH SIGNATURE|DH PARAMETERS)"
    r"|ssh-[a-z0-9-]+ |ecdsa-[a-z0-9-]+ |data:(?:font|application/(?:x-)?font)|sha(?:256|384|512)-)"
    r"[^\x1e]{0,300}\Z",
    re.ASCII,
)
_IN_LINK = re.compile(r"[a-z][a-z0-9+.-]{1,12}://[^\s\x1e\"<>]{0,400}\Z", re.ASCII | re.IGNORECASE)


class Run:
    """One encoded run: where it stands and what it says (None: nothing readable)."""

    __slots__ = ("enciphered", "end", "start", "text")

    def __init__(self, start: int, end: int, text: str | None, *, enciphered: bool = False) -> None:
        self.start = start
        self.end = end
        self.text = text
        self.enciphered = enciphered


def runs(text: str, hits: list[tuple[int, int]]) -> Iterator[Run]:
    """Decode the runs at `hits`: (index into RUN_TRIGGERS, end of the trigger's match)."""
    reached = 0
    for kind, end in hits:
        if kind:
            yield from _codes(text, kind)
        elif end > reached:
            match = _RUN.match(text, end - 12)
            if match is not None:
                reached = match.end()
                run = _base64(text, match)
                if run is not None:
                    yield run


def _base64(text: str, match: re.Match[str]) -> Run | None:
    bare = written = match[0]
    if "\n" in written:
        first = _LINE_BREAK.split(written, maxsplit=1)[0]
        # Words under one another are no wrapped base64.
        if len(first) < 40:
            written = first
        bare = _LINE_BREAK.sub("", written)
    bare = bare.rstrip("=")
    start, end = match.start(), match.start() + len(written)
    if bare.isalpha() and (bare.islower() or bare[1:].islower()):
        return None
    for raw in _decoded(bare):
        readable = as_text(raw)
        if readable is not None:
            return Run(start, end, readable)
    if len(bare) >= LEAST_ENCIPHERED and _enciphered(text, start, bare):
        return Run(start, end, None, enciphered=True)
    return None


def _decoded(bare: str) -> Iterator[bytes]:
    """Every way the run can be read as bytes."""
    digits = bare.removeprefix("0").removeprefix("x") if bare[:2] in {"0x", "x3"} else bare
    if len(digits) % 2 == 0 and digits[0] in _HEX_DIGITS and _HEX.fullmatch(digits):
        yield bytes.fromhex(digits)
    # Without a cased letter `isupper` is false.
    if (bare.isupper() or bare.isdigit()) and _BASE32.fullmatch(bare):
        with suppress(Base64Error):
            yield b32decode(bare + "=" * (-len(bare) % 8))
    remainder = len(bare) % 4
    if remainder != 1:
        plain = bare.replace("-", "+").replace("_", "/")
        yield a2b_base64(plain + "=" * (-len(plain) % 4))


def _codes(text: str, kind: int) -> Iterator[Run]:
    """Every list of character codes of one kind that spells something."""
    for match in (_PAIRS, _PAIRS, _OCTETS, _CODES)[kind].finditer(text):
        if kind == 1:
            raw = bytes([int(part, 16) for part in _BYTE.findall(match[0])])
        elif kind == 2:
            bits = "".join([c for c in match[0] if c in "01"])
            raw = bytes([int(bits[i : i + 8], 2) for i in range(0, len(bits) - 7, 8)])
        else:
            numbers = [int(part) for part in _NUMBER.findall(match[0])]
            if max(numbers) > 255:
                continue
            raw = bytes(numbers)
        readable = as_text(raw)
        if readable is not None:
            yield Run(match.start(), match.end(), readable)


_PRINTABLE = re.compile(rb"[\x09\x0a\x0d\x20-\x7e]*")
# What no UTF-8 has. An exception takes three times as long as looking for it.
_NOT_UTF8 = re.compile(
    rb"[\xc0\xc1\xf5-\xff]|[\xc2-\xf4](?![\x80-\xbf])|(?<![\x80-\xff])[\x80-\xbf]"
)


def as_text(raw: bytes) -> str | None:
    """The bytes as text when they look written: printable ASCII, UTF-8 or UTF-16."""
    if len(raw) < 6:
        return None
    if raw.isascii() and _PRINTABLE.fullmatch(raw):
        return raw.decode("ascii")
    if raw[1:2] == b"\0" or raw[:1] == b"\0" or raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return _utf16(raw)
    if _NOT_UTF8.search(raw):
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if len(text) > 8 and _mostly_written(text) else None


def _utf16(raw: bytes) -> str | None:
    order = "utf-16-be" if raw[:1] == b"\0" or raw[:2] == b"\xfe\xff" else "utf-16-le"
    try:
        text = raw.decode(order).lstrip("\ufeff")
    except UnicodeDecodeError:
        return None
    return text if _mostly_written(text) else None


def _mostly_written(text: str) -> bool:
    good = sum(1 for c in text if c.isprintable() or c in "\t\n\r")
    return good >= 0.95 * len(text)


def _enciphered(text: str, start: int, bare: str) -> bool:
    """Whether a long unreadable run is none of the ordinary forms."""
    if _HEX.fullmatch(bare):
        return len(bare) >= LEAST_ENCIPHERED_HEX and len(set(bare.lower())) > 10
    upper = sum(1 for c in bare if "A" <= c <= "Z") / len(bare)
    lower = sum(1 for c in bare if "a" <= c <= "z") / len(bare)
    digit = sum(1 for c in bare if "0" <= c <= "9") / len(bare)
    # Random base64 has 41 % of either case and 16 % digits; names and paths are nearly all of
    # one case.
    if min(upper, lower) < 0.15 or digit < 0.03 or len(set(bare)) < 30:
        return False
    lead = text[max(0, start - 420) : start]
    if bare.startswith(("AAAAB3NzaC1", "AAAAC3NzaC1", "AAAAE2VjZHNh")) or _PUBLIC.search(lead):
        return False
    return not (_IN_LINK.search(lead) and len(bare) < LEAST_ENCIPHERED_IN_LINK)
