"""The live tier: real vLLM servers behind a real Sluice, asked through the real SDK.

Two replicas of a chat model start side by side once per session, and three embedding models when
the first test wants them.
Their weights are random: what they say means nothing, that it arrives unchanged does.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import openai
import pytest

from tests.conftest import require
from tests.live.model_server import START_S, ModelServer, installed
from tests.support.ports import free_port
from tests.support.sluice import Sluice

REPLICAS = ("llama-a", "llama-b")
EMBEDDING_MODELS = ("nomic", "roberta", "bert")
DEPLOYMENT = """
  - {{name: {name}, provider: openai_compatible, base_url: "{base_url}", model: {model},
     zone: on_prem, endpoints: [{endpoints}], modalities: [text], enabled: true}}"""
CONFIG = """
deployments:{deployments}
aliases:
  - {{name: llama, deployments: [llama-a, llama-b]}}
  - {{name: nomic, deployments: [nomic]}}
  - {{name: roberta, deployments: [roberta]}}
  - {{name: bert, deployments: [bert]}}
  - {{name: unserved, deployments: [unserved]}}
projects:
  - slug: live
    name: Live
    floor: internal
    grants: [llama-a, llama-b, nomic, roberta, bert, unserved]
"""


@dataclass(frozen=True)
class Live:
    """A Sluice whose project `live` reaches every model server; a client with a key of it."""

    sluice: Sluice
    api_key: str
    client: openai.OpenAI
    replicas: tuple[ModelServer, ...]


@pytest.fixture(scope="session")
def sluice_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    """A running Sluice with a worker."""
    server = Sluice(Path(tmp_path_factory.mktemp("sluice")) / "var", worker=True)
    server.var.mkdir()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def model_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModelServer]]:
    """Every vLLM; the replicas are started, side by side. Ended for sure, also when one of them
    fails to start."""
    require(installed(), "vLLM (.ci/install-live)")
    folder: Path = tmp_path_factory.mktemp("vllm")
    with ExitStack() as running:
        servers: dict[str, ModelServer] = {}
        models = dict.fromkeys(REPLICAS, "llama") | {name: name for name in EMBEDDING_MODELS}
        for name, model in models.items():
            server = ModelServer(name=name, model=model, port=free_port(), folder=folder)
            running.callback(server.kill)
            servers[name] = server
        _start([servers[name] for name in REPLICAS])
        yield servers


@pytest.fixture(scope="session")
def embedding_servers(model_servers: dict[str, ModelServer]) -> None:
    """The embedding models' servers are started, too."""
    _start([model_servers[name] for name in EMBEDDING_MODELS])


def _start(servers: list[ModelServer]) -> None:
    until = monotonic() + START_S
    for server in servers:
        server.start()
    for server in servers:
        server.wait_ready(until=until)


@pytest.fixture(scope="session")
def live(model_servers: dict[str, ModelServer], sluice_server: Sluice) -> Live:
    """Sluice in front of them."""
    chat, embed = "chat.completions, completions", "embeddings"
    rows = [
        (name, server.base_url, server.model, chat if name in REPLICAS else embed)
        for name, server in model_servers.items()
    ]
    # Configured, but its server has no such model.
    rows.append(("unserved", model_servers["llama-a"].base_url, "no-such-model", chat))
    deployments = "".join(
        DEPLOYMENT.format(name=name, base_url=base_url, model=model, endpoints=endpoints)
        for name, base_url, model, endpoints in rows
    )
    sluice_server.apply(CONFIG.format(deployments=deployments))
    made = sluice_server.manage("key", "create", "live", "--project", "live", "--service", "live")
    key = next(word for word in made.split() if word.startswith("sk-sluice-"))
    sluice_server.settle()
    return Live(
        sluice=sluice_server,
        api_key=key,
        client=sluice_server.client(key, timeout=180),  # vLLM compiles on first use
        replicas=tuple(model_servers[name] for name in REPLICAS),
    )


@pytest.fixture(scope="session")
def client(live: Live) -> openai.OpenAI:
    return live.client
