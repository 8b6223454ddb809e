"""What answers like a model server on this machine's usual ports. Reads, never writes.

A port proves nothing about where data ends up, so what is found here is only ever proposed.
"""

import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

# Where these servers listen unless told otherwise.
USUAL_PORTS = ((8000, "vLLM"), (11434, "Ollama"), (8080, "llama.cpp"), (4891, "GPT4All"))
_TIMEOUT_S = 1.0
_MOST_BYTES = 1_000_000
_MOST_MODELS = 50
_LONGEST_NAME = 200  # as long as the column


@dataclass(frozen=True, slots=True)
class Found:
    """A model that a server on the loopback lists. `origin` names the kind of server."""

    base_url: str
    model: str
    origin: str


def probe(ports: Sequence[tuple[int, str]] = USUAL_PORTS) -> list[Found]:
    """Ask each port for its models; Sluice's own port is left out. Blocking network I/O, at most
    a second each; what does not answer as a model server is not there."""
    found: list[Found] = []
    for port, origin in ports:
        if port != settings.PORT:
            base_url = f"http://127.0.0.1:{port}/v1"
            found += [Found(base_url, model, origin) for model in _models(port)]
    return found


def _models(port: int) -> list[str]:
    # http.client follows no redirect and reads no proxy variable.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/v1/models", headers={"accept": "application/json"})
        response = connection.getresponse()
        body = response.read(_MOST_BYTES)
        status = response.status
    except (OSError, http.client.HTTPException):
        return []
    finally:
        connection.close()
    return _listed(body) if status == http.client.OK else []


def _listed(body: bytes) -> list[str]:
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries = tree.get("data") if isinstance(tree, dict) else None
    if not isinstance(entries, list):
        return []
    # A second Sluice is no model server: what it does with data is its own policy's business.
    if any(isinstance(entry, dict) and entry.get("owned_by") == "sluice" for entry in entries):
        return []
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return [
        name
        for name in names
        if isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable()
    ][:_MOST_MODELS]
