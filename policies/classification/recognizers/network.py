"""IP and MAC addresses.

Left out as no one's address: loopback, what begins with 0, and dotted numbers that follow a
version's marks. Private addresses count: they describe an internal network.
"""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address

from policies.classification.spans import Recognizer, Span, Trigger, compile_text, search

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = compile_text(
    rf"(?<![\w.]) (?:{_OCTET} (?:\.|\[\.\]|\(\.\)|[ ]\.[ ]|\[dot\]|\(dot\)) ){{3}}"
    rf" {_OCTET} (?! \w | \.\w )"
)
_VERSION_MARK = compile_text(
    r"""(?: (?<![a-z]) (?: v | ver | vers | version | versions | release | rev | build | firmware
        | section | chapter | oid | kapitel | abschnitt | paragraph ) \.?
        | (?:==|>=|<=|~=|!=|\^|~) | [a-z][\w+]{1,30}/ ) [ :="']{0,3} \Z""",
    re.IGNORECASE,
)
# `http://10.0.0.1`, `tcp/10.0.0.1`: a slash before an address is no product name.
_HOST_MARK = compile_text(
    r"(?: // | \b(?:tcp|udp|host|ip|ipv4|net|network|subnet|addr|address|server)/ ) \Z",
    re.IGNORECASE,
)


def _ipv4(text: str, match: re.Match[str]) -> float:
    octets = [int(part) for part in re.findall(r"\d+", match[0])]
    if octets[0] in {0, 127}:
        return 0.0
    window = text[max(0, match.start() - 40) : match.start()].rsplit("\x1e", 1)[-1]
    if _VERSION_MARK.search(window) and not _HOST_MARK.search(window):
        return 0.0
    return 0.8


def _find_ipv4(text: str, start: int, end: int) -> Iterator[Span]:
    for begin, stop, score in search(_IPV4, text, start, end, lambda match: _ipv4(text, match)):
        yield Span(begin, stop, "IP_ADDRESS", score)


_IPV6 = compile_text(
    rf"(?<![\w:.]) (?: [0-9a-f]{{0,4}}: ){{2,7}} (?: (?:{_OCTET}\.){{3}}{_OCTET} |"
    rf" [0-9a-f]{{0,4}} ) (?![\w:]|\.\d)",
    re.IGNORECASE,
)


def _ipv6(match: re.Match[str]) -> float:
    try:
        address = IPv6Address(match[0])
    except AddressValueError:
        return 0.0
    if address.is_loopback or address.is_unspecified:
        return 0.0
    # `dead::beef` may be a namespace; an address has a digit or at least three groups.
    groups = [group for group in match[0].split(":") if group]
    if len(groups) == 8 and all(len(group) == 2 for group in groups):  # a fingerprint
        return 0.0
    return 0.85 if len(groups) > 2 or (len(groups) > 1 and _has_digit(match[0])) else 0.0


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _find_ipv6(text: str, start: int, end: int) -> Iterator[Span]:
    for begin, stop, score in search(_IPV6, text, start, end, _ipv6):
        yield Span(begin, stop, "IP_ADDRESS", score)


_MAC = compile_text(
    r"""(?<![\w:-]) (?: [0-9a-f]{2} (?P<s>[:-]) [0-9a-f]{2} (?: (?P=s)[0-9a-f]{2} ){4}
        (?![\w]|[:-][0-9a-f])
      | [0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4} (?![\w]|\.\w) )""",
    re.IGNORECASE,
)


def _mac(match: re.Match[str]) -> float:
    written = match[0].lower()
    if len(set(written) - {":", "-", "."}) < 2:  # 00:00:00:00:00:00, ff:ff:…
        return 0.0
    letters = any(c in "abcdef" for c in written)
    return 0.9 if letters or ":" in written else 0.0


def _find_mac(text: str, start: int, end: int) -> Iterator[Span]:
    for begin, stop, score in search(_MAC, text, start, end, _mac):
        yield Span(begin, stop, "MAC_ADDRESS", score)


_IP_CLASS = (("IP_ADDRESS", "personal"),)
RECOGNIZERS = (
    Recognizer(
        name="network.ipv4",
        classes=_IP_CLASS,
        triggers=(
            Trigger(
                r"[^\w.](?:\d{1,3}(?:\.|\[\.\]|\(\.\)| \. |\[dot\]|\(dot\))){3}\d", back=40, ahead=4
            ),
        ),
        find=_find_ipv4,
    ),
    Recognizer(
        name="network.ipv6",
        classes=_IP_CLASS,
        triggers=(
            Trigger(r"[^\w:.](?:[0-9a-f]{1,4}:){3}", back=48, ahead=40, caseless=True),
            Trigger(r"::[0-9a-f]", back=48, ahead=40, caseless=True),
            Trigger(r"[0-9a-f]::", back=48, ahead=40, caseless=True),
        ),
        find=_find_ipv6,
    ),
    Recognizer(
        name="network.mac",
        classes=(("MAC_ADDRESS", "personal"),),
        triggers=(
            Trigger(r"[^\w:-](?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}", back=20, ahead=2, caseless=True),
            Trigger(r"(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}", back=16, ahead=2, caseless=True),
        ),
        find=_find_mac,
    ),
)
