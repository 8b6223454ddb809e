"""A project with one recording on-prem server and one recording cloud server."""

from collections.abc import Iterator
from dataclasses import dataclass

import openai
import pytest

from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

CONFIG = """
deployments:
  - {{name: llama, provider: openai_compatible, base_url: "{onprem}", model: tiny-llama,
     zone: on_prem, endpoints: [chat.completions, completions, embeddings],
     modalities: [text, image], timeouts: {{first_byte_s: 3.0, idle_s: 3.0}}, enabled: true}}
  - {{name: claude, provider: openai_compatible, base_url: "{cloud}", model: vendor-large,
     zone: cloud, clearance: {{sensitivity: internal, categories: [code]}}, vendor: acme,
     endpoints: [chat.completions, completions, embeddings], modalities: [text, image],
     options: {{allow_private: "yes"}}, enabled: true}}
aliases:
  - {{name: private, deployments: [llama]}}
  - {{name: vendor, deployments: [claude]}}
  - {{name: cloud-first, deployments: [claude, llama]}}
  - {{name: house-first, deployments: [llama, claude]}}
projects:
  - slug: lab
    name: Lab
    floor: internal
    grants: [llama, claude]
    policy:
      kind: project-policy
      project: lab
      rules:
        - {{id: health-stays, when: {{category: health}}, then: {{allow_only: {{zone: on_prem}}}}}}
"""


@dataclass
class Lab:
    """The project `lab` of a running Sluice, its two upstreams and a key."""

    sluice: Sluice
    onprem: Upstream
    cloud: Upstream
    api_key: str

    @property
    def client(self) -> openai.OpenAI:
        return self.sluice.client(self.api_key)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        return self.sluice.post(path, body, key=self.api_key)


@pytest.fixture(scope="session")
def running_lab(sluice_server: Sluice) -> Iterator[Lab]:
    with Upstream() as onprem, Upstream() as cloud:
        sluice_server.apply(CONFIG.format(onprem=onprem.base_url, cloud=cloud.base_url))
        made = sluice_server.manage("key", "create", "e2e", "--project", "lab", "--service", "e2e")
        key = next(word for word in made.split() if word.startswith("sk-sluice-"))
        sluice_server.settle()
        yield Lab(sluice_server, onprem, cloud, key)


@pytest.fixture
def lab(running_lab: Lab) -> Iterator[Lab]:
    """The lab with nothing received yet and both upstreams well."""
    running_lab.onprem.reset()
    running_lab.cloud.reset()
    yield running_lab
    running_lab.onprem.reset()
    running_lab.cloud.reset()
