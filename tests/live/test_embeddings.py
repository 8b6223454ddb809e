"""Embeddings by the three kinds of model that vLLM serves them from."""

import math

import openai
import pytest

from tests.live.conftest import EMBEDDING_MODELS

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("embedding_servers")]

TEXTS = ["The river meets the sea.", "def area(width): return width", "The river meets the sea."]


@pytest.mark.parametrize("model", EMBEDDING_MODELS)
def test_texts_are_embedded(client: openai.OpenAI, model: str) -> None:
    answer = client.embeddings.create(model=model, input=TEXTS)
    first, other, again = (row.embedding for row in answer.data)
    assert [row.index for row in answer.data] == [0, 1, 2]
    assert answer.model == f"tiny-{model}"
    assert len(first) == len(other) == 128
    assert math.hypot(*first) == pytest.approx(1.0, abs=1e-3)
    assert first == pytest.approx(again, abs=1e-5)
    assert first != pytest.approx(other, abs=1e-2)
    assert answer.usage.prompt_tokens > 0


def test_floats_and_base64_carry_the_same_vector(client: openai.OpenAI) -> None:
    floats = client.embeddings.create(model="nomic", input=TEXTS[0], encoding_format="float")
    # The SDK asks for base64 by itself and decodes it.
    decoded = client.embeddings.create(model="nomic", input=TEXTS[0])
    assert decoded.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-5)


def test_token_ids_are_embedded(client: openai.OpenAI) -> None:
    raw = client.embeddings.with_raw_response.create(model="bert", input=[[2, 20, 30, 3]])
    assert raw.headers["x-sluice-sensitivity"] == "restricted"
    assert len(raw.parse().data[0].embedding) == 128


def test_a_text_longer_than_the_model_is_a_400(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="roberta", input="river " * 400)
    assert refused.value.status_code == 400
    assert "128" in refused.value.message
