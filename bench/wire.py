"""What the bench's upstream and its clients say to each other: an OpenAI-shaped subset.

Each request's last message ends in a tag of its own, and the upstream's answer repeats it, so
that an answer given to the wrong client is noticed. Tags are letters: digits could be taken for
personal data and would change how a gateway labels the prompt.
"""

import itertools
import random
from collections.abc import Callable

import msgspec

TAG_LENGTH = 10
MODEL = "bench"  # every chunk at once
SLOW_MODEL = "bench-10ms"  # 10 ms before each chunk
BATCH_MODEL = "bench-100ms"  # 100 ms an answer, 32 at once; the others wait their turn
CHAT_PATH = "/v1/chat/completions"
# Streamed one a chunk, in turn: LiteLLM breaks off a stream that repeats one chunk too often.
WORDS = ("rivers ", "rise ", "in ", "hills ", "and ", "meet ", "the ", "sea ")
_LETTERS = str.maketrans("0123456789", "bcdfghjklm")
_SENTENCES = (
    "The river rises in the hills and crosses the plain before it meets the sea.",
    "Please compare the two drafts and say which one a newcomer would follow more easily.",
    "Our train leaves the coast after breakfast, and the ferry waits for nobody.",
    "Which of these ideas would you keep if only one of them could be built this year?",
    "A good summary names the question, the evidence and what is still unknown.",
)


class Message(msgspec.Struct):
    """One message. Only text content is used here."""

    content: str = ""


class Choice(msgspec.Struct):
    """One choice of an answer, or of a chunk (`delta`)."""

    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class Answer(msgspec.Struct):
    """A chat completion, or one chunk of it."""

    choices: list[Choice]


class StreamOptions(msgspec.Struct):
    """The one stream option there is."""

    include_usage: bool = False


class Request(msgspec.Struct):
    """What the upstream reads of a request. `max_tokens` is the number of chunks to stream."""

    model: str
    messages: list[Message]
    stream: bool = False
    max_tokens: int = 1
    stream_options: StreamOptions | None = None


def tags() -> Callable[[], str]:
    """A source of tags: `TAG_LENGTH` letters each, all different."""
    counter = itertools.count()
    return lambda: f"{next(counter):0{TAG_LENGTH}d}".translate(_LETTERS)


def prompt(size: int) -> str:
    """`size` characters of ordinary prose, always the same for the same size."""
    choose = random.Random(size)  # noqa: S311 - text to send, nothing secret
    text = ""
    while len(text) < size:
        text += choose.choice(_SENTENCES) + " "
    return text[:size]


def body_around_tag(*, model: str, prompt_chars: int, chunks: int) -> tuple[bytes, bytes]:
    """A request's body before and after its tag. `chunks` 0: not streamed."""
    request: dict[str, object] = {
        "model": model,
        "max_tokens": chunks or 64,
        "temperature": 0.2,
        "stream": bool(chunks),
        "messages": [
            {"role": "system", "content": "Answer in one paragraph."},
            {"role": "user", "content": prompt(prompt_chars) + " @@"},
        ],
    }
    before, after = msgspec.json.encode(request).split(b"@@")
    return before, after


def expected_text(tag: str, chunks: int) -> str:
    """What the upstream answers to the prompt that ends in `tag`."""
    words = itertools.islice(itertools.cycle(WORDS), max(chunks - 1, 0))
    return f"echo {tag} " + "".join(words)
