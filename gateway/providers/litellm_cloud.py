"""Vendors with a dialect of their own (Claude, Gemini and others): asks the translator process.

litellm itself is never imported here. One call carries one destination, one credential and the
permit's digest; the translator has no fall-back, no retry and no memory.

Options of a destination: `litellm_provider` ("anthropic", "gemini", …), `drop_params` ("yes": leave
out what the vendor does not know, instead of refusing the request), `allow_private`.
"""

import json

from gateway.providers import calls
from gateway.providers.calls import Answer, Call, ConnectFailed, ProviderError
from gateway.providers.connection import Times
from gateway.providers.exchange import Exchange
from gateway.providers.http_client import KEPT_HEADERS, HttpClient
from gateway.providers.permit_check import Clock, check_permit, utc_now
from gateway.providers.request_head import request_line
from gateway.providers.targets import SocketTarget
from gateway.providers.translator.envelope import FAILURE_HEADER, PATH, envelope_of, vendor_of
from gateway.providers.translator_process import TranslatorProcess

# The translator keeps the destination's own times; ours only notice that it is gone.
_MARGIN_S = 5.0
_FAILURES: dict[str, type[ProviderError]] = {
    kind.code: kind
    for kind in (
        calls.AddressRefused,
        calls.ConnectFailed,
        calls.UpstreamTimeout,
        calls.UpstreamClosed,
        calls.UpstreamProtocolError,
        calls.RequestRefused,
        calls.PermitViolation,
    )
}


class LiteLLMCloud:
    """The adapter. `process` is started by the first call."""

    def __init__(self, process: TranslatorProcess, *, clock: Clock = utc_now) -> None:
        self._process = process
        self._target = SocketTarget(str(process.socket))
        self._client = HttpClient(kept_headers=KEPT_HEADERS | {FAILURE_HEADER.encode()})
        self._clock = clock

    async def send(self, call: Call) -> Answer:
        """Have one call translated and sent. Raises ProviderError before the answer's head;
        statuses of 400 and above are answers, the vendor's or (400) the translator's."""
        check_permit(call, now=self._clock())
        vendor_of(call.destination)
        start = await self._process.ensure()
        try:
            exchange = await self._ask(call)
        except ConnectFailed:  # nobody listens, so nothing was sent
            await self._process.restart(start)
            exchange = await self._ask(call)
        code = exchange.headers.get(FAILURE_HEADER)
        if code is not None:
            raise await _failure(exchange, code)
        return exchange

    async def aclose(self) -> None:
        """Close the connections and end the translator."""
        await self._client.aclose()
        await self._process.aclose()

    async def _ask(self, call: Call) -> Exchange:
        now = self._clock()
        check_permit(call, now=now)  # a start takes seconds
        body = envelope_of(call, now=now)
        destination = call.destination
        head = b"".join(
            (
                request_line("POST", PATH),
                b"host: localhost\r\ncontent-type: application/json\r\n",
                b"content-length: %d\r\n\r\n" % len(body),
            )
        )
        first = destination.connect_timeout_s + destination.first_byte_timeout_s + _MARGIN_S
        return await self._client.send(
            self._target,
            head,
            body,
            times=Times(first, destination.idle_timeout_s + _MARGIN_S),
            connect_timeout_s=_MARGIN_S,
        )


async def _failure(exchange: Exchange, code: str) -> ProviderError:
    """The failure that the translator met, as if it had happened here."""
    try:
        told = json.loads(await exchange.read(64 * 1024))
    finally:
        await exchange.aclose()
    kind = _FAILURES.get(code, calls.UpstreamProtocolError)
    return kind(str(told["detail"]), after_first_byte=bool(told["after_first_byte"]))
