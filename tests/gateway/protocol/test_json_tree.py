"""One reading of the bytes: whatever two parsers might read differently is refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.protocol.errors import InvalidRequest
from gateway.protocol.json_tree import decode_object, encode

REFUSED = {
    "not JSON": (b"{", "invalid_json"),
    "empty": (b"", "invalid_json"),
    "a list": (b"[]", "invalid_json"),
    "trailing text": (b"{} x", "invalid_json"),
    "NaN": (b'{"temperature": NaN}', "invalid_json"),
    "infinity": (b'{"temperature": -Infinity}', "invalid_json"),
    "a number beyond floats": (b'{"temperature": 1e999}', "invalid_json"),
    "an integer beyond reason": (b'{"seed": ' + b"9" * 5000 + b"}", "invalid_json"),
    "invalid UTF-8": (b'{"model": "\xff"}', "invalid_utf8"),
    "UTF-16": ('{"model": "x"}'.encode("utf-16"), "invalid_utf8"),
    "a byte order mark": (b'\xef\xbb\xbf{"model": "x"}', "invalid_json"),
    "a raw control character": (b'{"model": "a\nb"}', "invalid_json"),
    "deep nesting": (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "too_deep"),
    "a duplicate key": (b'{"model": "a", "model": "b"}', "duplicate_key"),
    "a duplicate key far below": (b'{"a": [{"b": {"c": 1, "c": 2}}]}', "duplicate_key"),
    "an escaped duplicate key": (b'{"model": "a", "mod\\u0065l": "b"}', "duplicate_key"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses(name: str) -> None:
    body, code = REFUSED[name]
    with pytest.raises(InvalidRequest) as refused:
        decode_object(body)
    assert refused.value.status == 400
    assert refused.value.code == code


def test_a_duplicate_key_is_named() -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_object(b'{"user": 1, "user": 2}')
    assert refused.value.param == "user"


def test_half_a_surrogate_pair_cannot_be_sent() -> None:
    for escape in (b"\\ud800", b"\\uD800", b"a\\udc00b"):
        with pytest.raises(InvalidRequest):
            decode_object(b'{"a": "' + escape + b'"}')
    with pytest.raises(InvalidRequest):
        encode({"a": "\ud800"})
    assert decode_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


# How long drawing takes says something about the machine alone.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values))
def test_what_was_encoded_decodes_to_the_same_tree(tree: dict[str, object]) -> None:
    assert decode_object(encode(tree)) == tree
