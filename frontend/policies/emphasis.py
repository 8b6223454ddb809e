"""A sentence of the policy with its telling words marked, so that many can be scanned."""

import re
from typing import Final

from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from frontend.words import class_word

# The longest first: a private cloud is no cloud. Names that people gave (`demo-cloud`) are whole.
_ALONE: Final = r"(?<![\w-])(?:{})(?![\w-])"
_TELLING: Final = re.compile(
    "|".join(
        f"(?P<{name}>{_ALONE.format(words)})"
        for name, words in (
            ("private_cloud", "private cloud"),
            ("on_prem", "on-prem"),
            ("cloud", "cloud"),
            ("blocked", "nothing may receive it|never"),
            ("masked", "masked"),
            ("word", r"(?<=of category )[\w-]+(?:(?:, | or | and )[\w-]+)*"),
            ("level", "(?:public|internal|confidential|restricted)(?: or (?:more|less))?"),
            ("kind", "[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|IBAN|JWT|PASSWORD"),
        )
    )
)


def emphasised(sentence: str) -> SafeString:
    """The sentence, escaped, each telling word in a `<b>`; the condition parted from the effect."""
    before, found, rule = _parted(str(sentence))
    when, colon, then = rule.partition(": ")
    if not (found and colon):
        return _marked(str(sentence))
    return mark_safe(  # noqa: S308 -- made of what `_marked` escaped
        f'{_marked(before)}{_marked(when)} <span class="arrow" aria-hidden="true">→</span>'
        f'<span class="sr">:</span> {_marked(then)}'
    )


def _parted(sentence: str) -> tuple[str, bool, str]:
    """What stands before a rule (`New rule health-stays: `), whether there is one, the rule."""
    for start in ("When ", "Always: "):
        before, found, rest = sentence.partition(start)
        if found and (not before or before.endswith(": ")):
            return before, True, start + rest
    return "", False, sentence


def _marked(words: str) -> SafeString:
    escaped = str(conditional_escape(words))
    return mark_safe(_TELLING.sub(_mark, escaped))  # noqa: S308 -- escaped above; a class is a name of the pattern


def _mark(found: re.Match[str]) -> str:
    words = found[0]
    if found.lastgroup == "kind":
        words = str(conditional_escape(class_word(words)))
    return f'<b class="{found.lastgroup}">{words}</b>'
