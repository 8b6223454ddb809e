"""A secret, planted wherever a request can carry one, reaches no cloud server, log, journal or row.

Each planted request has a clean twin that must reach the cloud: denying everything cannot pass.
"""

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Lab

# Sample values count: nobody can tell a sample from the real thing by looking.
SECRETS: dict[str, tuple[str, ...]] = {
    "IBAN": ("DE89370400440532013000", "370400440532013000"),
    "card": ("4111111111111111",),
    "SSN": ("123-45-6789",),
    "AWS key": ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    "e-mail": ("jane.roe@clinic.example", "jane.roe"),
}
CARD = "4111111111111111"
CLEAN = "blue skies"

Plant = Callable[[Any], dict[str, Any]]


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hello"}], **fields}


def message(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hello"}, fields]}


def call(arguments: str) -> list[dict[str, Any]]:
    return [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}]


def tool(**function: Any) -> dict[str, Any]:
    return chat(tools=[{"type": "function", "function": {"name": "f", **function}}])


CHAT: dict[str, Plant] = {
    "content": lambda s: message(role="user", content=f"see {s} there"),
    "system": lambda s: message(role="system", content=s),
    "content part": lambda s: message(role="user", content=[{"type": "text", "text": s}]),
    "split over two parts": lambda s: message(
        role="user",
        content=[{"type": "text", "text": half} for half in (s[: len(s) // 2], s[len(s) // 2 :])],
    ),
    "history": lambda s: {
        "messages": [
            {"role": "user", "content": f"it is {s}"},
            {"role": "assistant", "content": "noted"},
            {"role": "user", "content": "go on"},
        ]
    },
    "assistant": lambda s: message(role="assistant", content=s),
    "tool-call arguments": lambda s: message(
        role="assistant", content=None, tool_calls=call(json.dumps({"x": s}))
    ),
    "tool-call argument key": lambda s: message(
        role="assistant", content=None, tool_calls=call(json.dumps({s: 1}))
    ),
    "escaped arguments": lambda s: message(
        role="assistant",
        content=None,
        tool_calls=call('{"x": "' + "".join(f"\\u{ord(c):04x}" for c in s) + '"}'),
    ),
    "tool result": lambda s: message(role="tool", tool_call_id="c1", content=s),
    "message name": lambda s: message(role="user", name=s, content="hi"),
    "tool description": lambda s: tool(description=s),
    "schema default": lambda s: tool(parameters={"properties": {"a": {"default": s}}}),
    "schema key": lambda s: tool(parameters={"properties": {s: {"type": "string"}}}),
    "schema enum": lambda s: tool(parameters={"enum": ["a", s]}),
    "response schema": lambda s: chat(
        response_format={"type": "json_schema", "json_schema": {"name": "x", "description": s}}
    ),
    "metadata value": lambda s: chat(metadata={"case": s}),
    "metadata key": lambda s: chat(metadata={s: "x"}),
    "user": lambda s: chat(user=s),
    "stop": lambda s: chat(stop=[s]),
    "unknown field": lambda s: chat(x_unheard={"of": [[{"deep": s}]]}),
    "unknown key": lambda s: chat(**{str(s): 1}),
    "prediction": lambda s: chat(prediction={"type": "content", "content": s}),
    "spaced": lambda s: message(role="user", content=" ".join(s)),
    "zero-width": lambda s: message(role="user", content="\u200b".join(s)),
    "full-width": lambda s: message(
        role="user", content="".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in s)
    ),
    "entities": lambda s: message(role="user", content="".join(f"&#{ord(c)};" for c in s)),
    "percent": lambda s: message(role="user", content="".join(f"%{ord(c):02X}" for c in s)),
}
COMPLETIONS: dict[str, Plant] = {
    "prompt": lambda s: {"prompt": f"see {s}"},
    "prompts": lambda s: {"prompt": ["a", s]},
    "suffix": lambda s: {"prompt": "a", "suffix": s},
    "user": lambda s: {"prompt": "a", "user": s},
    "unknown": lambda s: {"prompt": "a", "x_more": {"y": s}},
}
EMBEDDINGS: dict[str, Plant] = {
    "input": lambda s: {"input": f"see {s}"},
    "inputs": lambda s: {"input": ["a", s]},
    "user": lambda s: {"input": "a", "user": s},
    "unknown": lambda s: {"input": "a", "x_more": [s]},
}
PLACES = [
    (f"/v1/{endpoint}", name, plant)
    for endpoint, plants in (
        ("chat/completions", CHAT),
        ("completions", COMPLETIONS),
        ("embeddings", EMBEDDINGS),
    )
    for name, plant in plants.items()
]
# Spelling out an e-mail address or a key letter by letter is no form anybody writes it in.
ONLY_DIGITS = {"spaced"}
NUMBERS = [
    ("integer", lambda s: chat(seed=int(s))),
    ("float", lambda s: chat(temperature=float(s))),
    ("exponent", lambda s: chat(x_number=float(f"{float(s):.15e}"))),
    (
        "integer in arguments",
        lambda s: message(role="assistant", content=None, tool_calls=call(f'{{"n": {s}}}')),
    ),
    ("integer in metadata", lambda s: chat(metadata={"n": int(s)})),
]


def ids(places: list[tuple[str, str, Plant]]) -> list[str]:
    return [f"{path.split('/')[2]}-{name}".replace(" ", "_") for path, name, _ in places]


def send(lab: Lab, path: str, fields: dict[str, Any], *, model: str, stream: bool = False) -> int:
    body = {"model": model, **fields}
    if stream:
        body["stream"] = True
    return lab.post(path, json.dumps(body).encode())[0]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(("path", "name", "plant"), PLACES, ids=ids(PLACES))
def test_a_planted_secret_never_reaches_the_cloud(
    lab: Lab, path: str, name: str, plant: Plant, secret: str
) -> None:
    value = SECRETS[secret][0]
    if name in ONLY_DIGITS and secret != "card":
        value = CARD
    assert send(lab, path, plant(value), model="vendor") == 403
    assert send(lab, path, plant(value), model="cloud-first") == 200
    assert lab.cloud.received == []
    assert len(lab.onprem.received) == 1


@pytest.mark.parametrize(("path", "name", "plant"), PLACES, ids=ids(PLACES))
def test_its_clean_twin_reaches_the_cloud(lab: Lab, path: str, name: str, plant: Plant) -> None:
    assert send(lab, path, plant(CLEAN), model="vendor") == 200
    assert len(lab.cloud.received) == 1


@pytest.mark.parametrize(("name", "plant"), NUMBERS, ids=[name for name, _ in NUMBERS])
def test_a_card_as_a_number_never_reaches_the_cloud(lab: Lab, name: str, plant: Plant) -> None:
    assert send(lab, "/v1/chat/completions", plant(CARD), model="vendor") == 403
    assert lab.cloud.received == []
    assert send(lab, "/v1/chat/completions", plant("17"), model="vendor") == 200
    assert len(lab.cloud.received) == 1


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/completions", {"prompt": [1, 2, 3]}),
        ("/v1/completions", {"prompt": [[1, 2], [3]]}),
        ("/v1/embeddings", {"input": [1, 2, 3]}),
        ("/v1/chat/completions", chat(x_tokens=list(range(20)))),
    ],
)
def test_token_ids_stay_on_prem(lab: Lab, path: str, fields: dict[str, Any]) -> None:
    assert send(lab, path, fields, model="vendor") == 403
    assert send(lab, path, fields, model="cloud-first") == 200
    assert lab.cloud.received == []


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNg"
    "AAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
    ],
)
def test_images_stay_on_prem_and_remote_ones_go_nowhere(lab: Lab, part: dict[str, Any]) -> None:
    fields = {"messages": [{"role": "user", "content": [part]}]}
    assert send(lab, "/v1/chat/completions", fields, model="vendor") == 403
    remote = part["image_url"]["url"].startswith("https")
    status = send(lab, "/v1/chat/completions", fields, model="cloud-first")
    assert status == (403 if remote else 200)
    assert lab.cloud.received == []
    assert len(lab.onprem.received) == (0 if remote else 1)


@pytest.mark.parametrize(
    "tools",
    [
        [{"type": "web_search"}],
        [{"type": "mcp", "server_url": "https://example.org"}],
        [{"type": "function", "function": {"name": "f"}}, {"type": "code_interpreter"}],
    ],
)
def test_server_side_tools_are_refused_everywhere(lab: Lab, tools: list[dict[str, Any]]) -> None:
    for model in ("vendor", "private"):
        assert send(lab, "/v1/chat/completions", chat(tools=tools), model=model) == 403
    assert lab.cloud.received == []
    assert lab.onprem.received == []


MODES = ["ok", "failing", "closed", "cut", "rate_limited", "garbage", "slow_first_byte", "stall"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_that_is_kept_holds_the_secrets(lab: Lab, mode: str, stream: bool) -> None:
    lab.onprem.reset(mode)
    values = " and ".join(value for value, *_ in SECRETS.values())
    fields = message(role="user", content=values, name=values)
    send(lab, "/v1/chat/completions", fields, model="house-first", stream=stream)
    assert lab.onprem.received
    assert lab.cloud.received == []
    nothing_kept(lab)


def test_nothing_is_kept_of_a_client_that_left(lab: Lab) -> None:
    lab.onprem.reset("slow_first_byte")
    lab.onprem.server.client_gone.clear()
    values = " and ".join(value for value, *_ in SECRETS.values())
    with pytest.raises(openai.APITimeoutError):
        lab.client.with_options(timeout=0.5).chat.completions.create(
            model="house-first", messages=[{"role": "user", "content": values}]
        )
    lab.sluice.wait_for(lab.onprem.server.client_gone.is_set, "cancelled upstream")
    assert lab.cloud.received == []
    nothing_kept(lab)


def nothing_kept(lab: Lab) -> None:
    """No file of the installation holds any form of any secret."""
    lab.sluice.manage("audit", "load", "--once", check=False)
    kept = [lab.sluice.log, *(path for path in lab.sluice.var.rglob("*") if path.is_file())]
    for path in kept:
        if path.name == "test.yaml":
            continue
        content = path.read_bytes()
        for forms in SECRETS.values():
            for form in forms:
                assert form.encode() not in content, f"{path.name} holds {form}"
