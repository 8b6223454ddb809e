"""E-mail addresses, also written as `name [at] host [dot] org`."""

import re
from collections.abc import Iterator

from policies.classification.spans import Recognizer, Span, Trigger, compile_text, search

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\Z")
_QUOTED_LOCAL = re.compile(r'"[^"\n\x1e]{1,62}"\Z')
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}([^\W\d_][\w-]{0,61}[^\W_])(?![\w@])")
_DOMAIN_LOOSE = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}")
_ADDRESS_LITERAL = re.compile(r"\[(?:\d{1,3}\.){3}\d{1,3}\]")
# `lodash@4.17.21`, `icon@2x.png`, `actions/checkout@v4.1.tgz`: a version, not a host.
_VERSION = re.compile(r"(?:v?\d+(?:\.\d+){1,3}\b|[1-9]x\.)", re.IGNORECASE)
_GIT_REMOTE = re.compile(r":(?!\d+\b)[\w.~-]+/")


def _find(text: str, start: int, end: int) -> Iterator[Span]:
    at = text.find("@", max(0, start), end)
    while at >= 0:
        span = _around(text, at)
        if span is not None:
            yield span
        at = text.find("@", at + 1, end)


def _around(text: str, at: int) -> Span | None:
    local = _LOCAL.search(text, max(0, at - 64), at) or _QUOTED_LOCAL.search(
        text, max(0, at - 64), at
    )
    if local is None:
        return None
    domain = (
        _DOMAIN.match(text, at + 1)
        or _DOMAIN_LOOSE.match(text, at + 1)
        or _ADDRESS_LITERAL.match(text, at + 1)
    )
    if domain is None or _VERSION.match(text, at + 1):
        return None
    begin = local.start()
    while begin < at and text[begin] in ".'/=?&|{}`*^!#$%~":
        begin += 1
    # `a/b?mail=name@host`: the address begins after the last separator of the surrounding URL.
    for separator in "=/&?|":
        cut = text.rfind(separator, begin, at)
        if cut >= 0:
            begin = cut + 1
    if begin >= at:
        return None
    # `git@github.com:team/repository` names a server, not a person.
    if text[begin:at] == "git" and _GIT_REMOTE.match(text, domain.end()):
        return None
    return Span(begin, domain.end(), "EMAIL_ADDRESS", 0.95)


_SPELT = compile_text(
    r"""
    (?<![\w.]) [\w.+-]{1,40}
    (?: [ ]?[\[({<] [ ]? (?:at|@|ät|arroba|chez) [ ]? [\])}>][ ]? | [ ](?:at|arroba)[ ] | _at_
        | [ ]?@[ ]? )
    (?: [\w-]{1,30} (?: [ ]?[\[({<] [ ]? (?:dot|punkt|point|punto|\.) [ ]? [\])}>][ ]?
                      | [ ](?:dot|punkt|punto)[ ] | _dot_ | \. ) ){1,3}
    [a-z]{2,12} \b
    """,
    re.IGNORECASE,
)
_SPELT_DOT = compile_text(
    r"[\[({<][ ]?(?:dot|punkt|point|punto|\.)[ ]?[\])}>]|[ _](?:dot|punkt|punto)[ _]", re.IGNORECASE
)


# m e @ h o s t . o r g
_LETTERS = compile_text(
    r"(?<![\w.]) (?:[\w.+-][ ]){2,32} @ (?:[ ][\w-]){2,32} (?:[ ]\.(?:[ ][\w-]){2,16}){1,2}"
)


def _find_spelt(text: str, start: int, end: int) -> Iterator[Span]:
    def plausible(match: re.Match[str]) -> float:
        # "look at example.com" is a sentence; brackets or a spelt dot make it an address.
        plain = not any(c in match[0] for c in "[({<") and not _SPELT_DOT.search(match[0])
        return 0.0 if plain and " @ " not in match[0] else 0.8

    for begin, stop, score in search(_SPELT, text, start, end, plausible):
        yield Span(begin, stop, "EMAIL_ADDRESS", score)
    for begin, stop, score in search(_LETTERS, text, start, end, lambda match: 0.8):
        yield Span(begin, stop, "EMAIL_ADDRESS", score)


_PERSONAL = (("EMAIL_ADDRESS", "personal"),)
RECOGNIZERS = (
    Recognizer(
        name="contact.email",
        classes=_PERSONAL,
        # Bytes above 0x7f and `?` stand for letters outside ASCII.
        triggers=(Trigger(r"[^\s@<>()\[\],;:]@[a-z0-9\[\x80-\xff?]", back=2, caseless=True),),
        find=_find,
    ),
    Recognizer(
        name="contact.email_spelt",
        classes=_PERSONAL,
        triggers=(
            Trigger(r"[\[({<] ?(?:at|@|.t|arroba|chez) ?[\])}>]", back=64, ahead=16, caseless=True),
            Trigger(
                r"(?:_at_|@ ?)[\w-]{1,30}(?: ?[\[({<] ?|[ _])(?:dot|punkt|punto)",
                back=96,
                ahead=16,
                caseless=True,
            ),
            Trigger(r" @ \w[\w-]{0,30}\.[a-z]", back=96, ahead=16, caseless=True),
            Trigger(r"\w \w @ \w \w", back=96, ahead=128),
            Trigger(
                r" (?:at|arroba) [\w-]{1,30} (?:dot|punkt|punto) [a-z]",
                back=96,
                ahead=16,
                caseless=True,
            ),
        ),
        find=_find_spelt,
    ),
)
