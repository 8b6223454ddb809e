"""What is read off an upstream's answer: usage, model, errors; and streams, event by event.

Answers pass through as bytes. Only the final usage event, which the caller may not have asked
for, is ever taken out.
"""

import re
from collections.abc import Iterator

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """Token counts as the upstream gave them; None where it gave none."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0  # of the prompt's, read from the vendor's cache
    cache_write_tokens: int = 0  # of the prompt's, written to it


class _Figures(msgspec.Struct):
    """The `usage` object. What stands deeper is read only when it is there."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: msgspec.Raw = msgspec.Raw()
    cache_creation_input_tokens: msgspec.Raw = msgspec.Raw()


class _Head(msgspec.Struct):
    model: str | None = None
    usage: _Figures | None = None


_HEAD = msgspec.json.Decoder(_Head)


def read_head(body: bytes) -> tuple[str, Usage]:
    """(model, usage) of a complete JSON answer; empty values where it has none or is no JSON."""
    try:
        head = _HEAD.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", Usage()
    usage = head.usage
    if usage is None:
        return head.model or "", Usage()
    return head.model or "", Usage(
        _plausible(usage.prompt_tokens),
        _plausible(usage.completion_tokens),
        _cached(_decoded(usage.prompt_tokens_details)),
        _whole(_decoded(usage.cache_creation_input_tokens)),
    )


def _decoded(raw: msgspec.Raw) -> object:
    """A part of JSON that was found well-formed already; None where there is none."""
    return msgspec.json.decode(raw) if raw else None


def _cached(details: object) -> int:
    """The cached tokens of `prompt_tokens_details`; 0 where it says nothing sensible."""
    return _whole(details.get("cached_tokens")) if isinstance(details, dict) else 0


def _whole(value: object) -> int:
    return (_plausible(value) or 0) if type(value) is int else 0


class UpstreamFault(msgspec.Struct, frozen=True):
    """An upstream's error, whichever way it was spelt."""

    message: str
    param: str | None = None
    code: str | None = None


def read_error(body: bytes) -> UpstreamFault:
    """Understand the error bodies of OpenAI, vLLM, llama.cpp and plain FastAPI servers."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UpstreamFault("The model server refused the request.")
    error = tree.get("error", tree.get("detail", tree)) if isinstance(tree, dict) else tree
    if isinstance(error, str):
        return UpstreamFault(error)
    if not isinstance(error, dict):
        return UpstreamFault("The model server refused the request.")
    message = error.get("message")
    param, code = error.get("param"), error.get("code")
    return UpstreamFault(
        message if isinstance(message, str) else "The model server refused the request.",
        param if isinstance(param, str) else None,
        # vLLM sends the status as an integer here; OpenAI's codes are words.
        code if isinstance(code, str) else None,
    )


_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_ENDS = (b"\n\n", b"\r\r", b"\r\n\r\n")
_COUNTS = re.compile(rb'"usage"\s*:\s*\{')
_DONE = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,200})"')
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')
MAX_TOKENS = 1_000_000_000
MAX_EVENT_BYTES = 4 * 1024 * 1024


class EventTooLong(Exception):
    """An event that does not end within 4 MiB: not a stream we can relay."""


class StreamReader:
    """Cuts an event stream into whole events, notes its usage and whether it ended properly.

    The same bytes give the same events whatever their chunking. `feed` returns bytes to pass on:
    always whole events, never half of one.
    """

    __slots__ = ("_keep_usage", "_last", "_rest", "done", "events", "failed", "model", "usage")

    def __init__(self, *, keep_usage: bool) -> None:
        self._keep_usage = keep_usage
        self._rest = b""
        self._last = (b"", b"")  # what came last, for servers that end without [DONE]
        self.done = False
        self.events = 0  # about the tokens, when the upstream says no number
        self.failed = False  # the upstream put an error object into the stream
        self.model = ""
        self.usage = Usage()

    def feed(self, data: bytes) -> bytes:
        """The whole events that are complete with `data`. Raises EventTooLong."""
        if self._rest:
            data = self._rest + data
        if data.endswith(b"\n\n"):  # the common case: the upstream writes event by event
            whole, self._rest = data, b""
        else:
            end = _last_end(data)
            whole, self._rest = data[:end], data[end:]
            if len(self._rest) > MAX_EVENT_BYTES:
                raise EventTooLong
        if not whole:
            return b""
        self._last = (self._last[1], whole)
        self.events += whole.count(b"data:")
        if not self.model:
            found = _MODEL.search(whole)
            if found:
                self.model = found[1].decode("utf-8", "replace")
        if b"[DONE]" in whole and _DONE.search(whole):
            self.done = True
        if b'"error"' in whole or _COUNTS.search(whole):
            return self._examine(whole)
        return whole

    @property
    def ended_well(self) -> bool:
        """`[DONE]` was seen, or at least a reason to finish near the end. A stream with neither
        was cut (Ollama ends a failed answer with an empty event and nothing more)."""
        return self.done or any(_FINISHED.search(block) for block in self._last)

    def _examine(self, whole: bytes) -> bytes:
        kept: list[bytes] = []
        for event in split_events(whole):
            if self._keep(event):
                kept.append(event)
        return b"".join(kept)

    def _keep(self, event: bytes) -> bool:
        payload = b"\n".join(
            line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")
        )
        try:
            tree = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return True
        if not isinstance(tree, dict):
            return True
        if tree.get("error"):
            self.failed = True
            return True
        usage = tree.get("usage")
        if not isinstance(usage, dict):
            return True
        self.usage = Usage(
            _count(usage, "prompt_tokens"),
            _count(usage, "completion_tokens"),
            _cached(usage.get("prompt_tokens_details")),
            _whole(usage.get("cache_creation_input_tokens")),
        )
        # Only the bare usage event goes; one that carries choices is the caller's.
        return self._keep_usage or bool(tree.get("choices"))


def _count(usage: dict[str, object], name: str) -> int | None:
    value = usage.get(name)
    return _plausible(value) if type(value) is int else None


def _plausible(count: int | None) -> int | None:
    """A count that some model could mean; the number of a card is none."""
    return count if count is not None and 0 <= count < MAX_TOKENS else None


def _last_end(data: bytes) -> int:
    """Where the last whole event ends; 0: there is none. From behind: a read holds hundreds."""
    ends = _ENDS if b"\r" in data else _ENDS[:1]
    return max([at + len(end) for end in ends if (at := data.rfind(end)) >= 0], default=0)


def each_event(whole: bytes) -> Iterator[bytes]:
    """The events of a block of whole ones, each with its blank line."""
    start = 0
    for match in _END.finditer(whole):
        yield whole[start : match.end()]
        start = match.end()
    if start < len(whole):
        yield whole[start:]


def split_events(whole: bytes) -> list[bytes]:
    """The same, all at once."""
    return list(each_event(whole))


def error_event(body: bytes) -> bytes:
    """An error object as the last event of a stream. There is no `[DONE]` after it."""
    return b"data: " + body + b"\n\n"
