"""What a model server refuses arrives as OpenAI's clients know it."""

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.live.conftest import Live

pytestmark = pytest.mark.live

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Which river?"}]
TOO_LONG: list[ChatCompletionMessageParam] = [{"role": "user", "content": "rivers rise " * 400}]


@pytest.mark.parametrize("stream", [False, True])
def test_a_context_too_long_is_a_400_with_its_parameter(
    client: openai.OpenAI, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="llama", messages=TOO_LONG, stream=stream)
    assert refused.value.param
    assert "512" in refused.value.message


def test_more_tokens_than_fit_are_a_400_with_its_parameter(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="llama", messages=HELLO, max_tokens=5000)
    assert refused.value.param == "max_tokens"


def test_a_request_that_was_refused_holds_nothing_against_the_replica(live: Live) -> None:
    with pytest.raises(openai.BadRequestError):
        live.client.chat.completions.create(model="llama", messages=TOO_LONG)
    answer = live.client.chat.completions.create(model="llama", messages=HELLO, max_tokens=2)
    assert answer.choices


def test_an_unknown_model_is_a_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="tiny-lama", messages=HELLO)
    assert refused.value.param == "model"


def test_an_alias_whose_server_lacks_the_model_is_a_503_that_says_not_to_retry(
    client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="unserved", messages=HELLO)
    assert refused.value.status_code == 503
    assert refused.value.code == "no_deployment_available"
    assert refused.value.response.headers["x-should-retry"] == "false"
