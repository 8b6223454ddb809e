"""Whether a place in a text lies inside something that reads like a URL.

Whoever shows an image hands everything in its URL to the server it names, without a click. So a
value must never be put where a browser, a Markdown renderer or a tool may take it for a part of
a URL. Only what stands *before* the place is looked at: a URL names its server first. Where it
is not clear, the answer is yes.
"""

import html
import re
from urllib.parse import unquote

# Reading further back than this for white space is a sign of something odd.
LONGEST_RUN = 8192
# How far back an open quotation mark, bracket or tag is looked for.
REACH = 65_536

_SUSPECT = re.compile(r"[/:.%&\\=(]")
# Browsers read a backslash as a slash, and take no notice of line breaks within an attribute.
_AS_BROWSERS_READ = str.maketrans({"\\": "/", "\n": None, "\r": None, "\t": None})
_SCHEMES = "https?|ftps?|wss?|file|blob|javascript|vbscript|mailto|sms|intent"
_URL = re.compile(
    # Short expressions, and none that could begin in the middle of its own repetition: linear.
    rf"""// | (?<![a-z0-9]) (?: {_SCHEMES} ) : | [a-z0-9]:/ | (?<![a-z0-9])www\.
      | \]\( | (?<![a-z]) url\( | (?<![a-z-]) (?: src | href ) \s* =
      | [\w-] \. [a-z]{{2,24}} \.? (?: :\d{{1,5}} )? [/?\#]
      | (?<![\w.]) (?: \d{{1,3}}\. ){{3}} \d{{1,3}} (?: :\d{{1,5}} )? [/?\#]
      | (?<![\w.]) localhost (?: :\d{{1,5}} )? [/?\#] """,
    re.IGNORECASE | re.VERBOSE,
)
# URLs that are over: what follows the closing sign is not theirs.
_OVER = re.compile(
    rf"""" (?: (?:{_SCHEMES}): | [a-z][a-z0-9+.-]*:// | // | www\. ) [^"]* "
      | ' (?: (?:{_SCHEMES}): | [a-z][a-z0-9+.-]*:// | // | www\. ) [^']* '
      | < (?: (?:{_SCHEMES}): | [a-z][a-z0-9+.-]*:// ) [^<>]* >
      | \]\( [^()<>]* \) """,
    re.IGNORECASE | re.VERBOSE,
)
_URL_ATTRIBUTE = re.compile(
    r"""(?<![\w-]) (?: src | href | srcset | action | formaction | poster | background | ping | cite
      | data | manifest ) \s{0,4} = \s{0,4} \Z""",
    re.IGNORECASE | re.VERBOSE,
)
_JSON_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_JSON_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": " ", "f": "\f"}


def inside_url(text: str, place: int, *, in_json_string: bool = False) -> bool:
    """Whether what is put at `place` of the text continues a URL that began before it.

    `in_json_string`: the text is the source of JSON, so escapes are read first and a URL ends
    with its string.
    """
    low = max(0, place - REACH)
    if in_json_string:
        text = _json_string(text, low, place)
        place, low = len(text), 0
    run = _run(text, low, place)
    if run is None:
        return True
    return _reads_as_url(run) or _inside_markup(text, low, place)


def _run(text: str, low: int, place: int) -> str | None:
    """What stands between the last white space and the place; None when that is too much."""
    nearest = max(low, place - LONGEST_RUN)
    run = text[max(nearest, text.rfind(" ", nearest, place) + 1) : place]
    for white in "\n\t\r\f\v":  # in what is mostly one word by now
        if white in run:
            run = run[run.rfind(white) + 1 :]
    return None if len(run) >= LONGEST_RUN else run


def _reads_as_url(run: str) -> bool:
    if not _SUSPECT.search(run):
        return False
    if "&" in run:
        run = html.unescape(run)
    if "%" in run:
        run = unquote(unquote(run))
    run = _OVER.sub(" ", run)
    return _URL.search(run.translate(_AS_BROWSERS_READ)) is not None


def _inside_markup(text: str, low: int, place: int) -> bool:
    """Whether a link target, a tag or an attribute that names a URL is still open.

    These may hold white space, or even a `>`, between their URL and the place.
    """
    # Most texts have none of these signs, and one sign is found many times as fast as two.
    if text.find("]", low, place) >= 0:
        target = text.rfind("](", max(low, text.rfind("\n", low, place)), place)
        rest = text[target + 2 : place]
        if target >= 0 and (
            rest.count("(") >= rest.count(")") or (rest[:1] == "<" and ">" not in rest)
        ):
            return True
    tag = text.rfind("<", low, place)
    in_tag = tag >= 0 and text[tag + 1 : tag + 2].isalpha() and text.find(">", tag, place) < 0
    if in_tag and (_reads_as_url(text[tag + 1 : place]) or _names_url(text, place)):
        return True
    if text.find("=", max(0, low - 8), place) < 0:
        return False
    for quote in "\"'":
        opened = text.rfind(quote, low, place)
        # A quotation mark after `=` opens a value; any other one may have closed it.
        if opened <= 0 or text[max(0, opened - 8) : opened].rstrip()[-1:] != "=":
            continue
        if _reads_as_url(text[opened + 1 : place]) or (in_tag and _names_url(text, opened)):
            return True
    return False


def _names_url(text: str, place: int) -> bool:
    return _URL_ATTRIBUTE.search(text[max(0, place - 24) : place]) is not None


def _json_string(text: str, low: int, place: int) -> str:
    """What the JSON string that is open at the place says so far."""
    start = place
    while True:
        start = text.rfind('"', low, start)
        if start < 0:
            start = low
            break
        escapes = start
        while escapes > low and text[escapes - 1] == "\\":
            escapes -= 1
        if (start - escapes) % 2 == 0:
            start += 1
            break
    said = text[start:place]
    return _JSON_ESCAPE.sub(_unescaped, said) if "\\" in said else said


def _unescaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return _JSON_ESCAPES.get(match[2], match[2])
