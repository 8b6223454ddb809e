"""API keys whose vendor gave them a form that nothing else has. Samples count as keys."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from policies.classification.spans import Recognizer, Span, Trigger, compile_text, search

_WORD_TAIL = re.compile(r"[A-Za-z0-9_-]{0,4096}", re.ASCII)
_BASE64_TAIL = re.compile(r"[A-Za-z0-9+/]{0,4096}={0,2}", re.ASCII)


def _any(match: re.Match[str]) -> float:
    return 0.99


def _mixed(match: re.Match[str]) -> float:
    """A key has digits, or upper and lower case; a CSS class or a file name has neither."""
    key = match[0]
    return 0.95 if any(c.isdigit() for c in key[3:]) or not (key.islower() or key.isupper()) else 0


@dataclass(frozen=True, slots=True)
class _Form:
    """`least` is the shortest form, at most 90 characters; the rest of the key follows it."""

    data_class: str
    least: str
    check: Callable[[re.Match[str]], float] = _any
    caseless: bool = False
    trigger: str = ""  # where `least` is costly to compile: a part of it, with the same end


_W = "[A-Za-z0-9_-]"
_A = "[A-Za-z0-9]"
_FORMS = (
    _Form("AWS_ACCESS_KEY", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", caseless=True, check=_any),
    _Form("GCP_API_KEY", rf"AIza{_W}{{30}}"),
    _Form("GCP_API_KEY", rf"GOCSPX-{_W}{{20}}"),
    _Form("GCP_API_KEY", rf"ya29\.{_W}{{20}}"),
    _Form("AZURE_KEY", r"(?:AccountKey|SharedAccessKey|SharedSecret)=[A-Za-z0-9+/]{40}"),
    _Form("AZURE_KEY", rf"{_A}{{52}}JQQJ99{_A}{{10}}", trigger=rf"JQQJ99{_A}{{10}}"),
    _Form("AZURE_KEY", rf"{_A}{{52}}AZDO{_A}{{4}}", trigger=rf"AZDO{_A}{{4}}"),
    _Form("AZURE_KEY", rf"{_W}{{3}}[78]Q~[A-Za-z0-9_~.-]{{28}}", trigger=r"[78]Q~[\w~.-]{28}"),
    _Form("GITHUB_TOKEN", rf"gh[pousr]_{_A}{{20}}"),
    _Form("GITHUB_TOKEN", r"github_pat_[A-Za-z0-9_]{20}"),
    _Form("GITLAB_TOKEN", rf"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct|oas)-{_W}{{16}}"),
    _Form("SLACK_TOKEN", rf"xox[abeoprs]-{_W}{{10}}", check=_mixed),
    _Form("SLACK_TOKEN", rf"xapp-\d-{_W}{{10}}"),
    _Form(
        "SLACK_TOKEN", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9]{6,14}/[A-Za-z0-9]{6}"
    ),
    _Form("STRIPE_KEY", rf"[sr]k_(?:live|test)_{_A}{{10}}"),
    _Form("STRIPE_KEY", r"whsec_[A-Za-z0-9+/]{20}"),
    _Form("ANTHROPIC_API_KEY", rf"sk-ant-{_W}{{10}}", check=_mixed),
    _Form("SLUICE_API_KEY", rf"sk-sluice-{_W}{{8}}", check=_mixed),
    _Form("OPENAI_API_KEY", rf"sk-(?:proj|svcacct|admin|None)-{_W}{{10}}", check=_mixed),
    _Form(
        "OPENAI_API_KEY",
        rf"sk-(?!ant-|sluice-|proj-|svcacct-|admin-|None-){_W}{{18}}",
        check=_mixed,
    ),
    _Form("HUGGING_FACE_TOKEN", rf"hf_{_A}{{20}}", check=_mixed),
    _Form("HUGGING_FACE_TOKEN", rf"api_org_{_A}{{20}}", check=_mixed),
    _Form("NPM_TOKEN", rf"npm_{_A}{{20}}", check=_mixed),
    _Form("PYPI_TOKEN", rf"pypi-{_W}{{16}}", check=_mixed),
    # Others whose form is as plain.
    _Form("VENDOR_API_KEY", rf"SG\.{_W}{{16,24}}\.{_W}{{20}}"),
    _Form("VENDOR_API_KEY", r"\bSK[0-9a-f]{32}\b"),
    _Form("VENDOR_API_KEY", r"dapi[0-9a-f]{32}"),
    _Form("VENDOR_API_KEY", r"do[opr]_v1_[0-9a-f]{40}"),
    _Form("VENDOR_API_KEY", rf"\d{{8,10}}:AA{_W}{{30}}"),
    _Form("VENDOR_API_KEY", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    _Form("VENDOR_API_KEY", rf"hv[sbr]\.{_W}{{24}}"),
    _Form("VENDOR_API_KEY", rf"gsk_{_A}{{30}}"),
    _Form("VENDOR_API_KEY", rf"xai-{_A}{{40}}"),
    _Form("VENDOR_API_KEY", rf"pplx-{_A}{{30}}"),
    _Form("VENDOR_API_KEY", rf"r8_{_A}{{30}}"),
    _Form("VENDOR_API_KEY", rf"dckr_pat_{_W}{{20}}"),
    _Form("VENDOR_API_KEY", rf"lin_api_{_A}{{30}}"),
    _Form("VENDOR_API_KEY", rf"ntn_{_A}{{40}}"),
    _Form("VENDOR_API_KEY", rf"sq0(?:atp|csp|idp)-{_W}{{20}}"),
    _Form("VENDOR_API_KEY", rf"EAACEdEose0cBA{_A}{{10}}"),
    _Form("VENDOR_API_KEY", r"AGE-SECRET-KEY-1[A-Z0-9]{40}"),
    _Form("VENDOR_API_KEY", r"PMAK-[0-9a-f]{24}"),
    _Form("VENDOR_API_KEY", r"NRAK-[A-Z0-9]{27}"),
    _Form("VENDOR_API_KEY", rf"glsa_{_A}{{32}}"),
    _Form("VENDOR_API_KEY", r"key-[0-9a-f]{32}"),
)


def _recognizer(index: int, form: _Form) -> Recognizer:
    flags = re.IGNORECASE if form.caseless else 0
    # Not inside a longer word; `_` and `-` may stand before a key.
    pattern = re.compile(rf"(?<![A-Za-z0-9]){form.least}", re.ASCII | flags)

    tail_pattern = _BASE64_TAIL if "+/]" in form.least else _WORD_TAIL

    def find(text: str, start: int, end: int) -> Iterator[Span]:
        position = start
        for begin, stop, score in search(pattern, text, start, end, form.check):
            if begin < position:
                continue
            tail = tail_pattern.match(text, stop)
            position = tail.end() if tail else stop
            yield Span(begin, position, form.data_class, score)

    return Recognizer(
        name=f"secret.{form.data_class.lower()}_{index}",
        classes=((form.data_class, "secret"),),
        triggers=(Trigger(form.trigger or _plain(form.least), back=100, caseless=form.caseless),),
        find=find,
    )


def _plain(expression: str) -> str:
    """Hyperscan has no look-ahead: without it the trigger only fires more often."""
    return re.sub(r"\(\?!.*?\)", "", expression)


_AWS_SPACED = compile_text(
    r"(?<![A-Z0-9]) A[\s._-]?K[\s._-]?I[\s._-]?A (?:[\s._-]?[A-Z0-9]){16} (?![A-Za-z0-9])"
)
_AWS_SECRET = compile_text(
    r"""(?:aws|secret|amazon)[a-z_. -]{0,24}(?:key|secret)[a-z_]{0,8} ["'\s:=>\x1e]{1,8}
        (?P<key>[A-Za-z0-9/+]{40}) (?![A-Za-z0-9/+=])""",
    re.IGNORECASE,
)


def _find_aws_spaced(text: str, start: int, end: int) -> Iterator[Span]:
    def spelt(match: re.Match[str]) -> float:
        # Capitals alone are a sentence in capitals.
        return 0.9 if any(c.isdigit() for c in match[0]) else 0.0

    for begin, stop, score in search(_AWS_SPACED, text, start, end, spelt):
        yield Span(begin, stop, "AWS_ACCESS_KEY", score)


def _find_aws_secret(text: str, start: int, end: int) -> Iterator[Span]:
    for _, stop, score in search(_AWS_SECRET, text, start, end, _any):
        yield Span(stop - 40, stop, "AWS_SECRET_KEY", score)


RECOGNIZERS = (
    *(_recognizer(index, form) for index, form in enumerate(_FORMS)),
    Recognizer(
        name="secret.aws_access_key_spaced",
        classes=(("AWS_ACCESS_KEY", "secret"),),
        triggers=(Trigger(r"A[\s._-]?K[\s._-]?I[\s._-]?A[\s._-]?[A-Z0-9]", back=12, ahead=48),),
        find=_find_aws_spaced,
    ),
    Recognizer(
        name="secret.aws_secret_key",
        classes=(("AWS_SECRET_KEY", "secret"),),
        triggers=(
            Trigger(
                r"(?:key|secret)[a-z_]{0,8}[\"'\s:=>\x1e]{1,8}[A-Za-z0-9/+]{40}",
                back=110,
                caseless=True,
            ),
        ),
        find=_find_aws_secret,
    ),
)
