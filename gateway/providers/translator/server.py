"""Sets litellm up and serves the translator."""

import os
import socket

import httpx
import litellm
import uvicorn
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
from typing_extensions import override

from gateway.providers.http_client import HttpClient
from gateway.providers.translator import guard
from gateway.providers.translator.app import TranslatorApp
from gateway.providers.translator.outbound import OutboundTransport


async def serve(path: str, *, ready: int) -> None:
    """Serve on a unix socket; writes a line to the descriptor `ready` once it listens."""
    _configure()
    client = HttpClient(resolver=guard.guarded_resolve, connect_scope=guard.connecting_to)
    config = uvicorn.Config(
        TranslatorApp(client),
        uds=path,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    await _Server(config, ready).serve()
    await client.aclose()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: int) -> None:
        super().__init__(config)
        self._ready = ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        os.write(self._ready, b"ready\n")


def _configure() -> None:
    """Everything in litellm that could retry, remember, report or reach out by itself: off.

    Both of its ways to make a client (its own, and the openai package's) end in our transport.
    """

    def transport(*_: object, **__: object) -> OutboundTransport:
        return OutboundTransport()

    def no_proxies(*_: object, **__: object) -> dict[str, None]:
        return {}

    AsyncHTTPHandler.create_async_transport = staticmethod(transport)  # type: ignore[method-assign, assignment]
    AsyncHTTPHandler.create_httpx_proxy_mounts = staticmethod(no_proxies)  # type: ignore[method-assign]
    litellm.aclient_session = httpx.AsyncClient(transport=OutboundTransport(), trust_env=False)
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.num_retries = 0
    litellm.cache = None
    litellm.model_fallbacks = None
    litellm.callbacks = []
    litellm.success_callback = []
    litellm.failure_callback = []
    litellm.disable_hf_tokenizer_download = True
