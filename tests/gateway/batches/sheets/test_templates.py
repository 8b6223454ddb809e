"""Templates put cells where their columns are named, and evaluate nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.batches.sheets.template import parse
from gateway.protocol.errors import InvalidRequest

COLUMNS = ("name", "the note", "{x}")
cells = st.text(max_size=20) | st.sampled_from(
    ["{{name}}", "{{", "}}", "\\{{", "{0}", "%s", "${name}", "{% if %}", "{{7*7}}", "\\1", None, 3]
)


@given(st.tuples(cells, cells, cells), st.text(max_size=10), st.text(max_size=10))
def test_a_prompt_is_the_texts_and_the_cells_and_nothing_else(
    row: tuple[str | int | None, ...], before: str, between: str
) -> None:
    before, between = (text.replace("{", "").replace("\\", "") for text in (before, between))
    template = parse(f"{before}{{{{name}}}}{between}{{{{ the  note }}}}", COLUMNS, param="t")
    shown = ["" if cell is None else str(cell) for cell in row]
    assert template.render(row) == f"{before}{shown[0]}{between}{shown[1]}"


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "{{name.__class__}}", "{{name|upper}}", "{{}}", "{{ NAME }}", "{{a\nb}}"]
)
def test_only_the_name_of_a_column_may_stand_in_braces(text: str) -> None:
    with pytest.raises(InvalidRequest, match="names no column"):
        parse(text, COLUMNS, param="template")


def test_two_braces_can_be_written() -> None:
    assert parse(r"\{{name}} {{name}} {name} }}", COLUMNS, param="t").render(("Ada", "", "")) == (
        "{{name}} Ada {name} }}"
    )


def test_a_number_reads_as_people_write_it() -> None:
    columns = ("a", "b", "c", "d")
    template = parse("{{a}}|{{b}}|{{c}}|{{d}}", columns, param="t")
    assert template.render((12.0, 0.5, True, None)) == "12|0.5|true|"
