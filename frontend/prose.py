"""Markdown to HTML, on the server: Markdown, code, tables, math; then sanitised. CPU only.

INVARIANT: markup that a person or a model wrote is text. The parser escapes it, everything that
comes out passes the sanitiser, and pictures are never fetched from anywhere.
"""

import time
from collections.abc import Sequence
from html import escape
from typing import Any, Final

import nh3
from django.utils.translation import gettext as _
from latex2mathml.converter import convert as tex_to_mathml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from frontend.drawings import drawing

# Raise it when what is rendered changes: stored HTML of another version is made anew.
VERSION: Final = 1
MAX_MATH_CHARS: Final = 2_000
MAX_HIGHLIGHTED_CHARS: Final = 60_000
# A reply's headings stand under the page's own: a model's first level becomes the third.
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
_FORMATTER = HtmlFormatter(nowrap=True, classprefix="hl-")
_MATHML = frozenset(
    "math mrow mi mn mo mfrac msup msub msubsup msqrt mroot mtext mspace mover munder munderover"
    " mtable mtr mtd mstyle mpadded".split()
)
_TAGS = (
    frozenset(
        "p br hr em strong del code pre blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td"
        " a span div figure figcaption".split()
    )
    | _MATHML
)
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"class"},
    "a": {"href", "title"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "math": {"display", "xmlns"},
    "mo": {"stretchy", "fence", "form", "separator"},
}
_SCHEMES = {"http", "https", "mailto"}


def render(text: str) -> str:
    """A whole text as safe HTML."""
    return _finished(_PARSER.render(_as_code(text)))


def _as_code(text: str) -> str:
    """Bare JSON, as models like to answer, reads as code."""
    return f"```json\n{text}" if text.startswith(("{\n", "[\n")) else text


def _finished(html: str) -> str:
    clean = nh3.clean(
        html,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    # Added behind the sanitiser: it lets no button through, whoever wrote it.
    return (
        clean.replace("</figcaption>", f"{_copy_button()}</figcaption>")
        .replace("<table>", '<div class="wide" tabindex="0"><table>')
        .replace("</table>", "</table></div>")
    )


def _copy_button() -> str:
    return (
        '<button class="quick" type="button" data-copy-code'
        f' aria-label="{escape(str(_("Copy the code")))}"><svg class="icon" width="15" height="15"'
        ' viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75"'
        ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
        f"{drawing('copy')}</svg></button>"
    )


def _highlighted(code: str, language: str) -> str:
    if not language or len(code) > MAX_HIGHLIGHTED_CHARS:
        return escape(code)
    try:
        return str(highlight(code, get_lexer_by_name(language, stripnl=False), _FORMATTER))
    except ClassNotFound:
        return escape(code)


def _math(source: str, options: dict[str, Any]) -> str:
    display = "block" if options.get("display_mode") else "inline"
    if len(source) <= MAX_MATH_CHARS:
        try:
            return str(tex_to_mathml(source, display=display))
        except Exception:  # noqa: BLE001 -- its parser raises anything on what is no formula
            return f"<code>{escape(source)}</code>"
    return f"<code>{escape(source)}</code>"


def _fence(
    _renderer: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: Any
) -> str:
    token = tokens[at]
    language = token.info.strip().split(" ")[0][:40]
    label = escape(language or str(_("text")))
    return (
        f'<figure class="code"><figcaption><span>{label}</span></figcaption>'
        f'<pre tabindex="0"><code>{_highlighted(token.content, language)}</code></pre></figure>\n'
    )


def _cell(tag: str) -> Any:
    def rule(
        _renderer: RendererHTML, tokens: Sequence[Token], at: int, _options: OptionsDict, _env: Any
    ) -> str:
        style = str(tokens[at].attrGet("style") or "")
        name = "right" if "right" in style else "center" if "center" in style else ""
        return f'<{tag} class="{name}">' if name else f"<{tag}>"

    return rule


def _shift_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = _HEADINGS[token.tag]


def _tasks(state: StateCore) -> None:
    """`- [x] done` as a drawn box with a word for those who cannot see it."""
    for at, token in enumerate(state.tokens):
        if token.type != "inline" or at < 2 or state.tokens[at - 2].type != "list_item_open":
            continue
        if token.content[:4] not in {"[ ] ", "[x] ", "[X] "} or not token.children:
            continue
        done = token.content[1] != " "
        token.children[0].content = token.children[0].content[4:]
        word = _("done:") if done else _("open:")
        box = Token("html_inline", "", 0)
        box.content = (
            f'<span class="task{" on" if done else ""}"></span>'
            f'<span class="sr">{escape(str(word))} </span>'
        )
        token.children.insert(0, box)
        state.tokens[at - 2].attrSet("class", "has-task")


def _parser() -> MarkdownIt:
    # A picture from elsewhere would tell its host who reads: it becomes a link.
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.disable(["image", "html_block", "html_inline"])
    parser.use(dollarmath_plugin, double_inline=True, allow_space=False, renderer=_math)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("code_block", _fence)
    parser.add_render_rule("td_open", _cell("td"))
    parser.add_render_rule("th_open", _cell("th"))
    parser.core.ruler.push("headings", _shift_headings)
    parser.core.ruler.after("inline", "tasks", _tasks)
    return parser


_PARSER = _parser()
Patch = tuple[str, str]


class Growing:
    """A text that grows. Blocks that are complete are rendered once; only the open one again.

    `feed` returns what to do on the page, in order: `block` (append this, the open block is over),
    `tail` (the open block looks like this now), `text` (append this to the open code).
    """

    LONG_CODE_CHARS = 2_000
    # An open block (a list of hundreds) is made anew once eight times its cost has passed.
    REST = 8

    def __init__(self) -> None:
        self._again_at = 0.0
        self.blocks: list[str] = []
        self.tail = ""
        self._open = ""
        self._code_chars: int | None = None  # of an open code block that is too long to redo

    def feed(self, more: str) -> list[Patch]:
        """Take more of the text."""
        self._open = _as_code(self._open + more)
        began = time.perf_counter()
        if began < self._again_at:
            return []
        patches = self._feed()
        self._again_at = began + self.REST * (time.perf_counter() - began)
        return patches

    def _feed(self) -> list[Patch]:
        patches: list[Patch] = []
        tokens = _PARSER.parse(self._open)
        tops = [token for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
        if len(tops) > 1 and tops[-1].map is not None:
            lines = self._open.splitlines(keepends=True)
            cut = tops[-1].map[0]
            html = render("".join(lines[:cut]))
            self._open = "".join(lines[cut:])
            self._code_chars = None
            self.blocks.append(html)
            patches.append(("block", html))
        last = tops[-1] if tops else None
        if last is not None and last.type == "fence" and len(last.content) > self.LONG_CODE_CHARS:
            patches.append(self._grow_code(last))
        else:
            self._code_chars = None
            patches.append(("tail", render(self._open)))
        if patches[-1][0] == "tail":
            self.tail = patches[-1][1]
        else:
            self.tail = self._plain_code(last.info if last else "", last.content if last else "")
        return patches

    def _grow_code(self, fence: Token) -> Patch:
        known, self._code_chars = self._code_chars, len(fence.content)
        if known is None or known > len(fence.content):
            return ("tail", self._plain_code(fence.info, fence.content))
        return ("text", fence.content[known:])

    def _plain_code(self, info: str, content: str) -> str:
        label = escape(info.strip().split(" ")[0][:40] or str(_("text")))
        return _finished(
            f'<figure class="code"><figcaption><span>{label}</span></figcaption>'
            f'<pre tabindex="0"><code>{escape(content)}</code></pre></figure>'
        )
