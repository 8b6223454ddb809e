"""Does an Ollama that counts as on_prem really run the model itself?

Ollama passes some models on to its own cloud. A tag ending in `cloud` says so; a copied or renamed
model does not, but `POST /api/show` names its `remote_host`. So an on_prem destination of this
dialect is asked before the first request and once a minute, and refused unless the answer is a
clear no. Within that minute a model could be replaced unseen; whoever can do that administers the
server that sees the text anyway.
"""

import asyncio

import msgspec

from gateway.providers.calls import Destination, ForwardsElsewhere
from gateway.providers.connection import Times
from gateway.providers.http_client import HttpClient
from gateway.providers.request_head import request_line
from gateway.providers.targets import Target

ASK_EVERY_S = 60.0
_MOST_BYTES = 8 * 1024 * 1024  # a model's licence and template come along
_TIMES = Times(5.0, 5.0)


class _Shown(msgspec.Struct):
    remote_host: str | None = None
    remote_model: str | None = None


class Whereabouts:
    """What was asked already, per destination, until when it holds (loop time)."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._good_until: dict[int, tuple[float, Destination]] = {}

    async def require_local(
        self, destination: Destination, target: Target, prefix: str, fixed: bytes
    ) -> None:
        """Return when the server runs the model itself. Raises ForwardsElsewhere otherwise, also
        when it does not say, and ProviderError when it cannot be asked. `fixed`: header lines."""
        now = asyncio.get_running_loop().time()
        known = self._good_until.get(id(destination))
        if known is not None and known[1] is destination and now < known[0]:
            return
        body = msgspec.json.encode({"model": destination.upstream_model})
        head = b"".join(
            (
                request_line("POST", prefix.removesuffix("/v1") + "/api/show"),
                fixed,
                b"accept: application/json\r\ncontent-length: %d\r\n\r\n" % len(body),
            )
        )
        answer = await self._client.send(
            target, head, body, times=_TIMES, connect_timeout_s=destination.connect_timeout_s
        )
        try:
            shown = _read(await answer.read(_MOST_BYTES)) if answer.status == 200 else None
        finally:
            await answer.aclose()
        where = f"deployment {destination.deployment}"
        if shown is None:
            raise ForwardsElsewhere(f"{where}: Ollama does not say where it runs the model")
        if shown.remote_host or shown.remote_model:
            raise ForwardsElsewhere(
                f"{where}: Ollama passes this model on to another host; its zone is cloud"
            )
        if len(self._good_until) > 256:
            self._good_until.clear()
        self._good_until[id(destination)] = (now + ASK_EVERY_S, destination)


def _read(body: bytes) -> _Shown | None:
    try:
        return msgspec.json.decode(body, type=_Shown)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
