"""The form of placeholders against real tokenizers: what a model reads and writes it leaves intact.

Run it to choose another form: `pytest -m live tests/live/test_placeholders.py -s` prints what
becomes of several. A model with random weights can be held to words by a pattern, so what is tried
is how servers take a text apart, put it together again, and cut it into the pieces of a stream.
"""

import json
import sys
import urllib.request
from typing import Any

import openai
import pytest

from gateway.protocol.restores import Restores
from gateway.protocol.restoring import AnswerRestorer
from gateway.protocol.restoring_streams import StreamedAnswer
from policies.classification.masking import Masking, Replacement
from policies.classification.placeholders import keyed_hash
from tests.live.model_server import ModelServer

pytestmark = pytest.mark.live

VALUES = {"EMAIL_ADDRESS": "jane.roe@clinic.example", "PAYMENT_CARD": "4111 1111 1111 1111"}
OTHERS = ("<EMAIL_1>", "[EMAIL_1]", "{{EMAIL_1}}", "EMAIL_ADDRESS_1", "**e-mail 1**", "⟦EMAIL1⟧")
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def masked() -> tuple[list[str], dict[str, str]]:
    masking = Masking(bytes(32))
    words = [
        masking.apply(value, [Replacement(0, len(value), name, "placeholder")])
        for name, value in VALUES.items()
    ]
    return words, dict(masking.minted)


WORDS, MINTED = masked()
HASH = keyed_hash(bytes(32), "EMAIL_ADDRESS", "jane.roe@clinic.example")


def ask(server: ModelServer, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{server.url}{path}",
        data=json.dumps({"model": server.model, **body}).encode(),
        headers={"content-type": "application/json"},
    )
    with _opener.open(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def taken_apart(server: ModelServer, text: str) -> str:
    """The text as the model's tokenizer gives it back."""
    tokens = ask(server, "/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
    prompt: str = ask(server, "/detokenize", {"tokens": tokens})["prompt"]
    return prompt


@pytest.mark.usefixtures("embedding_servers")
@pytest.mark.parametrize("name", ["llama-a", "roberta"])
def test_a_tokenizer_gives_words_back(model_servers: dict[str, ModelServer], name: str) -> None:
    """Those of bytes. A WordPiece of a few hundred words has pieces for hardly any new word."""
    server = model_servers[name]
    for other in (*OTHERS, *WORDS, HASH):
        back = taken_apart(server, f"say {other} twice")
        sys.stdout.write(f"{name:8} {other:30} {'intact' if other in back else back!r}\n")
    for word in (*WORDS, HASH):
        assert word in taken_apart(server, f"say {word}, twice")


@pytest.mark.parametrize("around", ["{}", "({}), or {}", "to: {}; ", "| {} | `{}` |"])
def test_what_a_model_writes_is_restored_however_its_tokens_fall(
    model_servers: dict[str, ModelServer], around: str
) -> None:
    server = model_servers["llama-a"]
    said = around.format(WORDS[0], WORDS[1])
    meant = around.format(*VALUES.values())
    pattern = "".join(f"\\{each}" if not each.isalnum() and each != " " else each for each in said)
    client = openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=180)
    restorer = AnswerRestorer(MINTED, Restores.EVERYTHING)
    stream, text, pieces = StreamedAnswer(restorer), "", 0
    for chunk in client.chat.completions.create(
        model=server.model,
        messages=[{"role": "user", "content": "say it"}],
        max_tokens=200,
        stream=True,
        extra_body={"structured_outputs": {"regex": pattern}},
    ):
        block = stream.events(
            b"data: " + chunk.model_dump_json(exclude_unset=True).encode() + b"\n\n"
        )
        for line in block.split(b"\n\n"):
            for choice in json.loads(line[6:])["choices"] if line else ():
                text += choice["delta"].get("content") or ""
        pieces += 1
    assert text == meant
    assert pieces > len(WORDS)
    assert restorer.restored == around.count("{}")
