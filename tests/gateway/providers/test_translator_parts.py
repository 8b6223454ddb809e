"""The translator's parts that need no litellm: guard, life line, shapes, vendors' quirks."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway.providers.translator import shapes
from gateway.providers.translator.envelope import Envelope, envelope_of
from gateway.providers.translator.vendors import api_base, end_of_stream
from policies.engine.facts import Zone
from tests.gateway.providers.calls_for_tests import NOW, call, destination

ROOT = Path(__file__).resolve().parents[3]

GUARDED = """
import asyncio, os, socket, subprocess, sys
from gateway.providers.translator import guard

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
guard.install()

def refused(what):
    try:
        what()
    except PermissionError:
        return
    raise SystemExit(f"not refused: {what}")

refused(lambda: socket.create_connection(("127.0.0.1", port)))
refused(lambda: socket.create_connection(("localhost", port)))
refused(lambda: socket.getaddrinfo("localhost", port))
refused(lambda: socket.gethostbyname("localhost"))
refused(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)))
refused(lambda: socket.socket(socket.AF_UNIX).connect("/tmp/none"))
refused(lambda: subprocess.run(["true"]))
refused(lambda: os.system("true"))

async def main():
    loop = asyncio.get_running_loop()
    with guard.connecting_to("127.0.0.1", port):
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport.close()
        refused(lambda: socket.create_connection(("127.0.0.2", port)))
    try:
        await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
    except PermissionError:
        pass
    else:
        raise SystemExit("not refused outside of its scope")
    assert await guard.guarded_resolve("localhost", port)

asyncio.run(main())
print("held")
"""


def test_the_guard_lets_only_the_destination_through() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", GUARDED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("held\n", 0), done.stderr


def test_the_translator_ends_with_its_parent_even_while_it_starts(tmp_path: Path) -> None:
    # Its standard input is at its end already, as after the parent's death.
    done = subprocess.run(
        [sys.executable, "-m", "gateway.providers.translator", "--socket", str(tmp_path / "s")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_litellm_is_not_imported_by_the_adapter() -> None:
    script = "import sys, gateway.providers.litellm_cloud as _; print('litellm' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("vendor", "given", "made"),
    [
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com"),
        ("anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com"),
        ("gemini", "https://g.example", "https://g.example/v1beta"),
        ("gemini", "https://g.example/v1beta/", "https://g.example/v1beta"),
        ("gemini", "https://g.example/proxy/v1", "https://g.example/proxy/v1"),
        ("mistral", "https://m.example/v1", "https://m.example/v1"),
    ],
)
def test_base_urls_work_with_and_without_a_version(vendor: str, given: str, made: str) -> None:
    assert api_base(vendor, given) == made


def test_a_text_cannot_pretend_to_be_the_end_of_a_stream() -> None:
    anthropic, gemini = end_of_stream("anthropic"), end_of_stream("gemini")
    assert anthropic is not None
    assert gemini is not None
    assert anthropic.search(b'data: {}\n\nevent: message_stop\ndata: {"type": "message_stop"}\n')
    assert not anthropic.search(b'data: {"text": "\\nevent: message_stop"}\n')
    assert gemini.search(b'{"finishReason": "STOP"}')
    assert not gemini.search(b'{"text": "\\"finishReason\\": \\"STOP\\""}')


class Refused(Exception):
    status_code = 400
    message = "litellm.BadRequestError: litellm.X: no such thing\nTraceback: /some/where"


class Failed(Exception):
    status_code = 500
    message = "broken"


def test_only_the_first_line_of_a_refusal_passes() -> None:
    told = shapes.translation_error(Refused())
    assert told is not None
    status, tree = told
    assert status == 400
    assert tree["error"]["message"] == "no such thing"
    assert shapes.translation_error(Failed()) is None
    assert shapes.translation_error(ValueError("x")) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error": "no"}', b"\xff"])
def test_an_error_without_a_known_form_says_its_status(body: bytes) -> None:
    tree = shapes.vendor_error(body, 502)
    assert tree["error"]["message"] == "the vendor answered with status 502"
    assert tree["error"]["type"] == "upstream_error"


def test_litellm_s_own_fields_do_not_pass() -> None:
    message = {"role": "assistant", "content": "x", "provider_specific_fields": {"a": 1}}
    whole = shapes.completion(
        {
            "id": "1",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "total_tokens": 3,
                "cost": 5,
                "prompt_tokens_details": {"cached_tokens": 1, "text_tokens": 9},
            },
            "service_tier": None,
        }
    )
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "x"}
    assert whole["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_an_envelope_is_one_call_whole_and_shows_nothing() -> None:
    to = destination(
        "https://api.example",
        zone=Zone.CLOUD,
        credential="sk-secret",
        options={"litellm_provider": "anthropic"},
    )
    asked = call(to, {"messages": [{"role": "user", "content": "private words"}]})
    envelope = msgspec.json.decode(envelope_of(asked, now=NOW), type=Envelope)
    assert envelope.destination() == replace(to, provider="litellm_cloud")
    assert (envelope.digest, envelope.decision_id) == (asked.permit.digest, "d-1")
    assert envelope.valid_for_s == 30
    assert bytes(envelope.body) == asked.body
    assert repr(envelope) == "Envelope(d-1)"
