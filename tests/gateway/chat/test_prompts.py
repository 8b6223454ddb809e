"""The prompt library."""

import pytest

from gateway.chat.prompts import Content, delete_prompt, get_prompt, list_prompts, save_prompt
from gateway.protocol.errors import InvalidRequest, NotFound
from tests.gateway.chat.conftest import Lab

LETTER = Content(
    title="Letter", text="Write to {{ name }} about {{topic}}, {{ name }}.", examples=[("a", "b")]
)


def test_variables_are_named_once_in_order() -> None:
    assert LETTER.variables == ["name", "topic"]
    assert Content(title="x", text="{{}} {{ }} {a} {{{b}}}").variables == ["b"]


def test_ones_own_are_seen_by_others_once_shared_and_changed_by_nobody_else(lab: Lab) -> None:
    mine = save_prompt(lab.ada, lab.project, LETTER, shared=False)
    assert get_prompt(lab.ada, lab.project, mine).content == LETTER
    assert list_prompts(lab.ben, lab.project) == []
    save_prompt(lab.ada, lab.project, LETTER, shared=True, prompt_id=mine)
    assert [each.mine for each in list_prompts(lab.ben, lab.project)] == [False]
    for attempt in (
        lambda: save_prompt(lab.ben, lab.project, LETTER, shared=False, prompt_id=mine),
        lambda: delete_prompt(lab.ben, lab.project, mine),
        lambda: get_prompt(lab.ada, lab.other, mine),
    ):
        with pytest.raises(NotFound):
            attempt()
    delete_prompt(lab.ada, lab.project, mine)
    assert list_prompts(lab.ada, lab.project) == []


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (Content(title=" ", text="x"), "title"),
        (Content(title="x", text=" "), "text"),
        (Content(title="x", text="y" * 50_001), "text"),
        (Content(title="x", text="y", examples=[("a", "b")] * 21), "examples"),
    ],
)
def test_a_bad_prompt_is_refused_and_leaves_nothing(lab: Lab, content: Content, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        save_prompt(lab.ada, lab.project, content, shared=False)
    assert refused.value.param == param
    assert list_prompts(lab.ada, lab.project) == []
