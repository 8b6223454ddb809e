"""Every key and scalar is walked; nothing else is left out than the protocol's own words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.errors import InvalidRequest
from gateway.protocol.walk import places, walk

SECRET = "4111111111111111"


@pytest.mark.parametrize(
    "tree",
    [
        {"messages": [{"role": "user", "content": SECRET}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": SECRET}]}]},
        {"messages": [{"role": "user", "name": SECRET, "content": ""}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": SECRET}}]}]},
        {"messages": [{"role": "tool", "tool_call_id": SECRET, "content": ""}]},
        {"tools": [{"type": "function", "function": {"name": SECRET}}]},
        {"tools": [{"function": {"parameters": {"properties": {SECRET: {"type": "string"}}}}}]},
        {"tools": [{"function": {"parameters": {"enum": ["a", SECRET]}}}]},
        {"metadata": {SECRET: "x"}},
        {"metadata": {"x": SECRET}},
        {"user": SECRET},
        {"unheard_of": {"deep": [[{"deeper": SECRET}]]}},
        {SECRET: None},
        {"stop": [SECRET]},
        {"seed": int(SECRET)},
        {"seed": float(SECRET)},
        {"logit_bias": {SECRET: 1}},
    ],
)
def test_it_finds_the_value_wherever_it_stands(tree: dict[str, Any]) -> None:
    assert SECRET in walk(tree).texts


def test_protocol_words_and_constants_are_left_out() -> None:
    tree = {"stream": True, "stop": None, "messages": [{"role": "user", "content": "hello"}]}
    assert walk(tree).texts == ["hello"]


def test_a_run_of_integers_is_a_token_array() -> None:
    assert walk({"x": list(range(16))}).token_arrays == 1
    assert walk({"x": [1, 2, 3]}).token_arrays == 0


def test_payloads_are_left_out_by_identity_alone() -> None:
    payload = "data:image/png;base64," + "A" * 500
    tree = {"image": payload, "text": str(payload.encode(), "ascii")}
    walked = walk(tree, payloads=frozenset({id(payload)}))
    assert walked.texts.count(payload) == 1  # the equal text elsewhere is still scanned


def test_too_deep_a_tree_is_refused() -> None:
    tree: Any = "x"
    for _ in range(150):
        tree = [tree]
    with pytest.raises(InvalidRequest):
        walk({"a": tree})


scalars = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
trees = st.dictionaries(
    st.text(),
    st.recursive(
        scalars | st.none() | st.booleans(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    ),
)


@given(trees)
def test_every_text_has_its_place(tree: dict[str, Any]) -> None:
    assert len(places(tree)) == len(walk(tree).texts)


def test_a_place_never_shows_a_key_that_could_be_content() -> None:
    assert places({"metadata": {"4111-1111": "x"}}) == ["/metadata/*", "/metadata/*"]


def test_parts_that_follow_each_other_have_a_seam() -> None:
    def part(text: object) -> dict[str, object]:
        return {"type": "text", "text": text}

    image = {"type": "image_url", "image_url": {"url": "x"}}
    content = [part("ab"), part("cd"), part("e"), image, part("f"), part(None), part("g" * 200)]
    assert walk({"content": content}).seams == [("abcd", 2), ("abcde", 4)]
    assert walk({"content": [part("a" * 200), part("b" * 200)]}).seams == [
        ("a" * 80 + "b" * 80, 80)
    ]
    assert walk({"content": [part("ab")], "stop": ["a", "b"]}).seams == []
