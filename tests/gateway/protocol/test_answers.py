"""Streams are cut into whole events whatever their chunking, and usage is taken out if unasked."""

import pytest

from gateway.protocol.answers import StreamReader, Usage, read_error, read_head

CHUNK = b'data: {"model":"m","choices":[{"delta":{"content":"hi \\n\\n"}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"
STREAM = CHUNK + b": ping\n\n" + CHUNK + LAST + USAGE + DONE


def read(parts: list[bytes], *, keep_usage: bool) -> tuple[bytes, StreamReader]:
    reader = StreamReader(keep_usage=keep_usage)
    return b"".join(reader.feed(part) for part in parts), reader


@pytest.mark.parametrize("keep_usage", [True, False])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_splitting_anywhere_gives_the_same_events(keep_usage: bool, end: bytes) -> None:
    stream = STREAM.replace(b"\n\n", end)
    expected = stream if keep_usage else stream.replace(USAGE.replace(b"\n\n", end), b"")
    for offset in range(len(stream) + 1):
        whole, reader = read([stream[:offset], stream[offset:]], keep_usage=keep_usage)
        assert whole == expected
        assert reader.done
        assert reader.usage == Usage(3, 4)
        assert reader.model == "m"


def test_byte_by_byte() -> None:
    whole, reader = read([bytes([byte]) for byte in STREAM], keep_usage=False)
    assert whole == STREAM.replace(USAGE, b"")
    assert reader.usage == Usage(3, 4)


def test_usage_in_an_event_with_choices_stays() -> None:
    event = b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}\n\n'
    whole, reader = read([event], keep_usage=False)
    assert whole == event
    assert reader.usage.prompt_tokens == 1


def test_a_cut_stream_has_not_ended_well() -> None:
    _, reader = read([CHUNK, CHUNK[:-1]], keep_usage=False)
    assert not reader.ended_well


def test_a_reason_to_finish_is_as_good_as_done() -> None:
    _, reader = read([CHUNK, LAST], keep_usage=False)
    assert not reader.done
    assert reader.ended_well


def test_a_text_that_speaks_of_done_does_not_end_the_stream() -> None:
    _, reader = read(
        [b'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n'], keep_usage=True
    )
    assert not reader.done


def test_an_error_object_in_the_stream_is_noticed() -> None:
    _, reader = read([CHUNK, b'data: {"error":{"message":"boom"}}\n\n'], keep_usage=True)
    assert reader.failed


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        (b'{"error":{"message":"m","param":"p","code":"c"}}', "m", "p", "c"),
        (b'{"error":{"message":"m","param":null,"code":400}}', "m", None, None),
        (b'{"error":"Unauthorized"}', "Unauthorized", None, None),
        (b'{"detail":"Not Found"}', "Not Found", None, None),
        (b'{"object":"error","message":"m","code":400}', "m", None, None),
        (b"<html>", "The model server refused the request.", None, None),
        (b"[1]", "The model server refused the request.", None, None),
        (b"\xff", "The model server refused the request.", None, None),
    ],
)
def test_it_understands_each_spelling_of_an_error(
    body: bytes, message: str, param: str | None, code: str | None
) -> None:
    fault = read_error(body)
    assert (fault.message, fault.param, fault.code) == (message, param, code)


def test_the_head_of_an_answer() -> None:
    body = b'{"id":"x","model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}'
    assert read_head(body) == ("m", Usage(1, 2))
    assert read_head(b"not json") == ("", Usage())
    assert read_head(b'{"usage":{"prompt_tokens":"many"}}') == ("", Usage())
