"""What is read off a request body, and how it is refused."""

import base64
import json
from typing import Any

import pytest

from gateway.protocol.errors import InvalidRequest
from gateway.protocol.forwarding import body_for
from gateway.protocol.requests import RelayRequest, read_request
from policies.engine.facts import Endpoint, Zone

PNG_BYTES = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
PNG = f"data:image/png;base64,{PNG_BYTES}"
CHAT, TEXT, EMBED = Endpoint.CHAT_COMPLETIONS, Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS


def chat(**fields: Any) -> RelayRequest:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **fields}
    return read_request(CHAT, json.dumps(body).encode())


def parts(*content: dict[str, Any]) -> RelayRequest:
    return chat(messages=[{"role": "user", "content": list(content)}])


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, {}, "model"),
        (CHAT, {"model": 3}, "model"),
        (CHAT, {"model": "m"}, "messages"),
        (CHAT, {"model": "m", "messages": {}}, "messages"),
        (CHAT, {"model": "m", "messages": []}, "messages"),
        (CHAT, {"model": "m", "messages": ["hi"]}, "messages[0]"),
        (CHAT, {"model": "m", "messages": [{"role": "root", "content": ""}]}, "messages[0].role"),
        (CHAT, {"model": "m", "messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        (
            CHAT,
            {"model": "m", "messages": [{"role": "user", "content": ["x"]}]},
            "messages[0].content[0].type",
        ),
        (CHAT, {"model": "m", "messages": [{"role": "user"}], "stream": "yes"}, "stream"),
        (
            CHAT,
            {"model": "m", "messages": [{"role": "user"}], "stream_options": {}},
            "stream_options",
        ),
        (CHAT, {"model": "m", "messages": [{"role": "user"}], "tools": {}}, "tools"),
        (CHAT, {"model": "m", "messages": [{"role": "user"}], "tools": [{}]}, "tools[0].type"),
        (
            CHAT,
            {"model": "m", "messages": [{"role": "user"}], "metadata": {"sluice_declare": 1}},
            "metadata.sluice_declare",
        ),
        (TEXT, {"model": "m"}, "prompt"),
        (TEXT, {"model": "m", "prompt": {}}, "prompt"),
        (TEXT, {"model": "m", "prompt": ["a", 1]}, "prompt"),
        (EMBED, {"model": "m", "input": ""}, "input"),
        (EMBED, {"model": "m", "input": []}, "input"),
        (EMBED, {"model": "m", "input": [1, "a"]}, "input"),
    ],
)
def test_a_bad_body_names_the_field(endpoint: Endpoint, body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_request(endpoint, json.dumps(body).encode())
    assert refused.value.param == param


def test_the_declaration_is_taken_out_of_the_body() -> None:
    request = chat(metadata={"sluice_declare": "health", "run": "7"})
    assert request.declared == "health"
    assert request.tree["metadata"] == {"run": "7"}
    assert "metadata" not in chat(metadata={"sluice_declare": "health"}).tree


@pytest.mark.parametrize(
    ("endpoint", "field", "value"),
    [
        (TEXT, "prompt", [1, 2, 3]),
        (TEXT, "prompt", [[1, 2], [3]]),
        (EMBED, "input", [5]),
        (EMBED, "input", [[5], [6]]),
    ],
)
def test_token_ids_are_opaque(endpoint: Endpoint, field: str, value: object) -> None:
    request = read_request(endpoint, json.dumps({"model": "m", field: value}).encode())
    assert request.opaque == {"token_ids"}


def test_an_image_is_opaque_and_its_bytes_are_a_payload() -> None:
    request = parts({"type": "image_url", "image_url": {"url": PNG}})
    assert request.opaque == {"image"}
    assert request.modalities == {"text", "image"}
    assert len(request.payloads) == 1
    assert not request.reach_out


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


_PNG = base64.b64decode(PNG_BYTES)
_JPEG = b"\xff\xd8\xff pixels \xff\xd9"


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/jpeg;base64,{_b64(_JPEG)}",
        f"data:image/gif;base64,{_b64(b'GIF89a pixels;')}",
        f"data:image/webp;base64,{_b64(b'RIFF' + (10).to_bytes(4, 'little') + b'WEBPpixels')}",
        f"data:image/bmp;base64,{_b64(b'BM' + (12).to_bytes(4, 'little') + b'pixels')}",
    ],
)
def test_images_of_every_usual_kind_are_known(url: str) -> None:
    request = parts({"type": "image_url", "image_url": {"url": url}})
    assert request.opaque == {"image"}
    assert len(request.payloads) == 1


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,aGVsbG8=",
        f"{PNG} and my card is 4111111111111111",
        f"{PNG[:-2]}\n4111111111111111",
        f"data:image/png;name=jane.roe@clinic.example;base64,{PNG_BYTES}",
        f"data:image/png,{PNG_BYTES};base64,{PNG_BYTES}",
        f"data:text/plain;base64,{PNG_BYTES}",
        f"data:image/png;base64,{_b64(_PNG + b' my card is 4111111111111111')}",
        f"data:image/bmp;base64,{_b64(b'BM, my card is 4111111111111111')}",
        f"data:image/webp;base64,{_b64(b'RIFF, my card is 4111111111111111')}",
        f"data:image/gif;base64,{_b64(b'GIF8, my card is 4111111111111111;')}",
        "data:image/png;base64,",
    ],
)
def test_something_that_only_says_it_is_an_image_is_scanned_and_never_relaxed(url: str) -> None:
    request = parts({"type": "image_url", "image_url": {"url": url}})
    assert request.opaque == {"file"}
    assert not request.payloads


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x",
        " https://example.org/x",
        "\nHTTPS://example.org/x",
        "ht\ttps://example.org/x",
        "//example.org/x",
        "ws://example.org/x",
    ],
)
@pytest.mark.parametrize("kind", ["audio_url", "video_url", "file", "hologram"])
def test_media_at_an_address_reach_out(kind: str, url: str) -> None:
    assert parts({"type": kind, kind: {"url": url}}).reach_out == {"remote_media"}


@pytest.mark.parametrize("kind", ["text", "input_text", "output_text", "refusal"])
@pytest.mark.parametrize("key", ["image_url", "video_url", "file"])
def test_a_text_part_that_brings_media_is_no_text(kind: str, key: str) -> None:
    part = {"type": kind, "text": "hello", key: {"url": "https://example.org/x.png"}}
    request = parts(part)
    assert request.opaque == {"unknown_part"}
    assert request.reach_out == {"remote_media"}
    assert not parts({"type": kind, "text": "hello", "cache_control": {}}).opaque


def test_media_in_the_body_do_not_reach_out() -> None:
    for value in ("data:video/mp4;base64,AAAA", "file-1", "Note: a remark", "AAAA"):
        assert not parts({"type": "video_url", "video_url": {"url": value}}).reach_out


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        (EMBED, {"input": [{"image": "https://example.org/x.png"}]}),
        (EMBED, {"input": "a", "messages": [{"role": "user", "content": "REMOTE"}]}),
        (TEXT, {"prompt": "a", "messages": [{"role": "user", "content": "REMOTE"}]}),
    ],
)
def test_other_endpoints_do_not_reach_out_either(
    endpoint: Endpoint, fields: dict[str, Any]
) -> None:
    # Some servers embed conversations, and fetch what these name.
    part = '[{"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}]'
    body = json.dumps({"model": "m", **fields}).replace('"REMOTE"', part)
    assert read_request(endpoint, body.encode()).reach_out


@pytest.mark.parametrize(
    "url", ["https://example.org/x.png", "http://127.0.0.1/x", "file:///etc/passwd", "//x/y"]
)
def test_an_image_at_an_address_reaches_out(url: str) -> None:
    request = parts({"type": "image_url", "image_url": {"url": url}})
    assert request.reach_out == {"remote_image"}


@pytest.mark.parametrize(
    ("part", "opaque"),
    [
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "audio"),
        ({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}, "video"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "file"),
        ({"type": "hologram", "x": 1}, "unknown_part"),
    ],
)
def test_what_cannot_be_read_is_opaque(part: dict[str, Any], opaque: str) -> None:
    assert opaque in parts(part).opaque


def test_server_side_tools_reach_out_and_client_tools_do_not() -> None:
    function = {"type": "function", "function": {"name": "f"}}
    assert not chat(tools=[function]).reach_out
    assert chat(tools=[function, {"type": "web_search_20250305"}]).reach_out == {"web_search"}
    assert chat(tools=[{"type": "mcp", "server_url": "https://x"}]).reach_out == {"mcp"}
    assert chat(tools=[{"type": "teleport"}]).reach_out == {"other_tool"}
    assert chat(web_search_options={}).reach_out == {"web_search"}


def test_on_prem_gets_unknown_fields_as_they_came() -> None:
    request = chat(guided_choice=["a"], user="u", temperature=0.5)
    body = body_for(request.tree, endpoint=CHAT, zone=Zone.ON_PREM, model="up", ask_usage=False)
    assert body == {**request.tree, "model": "up"}


@pytest.mark.parametrize("zone", [Zone.CLOUD, Zone.PRIVATE_CLOUD])
def test_off_on_prem_only_the_list_travels(zone: Zone) -> None:
    request = chat(
        messages=[{"role": "user", "content": "hello", "x_trace": "secret"}],
        temperature=0.5,
        api_base="http://evil",
        base_url="http://evil",
        fallbacks=["gpt"],
        headers={"a": "b"},
        extra_headers={"a": "b"},
        user="alice",
        metadata={"a": "b"},
        unheard_of=1,
    )
    body = body_for(request.tree, endpoint=CHAT, zone=zone, model="up", ask_usage=False)
    assert body == {
        "model": "up",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.5,
    }


def test_asking_for_usage_keeps_other_stream_options() -> None:
    request = chat(stream=True, stream_options={"include_obfuscation": False})
    body = body_for(request.tree, endpoint=CHAT, zone=Zone.ON_PREM, model="up", ask_usage=True)
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert "include_usage" not in request.tree["stream_options"]
