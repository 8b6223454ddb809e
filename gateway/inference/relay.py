"""A stream on its way from an upstream to the caller.

INVARIANT: whatever happens (read to its end, broken upstream, caller gone, never begun), `aclose`
or the end writes the outcome exactly once and lets go of the upstream. A class and not a
generator, because closing a generator that was never begun runs nothing.
"""

from collections.abc import AsyncIterator
from typing import Self

from gateway.inference.surroundings import Surroundings
from gateway.inference.trace import CLIENT_CLOSED, Trace
from gateway.protocol.answers import EventTooLong, StreamReader, error_event
from gateway.protocol.errors import NoDeploymentAvailable
from gateway.protocol.restoring_streams import StreamedAnswer
from gateway.providers.calls import Answer, ProviderError

_DONE = b"data: [DONE]\n\n"


class Relay:
    """Yields whole events; after the first byte a failure is an error event and the end."""

    def __init__(
        self,
        around: Surroundings,
        trace: Trace,
        answer: Answer,
        chunks: AsyncIterator[bytes],
        reader: StreamReader,
        first: bytes,
    ) -> None:
        self._around = around
        self._trace = trace
        self._answer = answer
        self._chunks = chunks
        self._reader = reader
        # None: nothing was masked, and the bytes pass as they come.
        self._restoring = StreamedAnswer(trace.restorer) if trace.restorer is not None else None
        self._first = first
        self._sent = 0
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        if self._first:
            block, self._first = self._first, b""
            if self._restoring is not None:
                block = self._restoring.events(block)
        else:
            block = await self._next_block()
        self._sent += len(block)
        if self._trace.kept is not None:
            self._trace.kept.add(block)
        return block

    async def _next_block(self) -> bytes:
        reader = self._reader
        try:
            while True:
                block = reader.feed(await anext(self._chunks))
                if block:
                    return block if self._restoring is None else self._restoring.events(block)
        except StopAsyncIteration:
            if not reader.ended_well:
                return await self._broken("closed_early")
            rest = self._rest()
            await self._end(200, "upstream_error" if reader.failed else "")
            if not reader.done:
                return rest + _DONE
            raise
        except ProviderError as failure:
            return await self._broken(failure.code)
        except EventTooLong:
            return await self._broken("protocol_error")

    def _rest(self) -> bytes:
        if self._restoring is None:
            return b""
        rest = self._restoring.rest()
        if self._trace.kept is not None:  # the outcome is written before it is handed on
            self._trace.kept.add(rest)
        return rest

    async def _broken(self, error: str) -> bytes:
        rest = self._rest()
        self._around.router.failed(self._trace.deployment, now_s=self._around.monotonic())
        await self._end(200, error)
        told = NoDeploymentAvailable(
            "The model server broke off in the middle of its answer. What was sent so far is "
            "incomplete."
        )
        told.code = "upstream_interrupted"
        return rest + error_event(told.body())

    async def _end(self, status: int, error: str) -> None:
        if self._ended:
            return
        self._ended = True
        trace, reader = self._trace, self._reader
        self._around.router.ended(trace.deployment)
        trace.attempts[-1][2] = error or "ok"
        trace.model, trace.usage, trace.bytes_out = reader.model, reader.usage, self._sent
        trace.events_out = reader.events
        self._around.finish(trace, status=status, error=error)
        await self._answer.aclose()

    async def aclose(self) -> None:
        """End it now: the caller is gone, or has read everything. Idempotent."""
        await self._end(CLIENT_CLOSED, "client_closed")
