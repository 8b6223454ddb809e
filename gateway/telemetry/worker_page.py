"""The metrics of a process that serves nothing else: a child of a worker.

Each child of a worker has a tally of its own, so each takes the first port that is free, from the
one that was asked for on. Who may read is decided as for a web process.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from typing_extensions import override

from gateway.inference.path import Gateway
from gateway.telemetry.exposition import CONTENT_TYPE, Stores, render
from gateway.telemetry.readers import REFUSAL, may_read
from gateway.telemetry.tally import Tally

log = logging.getLogger(__name__)

MOST_PORTS: Final = 8


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = False  # a port that a sibling has is taken


class _Handler(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: Any) -> None:
        return  # who scrapes is nothing to write down


def serve(
    host: str,
    port: int,
    *,
    key: str | None,
    tally: Tally,
    gateway: Callable[[], Gateway],
) -> WSGIServer | None:
    """Serve the page in a thread, on the first of MOST_PORTS ports that is free; None, and a line
    in the log, when none is. `key`: of SLUICE_METRICS_KEY."""

    def page(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not may_read(_as_scope(environ), key=key):
            start("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [REFUSAL]
        start("200 OK", [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store")])
        return [render(tally, gateway, Stores())]

    for at in range(port, min(port + MOST_PORTS, 65_536)):
        try:
            server = make_server(host, at, page, server_class=_Server, handler_class=_Handler)
        except OSError:
            continue
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        return server
    log.error("no metrics: none of the ports from %d on is free", port)
    return None


def _as_scope(environ: dict[str, Any]) -> dict[str, Any]:
    """What `may_read` asks of a request."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower().encode(), value.encode("latin-1"))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    return {"client": (environ.get("REMOTE_ADDR", ""), 0), "headers": headers}
