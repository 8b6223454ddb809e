"""Private keys, JWTs, and passwords that are written as such."""

import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator

from policies.classification.spans import SEPARATOR, Recognizer, Span, Trigger, compile_text, search

_PEM = re.compile(
    r"(?:-{1,5} ?)?BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE\s{1,3}KEY(?: BLOCK)?(?: ?-{1,5})?"
)
_PEM_END = re.compile(r"-{2,5} ?END (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)? ?-{2,5}")
_PEM_BODY = re.compile(r"[A-Za-z0-9+/=\s\\:,.\"'-]{0,16384}", re.ASCII)
_PUTTY = re.compile(r"PuTTY-User-Key-File-\d")


def _find_private_key(text: str, start: int, end: int) -> Iterator[Span]:
    position = start
    for pattern in (_PEM, _PUTTY):
        for begin, stop, score in search(pattern, text, start, end, lambda match: 0.99):
            if begin < position:
                continue
            body = _PEM_BODY.match(text, stop)
            limit = body.end() if body else stop
            ending = _PEM_END.search(text, stop, limit + 64)
            position = ending.end() if ending else limit
            yield Span(begin, position, "PRIVATE_KEY", score)


_JWT = re.compile(r"(?<![A-Za-z0-9])ey[IJ][A-Za-z0-9_-]{10}", re.ASCII)
_JWT_REST = re.compile(
    r"[A-Za-z0-9_-]{0,4096}\.[A-Za-z0-9_-]{4,16384}(?:\.[A-Za-z0-9_-]{0,4096}){0,3}", re.ASCII
)


def _find_jwt(text: str, start: int, end: int) -> Iterator[Span]:
    for begin, stop, score in search(_JWT, text, start, end, lambda match: 0.95):
        rest = _JWT_REST.match(text, stop)
        if rest is not None and _is_header(text[begin:stop]):
            yield Span(begin, rest.end(), "JWT", score)


def _is_header(beginning: str) -> bool:
    try:
        head = urlsafe_b64decode(beginning[:12])
    except (Base64Error, ValueError):
        return False
    return head.lstrip().startswith(b"{") and b'"' in head


_URL_PASSWORD = compile_text(
    r"\b [a-z][a-z0-9+.-]{1,20} :// (?P<user>[^\s/:@\x1e]{0,64}) :"
    r" (?P<password>[^\s/@\x1e]{1,64}) @ (?=[\w\[])",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"""^(?: [<\[{$%(*].* | x+ | \*+ | \.+ | \$?\{.* | your[\W_].*
        | my[_-]?(?:password|secret|token|key)
      | (?:db|user|my|the|new|old)?[_-]?(?:password|passwd|pass|pwd|secret|token|key|apikey
        |api[_-]key)
      | none | null | true | false | undefined | string | str | required | optional | redacted
        | hidden
      | change[_-]?me | example | placeholder | todo | insert.* | enter.* | process\.env.*
        | os\.environ.*
      | getenv.* | env\..* | config\..* | self\..* | this\..* | settings\..* | secrets?\..*
        | var\..* )$""",
    re.IGNORECASE | re.VERBOSE,
)


# `max_tokens`, `azure1`: the name of something.
_LABEL = re.compile(r"(?:[a-z]{2,}[_.-])*[a-z]{2,}\d?\Z|(?:sk|pk)-[a-z-]*\d{0,3}\Z", re.ASCII)


def _find_url_password(text: str, start: int, end: int) -> Iterator[Span]:
    def real(match: re.Match[str]) -> float:
        return 0.0 if _PLACEHOLDER.match(match["password"]) else 0.95

    for begin, stop, score in search(_URL_PASSWORD, text, start, end, real):
        yield Span(begin, stop - 1, "URL_PASSWORD", score)


_ASSIGNED = compile_text(
    rf"""(?P<name> (?:pass(?:word|wd|phrase|wort)? | pwd | secret | kennwort | mot[ ]de[ ]passe
        | contrase[nñ]a
            | api[ _-]?key | access[ _-]?key | private[ _-]?key | auth[ _-]?(?:token|key)
            | access[ _-]?token
            | refresh[ _-]?token | client[ _-]?secret | secret[ _-]?key | encryption[ _-]?key
            | bearer
            | (?:^|(?<=[\W_]))token | credentials?) )
        (?! [_-]?(?:name|id|url|uri|path|file|type|hint|length|policy|field|env|count|limit
        |cost|usage|s?_?per)s?\b )
        (?: _?[a-z0-9]{{0,12}} )
        (?: ["'`]?\s{{0,3}}(?::=|=>|==?|:|{SEPARATOR})\s{{0,3}}
        | [ ](?:is|ist|lautet|est|es|was)[ :]{{1,2}} | (?<=bearer)[ ] )
        (?: (?P<quote>["'`]) (?P<quoted>[^\s"'`{SEPARATOR}]{{6,64}}) (?P=quote)
          | (?P<bare>[^\s"'`,;(){SEPARATOR}<>]{{8,64}}) (?=[\s,;"'`{SEPARATOR}<]|\Z) )""",
    re.IGNORECASE,
)
_TAIL = re.compile(r"[A-Za-z0-9+/=_.~-]{0,4096}", re.ASCII)


def _find_assigned(text: str, start: int, end: int) -> Iterator[Span]:
    for found, _, score in search(_ASSIGNED, text, start, end, _looks_secret):
        match = _ASSIGNED.match(text, found, min(len(text), found + 300))
        if match is None:
            continue
        group = "quoted" if match["quoted"] else "bare"
        yield Span(match.start(group), match.end(group), "PASSWORD", score)


def _looks_secret(match: re.Match[str]) -> float:
    value = match["quoted"] or match["bare"]
    if _PLACEHOLDER.match(value) or _LABEL.match(value) or "..." in value:
        return 0.0
    digit = any(c.isdigit() for c in value)
    letter = any(c.isalpha() for c in value)
    if match["quoted"]:
        # A quoted value beside such a name is meant; one plain word may be a label.
        special = any(not c.isalnum() for c in value)
        return 0.7 if letter and (digit or (special and " " not in value)) else 0.0
    varied = len(set(value)) >= 6
    plain = not any(c in "()[]{}<>$" for c in value) and "://" not in value
    return 0.6 if digit and letter and varied and plain else 0.0


RECOGNIZERS = (
    Recognizer(
        name="secret.private_key",
        classes=(("PRIVATE_KEY", "secret"),),
        triggers=(
            Trigger(r"BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE\s{1,3}KEY", back=80, ahead=16),
            Trigger(r"PuTTY-User-Key-File-\d", back=24),
        ),
        find=_find_private_key,
    ),
    Recognizer(
        name="secret.jwt",
        classes=(("JWT", "secret"),),
        triggers=(Trigger(r"ey[IJ][A-Za-z0-9_-]{10}", back=14),),
        find=_find_jwt,
    ),
    Recognizer(
        name="secret.url_password",
        classes=(("URL_PASSWORD", "secret"),),
        triggers=(
            Trigger(r"://[^\s/:@\x1e]{0,64}:[^\s/@\x1e]{1,64}@", back=160, ahead=2, caseless=True),
        ),
        find=_find_url_password,
    ),
    Recognizer(
        name="secret.assigned",
        classes=(("PASSWORD", "secret"),),
        triggers=(
            Trigger(
                r"(?:pass(?:word|wd|phrase|wort)?|pwd|secret|kennwort|mot de passe|contrase.{1,2}a"
                r"|(?:api|access|private|auth|encryption)[ _-]?key|token|bearer"
                r"|credentials?)_?[a-z0-9]{0,12}"
                r"(?:[\"'`]?\s{0,3}(?::=|=>|==?|:|\x1e)\s{0,3}| (?:is|ist|lautet|est|es|was)["
                r" :]{1,2}| )"
                r"[\"'`]?[^\s\"'`\x1e]{6}",
                back=72,
                ahead=4,
                caseless=True,
            ),
        ),
        find=_find_assigned,
    ),
)
