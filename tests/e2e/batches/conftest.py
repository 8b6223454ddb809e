"""A Sluice with a worker: its project `lab` with two recording servers, and `other` beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import CONFIG, Lab
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

PEOPLE = """
    members:
      - {{email: owner@lab.example, role: owner}}
      - {{email: member@lab.example}}
    limits: {{batch_rows: 2500, file_bytes: 5000000}}
    policy:"""
OTHER = """
  - {{slug: other, grants: [llama], limits: {{active_batches: 1}}}}
"""


@pytest.fixture(scope="session")
def batch_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    var = Path(tmp_path_factory.mktemp("batches")) / "var"
    var.mkdir()
    sluice = Sluice(var, demo=False, worker=True)
    config = CONFIG.replace("\n    policy:", PEOPLE) + OTHER
    with Upstream() as onprem, Upstream() as cloud:
        try:
            sluice.start()
            sluice.apply(config.format(onprem=onprem.base_url, cloud=cloud.base_url))
            key = make_key(sluice, "--project", "lab", "--service", "e2e")
            sluice.settle()
            yield Lab(sluice, onprem, cloud, key)
        finally:
            sluice.stop()


def make_key(sluice: Sluice, *options: str) -> str:
    made = sluice.manage("key", "create", "e2e", *options)
    return next(word for word in made.split() if word.startswith("sk-sluice-"))


@pytest.fixture
def lab(batch_server: Lab) -> Iterator[Lab]:
    """Nothing received yet, both servers well."""
    batch_server.onprem.reset()
    batch_server.cloud.reset()
    yield batch_server
    batch_server.onprem.reset()
    batch_server.cloud.reset()
