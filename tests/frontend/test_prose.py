"""Markdown to HTML: what comes out is safe, and the same however the text came in."""

import re
from html.parser import HTMLParser

import pytest
from typing_extensions import override

from frontend.prose import Growing, render
from tests.frontend.hostile import HOSTILE

TEXT = """# Wards

Some **bold** words and `code`.

| Ward | Rate |
|---|---:|
| Nine | 4.1 % |

- one
- two

  still two

1. first

> quoted

$$p = \\frac{96}{915}$$

```python
print("x")

print("y")
```

The end.
"""


class Elements(HTMLParser):
    """Notes every element and attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_make_no_element_that_runs_or_loads_anything(text: str) -> None:
    for html in (render(text), "".join(Growing().feed(text)[-1][1:])):
        found = Elements(html)
        forbidden = "script img iframe object embed form input style link meta base video audio"
        assert found.tags.isdisjoint({*forbidden.split(), "svg-in-words", "foreignobject", "use"})
        for name, value in found.attributes:
            assert not name.startswith("on"), (name, value)
            assert name not in {"style", "srcdoc", "srcset", "src", "formaction", "xlink:href"}
            if name == "href":
                assert re.match(r"(https?:|mailto:)", value), value


def test_tables_code_math_and_tasks_are_drawn() -> None:
    html = render(TEXT + "\n- [x] done\n")
    for part in (
        "<h3>Wards",
        '<td class="right">4.1 %',
        "<mfrac>",
        'class="hl-nb"',
        'class="task on"',
    ):
        assert part in html, part
    assert "<h1" not in html
    assert "style=" not in html


def test_a_picture_from_elsewhere_becomes_a_link() -> None:
    html = render("![x](https://elsewhere.example/p.png)")
    assert "<img" not in html
    assert 'href="https://elsewhere.example/p.png"' in html


def test_bare_json_reads_as_code() -> None:
    assert render('{\n"a": 1\n}').startswith('<figure class="code">')


@pytest.mark.parametrize("step", [1, 2, 3, 7, 40, 1000])
def test_a_growing_text_ends_like_the_whole_however_it_was_cut(step: int) -> None:
    growing = Growing()
    growing.REST = 0
    for at in range(0, len(TEXT), step):
        growing.feed(TEXT[at : at + step])
    plain = re.compile(r"\s+")
    assert plain.sub("", "".join([*growing.blocks, growing.tail])) == plain.sub("", render(TEXT))


def test_complete_blocks_are_rendered_once() -> None:
    growing = Growing()
    growing.REST = 0
    patches = [patch for word in TEXT.split(" ") for patch in growing.feed(word + " ")]
    blocks = [html for kind, html in patches if kind == "block"]
    assert blocks == growing.blocks
    assert sum("Wards" in html for html in blocks) == 1


def test_long_code_grows_by_its_new_text_alone() -> None:
    growing = Growing()
    growing.REST = 0
    growing.feed("```python\n" + "x = 1\n" * 500)
    patches = growing.feed("<b>y</b>\n")
    assert patches == [("text", "<b>y</b>\n")]
    assert "&lt;b&gt;y" in growing.tail


def test_a_reply_of_twenty_thousand_tokens_costs_in_proportion_to_its_length() -> None:
    """What is sent to a browser: the open block again and again, never the whole."""
    sent = {}
    for times in (20, 80):
        growing = Growing()
        growing.REST = 0
        text = TEXT * times
        sent[times] = sum(
            len(html)
            for at in range(0, len(text), 60)
            for _, html in growing.feed(text[at : at + 60])
        )
    assert sent[80] < 5 * sent[20]
