"""Source code, fenced or plain, by signals of the common languages.

One strong signal is enough, weak ones need company: "let x = 5" is also mathematics. A signal is
a trigger whose last character is fixed, so that Hyperscan and `re` report the same ends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.classification.spans import SEPARATOR, Span, Trigger

NAME = "code.source"
DATA_CLASS = "SOURCE_CODE"
CATEGORY = "code"
THRESHOLD = 2

_LINE = rf"[\n{SEPARATOR}][ \t]*"


@dataclass(frozen=True, slots=True)
class Signal:
    """`weight`: 2 convinces alone, 1 needs another signal in the same text."""

    trigger: Trigger
    weight: int


def _strong(expression: str, *, caseless: bool = False) -> Signal:
    return Signal(Trigger(expression, caseless=caseless), 2)


def _weak(expression: str, *, caseless: bool = False) -> Signal:
    return Signal(Trigger(expression, caseless=caseless), 1)


_FENCE_LANGUAGES = (
    "python|py|python3|javascript|js|jsx|typescript|ts|tsx|java|kotlin|swift|scala|go|golang|rust|rs"
    "|c|cpp|c\\+\\+|csharp|cs|c#|objc|php|ruby|rb|perl|lua|r|julia|haskell|elixir|erlang|clojure|dart"
    "|sql|bash|sh|shell|zsh|powershell|ps1|html|css|scss|vue|svelte|dockerfile|makefile|cmake|hcl"
    "|terraform|nix|asm|zig|groovy|fsharp|vb|matlab|solidity|graphql|proto|diff|patch"
)
# Bounds cost states to compile; classes without a space are unbounded instead: a match starts
# at a fixed word, so that no two of them run over the same characters.
SIGNALS: tuple[Signal, ...] = (
    _strong(rf"(?:```|~~~)[ ]?(?:{_FENCE_LANGUAGES})[ \t]?[\r\n]", caseless=True),
    _weak(r"```[ \t]?[\r\n]"),
    # Python
    _strong(r"\bdef \w+ ?\("),
    _strong(_LINE + r"class \w+(?:\([\w., =]{0,40}\))?:"),
    _strong(_LINE + r"from [\w.]+ import [\w(*]"),
    _strong(_LINE + r"import [\w.]+ as \w+[\r\n]"),
    _weak(_LINE + r"import [\w.]+[\r\n]"),
    _strong(r"\bif __name__ ?=="),
    _strong(_LINE + r"except [\w.]+(?: as \w+)?:"),
    _weak(_LINE + r"except:"),
    _weak(r"\bfor \w+ in [\w.()\[\]]{1,40}:"),
    _weak(_LINE + r"elif \w"),
    _weak(_LINE + r"(?:else|try|finally):[ \t]?[\r\n]"),
    _weak(r"\blambda(?: \w+)?: ?\w"),
    _weak(r"\bself\.\w"),
    _weak(r"\bprint\([\"'f\w]"),
    _weak(r"\bin (?:range|enumerate|zip|sorted)\("),
    _weak(r"\bwith open\("),
    _weak(r"\bif (?:not )?[\w.\[\]()]{1,40}(?: ?[=!<>]=? ?[\w.\"'\[\]()]{1,40})?:[ \t]?[\r\n]"),
    _weak(
        _LINE
        + r"@(?:property|staticmethod|classmethod|pytest\.|app\.|dataclass|Override|Test|Autowired)"
    ),
    _weak(_LINE + r"return [\w.(\[{\"'-]"),
    # JavaScript, TypeScript
    _weak(r"\bfunction\*?(?: \w+)? ?\("),
    _strong(r"\) ?=> ?[{(]"),
    _weak(r"\w ?=> ?[{(\w\"'`]"),
    _strong(r"\bconst \w+ ?= ?[^\s=]"),
    _strong(r"\bconst [{\[][\w, :]{1,60}[}\]] ?="),
    _weak(r"\b(?:let|var|val|auto) (?:mut )?\w+(?:: ?\w+)? ?= ?[^\s=]"),
    _strong(r"\bconsole\.(?:log|error|warn|info|debug)\("),
    _strong(_LINE + r"import [\w*{}, $]{1,60} from [\"']"),
    _strong(_LINE + r"export (?:default|const|function|class|interface|type|async) [\w{(]"),
    _strong(r"\brequire\([\"'][\w@./-]{1,40}[\"']\)"),
    _weak(r"\bdocument\.(?:getElementById|querySelector|createElement|addEventListener)"),
    _strong(r"\b(?:interface|enum|struct) \w+ ?\{"),
    _weak(r"\bawait \w+[.(]"),
    # C, C++
    _strong(r"#include ?[<\"]\w"),
    _strong(r"\b(?:int|void) main ?\("),
    _strong(_LINE + r"#(?:define \w|ifdef \w|ifndef \w|pragma \w)"),
    _weak(r"\bstd::\w"),
    _weak(r"\bprintf\(\""),
    _strong(r"\btemplate ?<(?:typename|class) \w"),
    _strong(r"\b(?:int|size_t|u?int\d{1,2}_t|unsigned) \*{0,2}\w+(?:\[\w{0,8}\])? ?[=;(]"),
    _weak(
        r"\b(?:char|void|double|float|long|bool|string|String) \*{0,2}\w+(?:\[\w{0,8}\])? ?[=;(]"
    ),
    # Java, C#, Kotlin, Swift
    _strong(
        r"\b(?:public|private|protected|internal) (?:static |final |abstract |async |override "
        r"|readonly ){0,2}(?:class|interface|enum|record|void|int|String|string|bool|boolean) \w"
    ),
    _strong(r"\b(?:public|private|protected) (?:static |final |readonly )?[\w<>\[\]]+ \w+ ?[({;=]"),
    _strong(r"\bSystem\.(?:out|err)\.print"),
    _strong(r"\bConsole\.(?:Write|Read)"),
    _strong(_LINE + r"(?:using|import|package) (?:static )?[\w.]+(?:\.\*)?;"),
    _strong(_LINE + r"namespace [\w.\\:]+ ?[{;]"),
    _strong(r"\bfun \w+\("),
    _strong(r"\bclass \w+(?: (?:extends|implements) \w+)? ?\{"),
    _strong(r"\bcatch ?\(\w+ \w+\)"),
    # Go, Rust
    _strong(r"\bfunc (?:\(\w+ \*?\w+\) )?\w+\("),
    _strong(_LINE + r"package \w+[\r\n]"),
    _strong(r"\bfmt\.(?:Print|Sprint|Error|Fprint)"),
    _weak(r"\b\w+ := [\w\"\[&{(]"),
    _strong(r"\bif err != nil"),
    _strong(r"\bfn \w+[(<]"),
    _strong(r"\blet mut \w"),
    _strong(r"\b(?:println|eprintln|vec|assert_eq)![(\[]"),
    _strong(r"\bimpl \w+(?: for \w+)? \{"),
    _strong(r"\buse \w+::"),
    # SQL
    _weak(r"\bSELECT\s{1,4}[\w*`\"(.]"),
    _weak(r"\bFROM\s{1,4}[\w`\"(]"),
    _strong(r"\bselect \* from \w"),
    _weak(r"\bselect [\w*, .()]{1,60} from \w"),
    _weak(r"\bwhere [\w.]+ ?(?:=|<|>|like '|in \(|is null|is not null)", caseless=True),
    _strong(
        r"\b(?:INSERT INTO|DELETE FROM|CREATE (?:TABLE|INDEX|VIEW|DATABASE|FUNCTION)|ALTER"
        r" TABLE|DROP TABLE) [\w\"`]"
    ),
    _strong(r"\b(?:insert into|create table|alter table) [\w.\"`]{1,40} ?(?:\(|add |drop )"),
    _strong(r"\b(?:UPDATE|update) [\w.\"`]{1,40} (?:SET|set) [\w.\"`]{1,40} ?="),
    # Shell, build files
    _strong(r"#!/(?:usr/)?bin/\w"),
    _strong(r"; ?(?:do|then)[ \t]?[\r\n]"),
    _strong(r"[\])}\"'`]; ?(?:do|then) "),
    _weak(r"\| ?(?:grep|awk|sed|xargs|sort|head|tail|wc|jq) [-\"'\w]"),
    _weak(r"\$\([a-z]"),
    _weak(_LINE + r"(?:export )?[A-Z_]{2,30}=[\"'$\w/]"),
    _strong(_LINE + r"(?:resource|data|module|provider) \"[\w-]{1,40}\"(?: \"[\w-]{1,40}\")? \{"),
    _weak(_LINE + r"(?:FROM [\w./-]{1,40}:|RUN [a-z]|COPY [\w.]|ENTRYPOINT \[|CMD \[|WORKDIR /)"),
    # Markup and styles
    _strong(r"<!DOCTYPE html", caseless=True),
    _strong(r"</(?:script|style|html|body|head|template|svg)>", caseless=True),
    _weak(r"</(?:div|span|table|tr|td|ul|li|p|a|button|form|h[1-6])>", caseless=True),
    _weak(r"<(?:div|span|button|input|img|form|link|meta|a) [a-z-]{2,20}=[\"'{]", caseless=True),
    _strong(r"<\?(?:php|=)"),
    _strong(r"[\w-] ?\{\s{0,8}[a-z-]{2,30} ?: ?[^;{}\n\x1e\"]{1,40};"),
    # Ruby, PHP, Perl, Lua, R, Haskell, Elixir
    _weak(_LINE + r"def (?:self\.)?\w+[?!]?[\r\n]"),
    _weak(_LINE + r"end[\r\n]"),
    _strong(r"\bdo \|\w"),
    _weak(_LINE + r"(?:puts|require|attr_accessor|attr_reader) [\"':]"),
    _weak(r"\$[a-z_]\w*(?:->\w+)? ?= ?[^\s=]", caseless=True),
    _weak(r"\$\w+->\w"),
    _weak(r"\becho [\"'$]"),
    _strong(r"\bmy [$@%]\w"),
    _strong(r"\blocal function \w"),
    _weak(r"\blocal \w+ = [\w\"{]"),
    _weak(r"\b[a-z][\w.]* <- [a-z(\d\"]"),
    _strong(r"\b[a-z]\w* :: [\w\[(]"),
    _strong(r"\bdefmodule [A-Z]"),
    # Any language
    _weak(r"\w\([^()\n\x1e]{0,60}\);"),
    _weak(r"[;{][ \t]?\r?\n[ \t]+[\w}]"),
    _weak(r"[\w)\]\"'];[ \t]?[\r\n\x1e]"),
    _weak(r"\n[ \t]*\}[;,)]?[ \t]?[\r\n\x1e]"),
    _weak(r"\) ?\{"),
    _weak(r"\b(?:if|for|while|switch) \([^\n\x1e]{1,80}\)"),
    _weak(r"\b(?:try|else|finally|do) ?\{"),
    _weak(r"\w ?(?:===|!==|&&|\|\||\+=|->) ?[\w(\"'!]"),
    _weak(r"\w\.\w+\([^()\n\x1e]{0,40}\)\.\w"),
    _weak(_LINE + r"\w+ ?= ?[\w.]+\("),
    _strong(_LINE + r"@@ -\d{1,6}(?:,\d{1,6})? \+\d"),
    _strong(_LINE + r"diff --git a/"),
    _weak(_LINE + r"(?://|/\*\*?) ?\w"),
)


def judge(
    text: str, fields: Sequence[tuple[int, int]], ends: Iterable[tuple[int, int]]
) -> Iterator[Span]:
    """One span per text whose signals convince. `ends` are (signal index, end of its match),
    sorted by end; `fields` the (start, end) of each text within `text`."""
    current = -1
    seen: set[int] = set()
    first = last = 0
    for signal, end in ends:
        position = end - 1
        if current < 0 or position >= fields[current][1]:
            if current >= 0:
                yield from _verdict(text, fields[current], seen, first, last)
            current = _field_of(fields, position, max(current, 0))
            seen = set()
            first = position
        seen.add(signal)
        last = position
    if current >= 0:
        yield from _verdict(text, fields[current], seen, first, last)


def _field_of(fields: Sequence[tuple[int, int]], position: int, low: int) -> int:
    high = len(fields) - 1
    while low < high:
        middle = (low + high) // 2
        if fields[middle][1] <= position:
            low = middle + 1
        else:
            high = middle
    return low


def _verdict(
    text: str, field: tuple[int, int], seen: set[int], first: int, last: int
) -> Iterator[Span]:
    weight = sum([SIGNALS[signal].weight for signal in seen])
    if weight < THRESHOLD:
        return
    # Whole paragraphs, from the first signal to the last: a signal's end says little about where
    # its statement begins. A signal may end at the line break.
    paragraph = text.rfind("\n\n", field[0], max(field[0], first - 1))
    begin = field[0] if paragraph < 0 else paragraph + 2
    stop = text.find("\n\n", last, field[1])
    stop = field[1] if stop < 0 else stop
    if begin < stop:
        yield Span(begin, stop, DATA_CLASS, min(1.0, 0.5 + 0.1 * weight))


CLASSES: Mapping[str, str] = {DATA_CLASS: CATEGORY}
