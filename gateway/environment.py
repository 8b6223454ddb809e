"""Reads the environment: each variable once, with its problem in one line when it is wrong.

Used by `gateway.settings` alone, and for the vendors' credentials that `sluice.yaml` names. What is
wrong ends the process (SystemExit) before Django can check anything, whichever process it is.
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NoReturn


def refuse(name: str, problem: str) -> NoReturn:
    """End the process. `problem` continues the sentence that the variable's name begins."""
    raise SystemExit(f"Sluice does not start: {name} {problem}")


def folder(name: str, default: Path) -> Path:
    """A directory, made when it is not there, for its owner alone."""
    path = Path(os.environ.get(name) or default).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        refuse(name, f"is {path}, which cannot be made ({error.strerror}).")
    return path


def number(name: str, default: int, *, at_most: int) -> int:
    """A whole number from 1 to `at_most`."""
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= at_most):
        refuse(name, f"is {text[:40]!r}; it must be a whole number from 1 to {at_most}.")
    return int(text)


def _text_of(name: str, place: str) -> str:
    try:
        text = Path(place).read_text(encoding="utf-8").strip()
    except OSError as error:
        refuse(name, f"is {place}, which cannot be read ({error.strerror}).")
    except UnicodeDecodeError:
        refuse(name, f"is {place}, which is not a text.")
    if not text:
        refuse(name, f"is {place}, which is empty.")
    return text


def secret(name: str) -> str | None:
    """From the variable, or from the file that `NAME_FILE` names; None: neither is set."""
    given, place = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if given and place:
        refuse(name, f"is set and {name}_FILE is, too: set one of them.")
    return _text_of(f"{name}_FILE", place) if place else given or None


def flag(name: str) -> bool:
    """1, true or yes; 0, false, no or nothing."""
    text = (os.environ.get(name) or "0").lower()
    if text not in {"0", "1", "false", "true", "no", "yes"}:
        refuse(name, f"is {text[:40]!r}; it must be 1 or 0.")
    return text in {"1", "true", "yes"}


def words(name: str, default: str = "") -> list[str]:
    """Words between blanks or commas."""
    return [word for word in os.environ.get(name, default).replace(",", " ").split() if word]


def networks(name: str, default: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """IP networks between blanks or commas."""
    try:
        return tuple(ip_network(word) for word in words(name, default))
    except ValueError as error:
        refuse(name, f"is wrong: {error}. Write networks such as 10.0.0.0/8.")


def credential(name: str) -> str | None:
    """A vendor's credential from the variable that `sluice.yaml` names, or from the file that
    `NAME_FILE` names; None when neither is set.

    Sluice's own secrets cannot be named: a credential is sent to a vendor.
    """
    if name.startswith(("SLUICE_", "DATABASE_", "REDIS_")):
        return None
    return secret(name)
