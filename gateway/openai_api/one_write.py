"""A complete answer leaves in one write instead of two.

Uvicorn writes the head of an answer when it is told the head, and the body when it is told the
body: two system calls, and a check by regular expression for each name and value. For a short
answer that costs a tenth of the request. Here the head waits for the body, and both are checked
and written at once; whatever is not a short complete answer goes uvicorn's way unchanged.

Only uvicorn's httptools protocol is touched, and only when it is what serves. The attributes used
are those of the locked version; the end-to-end tests fail should a new one differ.
"""

from typing import Any

from typing_extensions import override
from uvicorn.protocols.http import httptools_impl

_STATUS_LINES = httptools_impl.STATUS_LINE


class OneWriteCycle(httptools_impl.RequestResponseCycle):
    """Uvicorn's request cycle, but for the answer's head."""

    _held: Any = None

    @override
    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if not self.response_started and _carries_its_length(message):
                self._held = message
                return
        elif self._held is not None:
            start, self._held = self._held, None
            if self._write_whole(start, message):
                return
            await super().send(start)
        await super().send(message)

    def _write_whole(self, start: Any, message: Any) -> bool:
        """Write head and body and end the cycle. False: not an answer for this way."""
        body = message.get("body", b"")
        if (
            message.get("more_body", False)
            or self.disconnected
            or self.response_started
            or not self.keep_alive
            or self.flow.write_paused
            or self.scope["method"] == "HEAD"
        ):
            return False
        headers = [*self.default_headers, *start["headers"]]
        head = b"".join([b"%b: %b\r\n" % header for header in headers])
        # A line break inside of a name or a value would make a line more (response splitting).
        if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers):
            return False
        if b"content-length: %d\r\n" % len(body) not in head or b"connection:" in head:
            return False
        self.transport.write(b"".join((_STATUS_LINES[start["status"]], head, b"\r\n", body)))
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = False
        self.response_complete = True
        self.message_event.set()
        self.on_response()
        return True


def _carries_its_length(message: Any) -> bool:
    return any(name == b"content-length" for name, _ in message.get("headers", ()))


def install() -> None:
    """Let uvicorn's httptools protocol use it, for connections from now on."""
    httptools_impl.RequestResponseCycle = OneWriteCycle  # type: ignore[misc]
