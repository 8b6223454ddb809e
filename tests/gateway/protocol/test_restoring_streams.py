"""A stream gives the caller the same texts whatever its chunking."""

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.answers import split_events
from gateway.protocol.restores import Restores
from gateway.protocol.restoring import AnswerRestorer
from gateway.protocol.restoring_streams import StreamedAnswer
from policies.classification.masking import Masking, Replacement

MAIL = 'jane"roe@clinic.example'
CARD = "4111 1111 1111 1111"


def minted() -> tuple[str, str, dict[str, str]]:
    masking = Masking(bytes(32))
    words = [
        masking.apply(value, [Replacement(0, len(value), data_class, "placeholder")])
        for value, data_class in ((MAIL, "EMAIL_ADDRESS"), (CARD, "PAYMENT_CARD"))
    ]
    return words[0], words[1], dict(masking.minted)


A, B, MINTED = minted()
SAID = f"To {A}, {B}{A} and {A[:-1]} or {A}"
MEANT = f"To {MAIL}, {CARD}{MAIL} and {A[:-1]} or {MAIL}"
ARGUMENTS = json.dumps({"to": A, "note": f"{B}\n"})
MEANT_ARGUMENTS = {"to": MAIL, "note": f"{CARD}\n"}


def event(choice: dict[str, Any]) -> bytes:
    tree = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


def called(arguments: str, *, at: int = 0) -> dict[str, Any]:
    return {"tool_calls": [{"index": at, "function": {"arguments": arguments}}]}


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def told(blocks: list[bytes]) -> dict[str, str]:
    """Every text that arrived, put together as a client does."""
    texts: defaultdict[str, str] = defaultdict(str)
    for each in split_events(b"".join(blocks)):
        try:
            choices = json.loads(each[6:])["choices"]
        except ValueError:
            if not each.startswith(b"data: [DONE]"):
                texts["no JSON"] += repr(each)
            continue
        for choice in choices:
            where = f"{choice['index']} "
            delta = choice.get("delta", {})
            for name in ("content", "refusal", "reasoning_content"):
                texts[where + name] += delta.get(name) or ""
            texts[where + "text"] += choice.get("text") or ""
            texts[where + "function_call"] += delta.get("function_call", {}).get("arguments", "")
            for call in delta.get("tool_calls", []):
                texts[f"{where}call {call['index']}"] += call["function"]["arguments"]
    return {name: text for name, text in texts.items() if text}


def restored(events: list[bytes], restores: Restores = Restores.EVERYTHING) -> AnswerRestorer:
    restorer = AnswerRestorer(MINTED, restores)
    stream = StreamedAnswer(restorer)
    out.clear()
    out.extend(stream.events(each) for each in events)
    out.append(stream.rest())
    return restorer


out: list[bytes] = []


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 40, 400])
def test_two_choices_text_and_arguments_are_restored_each_on_its_own(size: int) -> None:
    events = []
    pieces, written = cut(SAID, size), cut(ARGUMENTS, size)
    for number in range(max(len(pieces), len(written))):
        for index in (0, 1):
            if number < len(pieces):
                events.append(event({"index": index, "delta": {"content": pieces[number]}}))
            if number < len(written):
                events.append(event({"index": index, "delta": called(written[number], at=index)}))
    events += [event({"index": i, "delta": {}, "finish_reason": "stop"}) for i in (0, 1)]
    events.append(b"data: [DONE]\n\n")
    counted = restored(events)
    texts = told(out)
    for index in (0, 1):
        assert texts[f"{index} content"] == MEANT
        assert json.loads(texts[f"{index} call {index}"]) == MEANT_ARGUMENTS
    assert out[-2] == b"data: [DONE]\n\n"
    assert out[-1] == b""
    assert counted.restored == 2 * (4 + 2)


@given(cuts=st.sets(st.integers(1, len(SAID) - 1)), name=st.sampled_from(["content", "refusal"]))
def test_any_chunking_gives_the_same_text(cuts: set[int], name: str) -> None:
    places = [0, *sorted(cuts), len(SAID)]
    events = [
        event({"index": 0, "delta": {name: SAID[start:end]}}) for start, end in pairwise(places)
    ]
    restored(events)  # and no event says that it is over
    assert told(out) == {f"0 {name}": MEANT}


PROSE = f'{SAID} next x\nXE ü\u2028 "q" \\ {A[:9]}'
FORMS = (
    lambda text: event({"index": 0, "delta": {"content": text}, "finish_reason": None}),
    # Written by others: no spaces, characters as themselves, an identifier with the mark in it.
    lambda text: (
        b"data: "
        + json.dumps(
            {"id": "Xx1", "choices": [{"delta": {"content": text}, "index": 0}], "created": 1},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        + b"\n\n"
    ),
)


@given(
    cuts=st.sets(st.integers(1, 3 * len(PROSE) - 1)),
    blocks=st.sets(st.integers(1, 3 * len(PROSE))),
    forms=st.lists(st.sampled_from(FORMS), min_size=1, max_size=3),
    restores=st.sampled_from([Restores.EVERYTHING, Restores.NOTHING]),
)
def test_events_in_one_block_give_what_they_give_one_by_one(
    cuts: set[int], blocks: set[int], forms: list[Any], restores: Restores
) -> None:
    text = PROSE * 3
    places = [0, *sorted(cuts), len(text)]
    events = [
        forms[number // 40 % len(forms)](text[start:end])
        for number, (start, end) in enumerate(pairwise(places))
    ]
    counted = restored(events, restores)
    expected = told(out), counted.restored, counted.left
    borders = [0, *sorted(each for each in blocks if each < len(events)), len(events)]
    grouped = [b"".join(events[start:end]) for start, end in pairwise(borders)]
    counted = restored(grouped, restores)
    assert (told(out), counted.restored, counted.left) == expected
    if restores is Restores.NOTHING:
        assert b"".join(out) == b"".join(events)


def like(piece: bytes) -> bytes:
    """An event with these bytes between the quotation marks of its text."""
    return event({"index": 0, "delta": {"content": "@"}}).replace(b"@", piece)


ODD = (
    b": ping\n\n",
    b": two\n: lines\n\n",
    b"data: [DONE]\n\n",
    event({"index": 0, "delta": {"content": A[3:6]}}).replace(b"\n", b"\r\n"),
    event({"index": 0, "delta": {}, "finish_reason": "stop"}),
    event({"index": 1, "delta": {"content": A[:7]}}),
    event({"index": 0, "delta": called(A[:7])}),
    b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
    # What has the form of the others without being it: no JSON, or a piece and something more.
    like(b'a"b'),
    like(b'a", "role": "assistant'),
    like(b"X\x01"),
    like(b"\\ud83d"),
    like(b"\\"),
    like("ü".encode()[:1]),
    like("ü".encode()[1:]),
)


@given(
    cuts=st.sets(st.integers(1, 2 * len(SAID) - 1)),
    odd=st.lists(st.tuples(st.integers(0, 2 * len(SAID)), st.sampled_from(ODD)), max_size=6),
    blocks=st.sets(st.integers(1, 2 * len(SAID))),
    escaped=st.booleans(),
    restores=st.sampled_from([Restores.EVERYTHING, Restores.NOTHING]),
)
def test_whatever_stands_among_like_events_blocks_tell_what_the_events_tell(
    cuts: set[int],
    odd: list[tuple[int, bytes]],
    blocks: set[int],
    escaped: bool,
    restores: Restores,
) -> None:
    text = SAID * 2
    pieces = [text[start:end] for start, end in pairwise([0, *sorted(cuts), len(text)])]
    if escaped:
        events = [like(b"".join([b"\\u%04x" % ord(each) for each in piece])) for piece in pieces]
    else:
        events = [like(piece.encode()) for piece in pieces]
    for place, each in odd:
        events.insert(min(place, len(events)), each)
    counted = restored(events, restores)
    expected = told(out), counted.restored, counted.left
    borders = [0, *sorted(each for each in blocks if each < len(events)), len(events)]
    counted = restored([b"".join(events[a:b]) for a, b in pairwise(borders)], restores)
    assert (told(out), counted.restored, counted.left) == expected
    if restores is Restores.NOTHING:
        assert b"".join(out) == b"".join(events)


@pytest.mark.parametrize("ahead", [b'a"', b"\x01", b"\\x"])
def test_a_piece_that_is_no_string_is_never_read_as_one(ahead: bytes) -> None:
    events = [like(b"go on "), like(ahead + A[:4].encode()), like(A[4:].encode())]
    restored(events)
    one_by_one = b"".join(out)
    counted = restored([events[0], b"".join(events[1:])])
    assert b"".join(out) == one_by_one == b"".join(events)
    assert counted.restored == 0


def test_a_block_without_a_placeholder_passes_as_the_very_same_bytes() -> None:
    stream = StreamedAnswer(AnswerRestorer(MINTED, Restores.EVERYTHING))
    one = event({"index": 0, "delta": {"content": "next to x, "}})
    stream.events(one)
    block = one * 200
    assert stream.events(block) is block


def test_what_is_held_comes_with_the_reason_to_finish() -> None:
    restored(
        [
            event({"index": 0, "delta": {"content": A[:-2]}}),
            event({"index": 0, "delta": {"content": A[-2:]}, "finish_reason": "stop"}),
        ]
    )
    last = json.loads(out[1][6:])["choices"][0]
    assert (last["delta"]["content"], last["finish_reason"]) == (MAIL, "stop")
    restored(
        [
            event({"index": 0, "text": A[:4]}),
            event({"index": 0, "text": "", "finish_reason": "length"}),
        ]
    )
    assert told(out) == {"0 text": A[:4]}
    assert json.loads(out[1][6:])["choices"][0]["text"] == A[:4]


def test_what_is_held_comes_before_done_and_after_a_break() -> None:
    begun = event({"index": 0, "delta": called(A[:5])})
    restored([begun, b"data: [DONE]\n\n"])
    assert told(out) == {"0 call 0": A[:5]}
    assert out[1].endswith(b"data: [DONE]\n\n")
    restored([begun])
    assert json.loads(out[-1][6:])["model"] == "m"
    assert told(out) == {"0 call 0": A[:5]}


def test_what_holds_no_placeholder_passes_byte_for_byte() -> None:
    events = [
        b": hello\n\n",
        b'data:{"choices" : [ {"index":0,"delta":{"role":"assistant"}} ]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"Mail bag"}}]}\r\n\r\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
        b"data: [DONE]\n\n",
    ]
    restored(events)
    assert out == [*events, b""]


@pytest.mark.parametrize(
    ("restores", "texts", "counts"),
    [
        (Restores.TEXT, {"0 content": MAIL, "0 call 0": A}, (1, 1)),
        (Restores.NOTHING, {"0 content": A, "0 call 0": A}, (0, 2)),
    ],
)
def test_a_key_restores_as_far_as_it_may(
    restores: Restores, texts: dict[str, str], counts: tuple[int, int]
) -> None:
    events = [
        event({"index": 0, "delta": delta})
        for piece in cut(A, 3)
        for delta in ({"content": piece}, called(piece))
    ]
    counted = restored([*events, b"data: [DONE]\n\n"], restores)
    assert told(out) == texts
    assert (counted.restored, counted.left) == counts
