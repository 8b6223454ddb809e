"""Model recognizers on real vLLM: `/classify`, `/pooling` with `/tokenize`, and a chat model.

The two small BERTs were trained on a few words for some seconds (`make_models.py`), so what they
find is known. The chat model's weights are random: held to the schema it names something, and what
it names is no part of the text, which counts for the whole of it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import openai
import pytest

from tests.conftest import require
from tests.e2e.test_masking import _answer
from tests.live.model_server import MODELS, START_S, ModelServer, installed
from tests.support.ports import free_port
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

pytestmark = pytest.mark.live

CONFIG = """
deployments:
  - {{name: tagger, base_url: "{tagger}", model: tiny-tagger, zone: on_prem}}
  - {{name: classifier, base_url: "{classifier}", model: tiny-classifier, zone: on_prem}}
  - {{name: chat, base_url: "{chat}", model: tiny-llama, zone: on_prem}}
  - {{name: vendor, base_url: "{cloud}", model: vendor-large, zone: cloud, vendor: acme,
     clearance: {{sensitivity: internal}}, options: {{allow_private: "yes"}}}}
aliases:
  - {{name: vendor, deployments: [vendor]}}
projects:
  - slug: tagged
    floor: internal
    grants: [tagger, vendor]
    model_recognizers:
      names:
        deployment: tagger
        asks: token_classify
        labels: [O, PER]
        finds: [{{data_class: PERSON_NAME, category: personal, labels: [PER]}}]
        window: 200
        overlap: 40
        timeout_s: 25
    policy:
      kind: project-policy
      rules:
        - {{id: m, then: {{mask: [PERSON_NAME], for: {{deployment: vendor}}}}}}
  - slug: classified
    floor: internal
    grants: [classifier, vendor]
    model_recognizers:
      illness:
        deployment: classifier
        asks: classify
        labels: [OTHER, HEALTH]
        finds: [{{data_class: ILLNESS, category: health, labels: [HEALTH]}}]
        window: 200
        overlap: 40
        timeout_s: 25
  - slug: chatted
    floor: internal
    grants: [chat, vendor]
    model_recognizers:
      anything:
        deployment: chat
        asks: chat
        finds: [{{data_class: ANYTHING, category: legal, what: anything}}]
        timeout_s: 25
"""


@dataclass(frozen=True)
class Asked:
    sluice: Sluice
    cloud: Upstream

    def client(self, project: str) -> openai.OpenAI:
        name = f"{project}-live"
        made = self.sluice.manage("key", "create", name, "--project", project, "--service", name)
        key = next(word for word in made.split() if word.startswith("sk-sluice-"))
        self.sluice.settle()
        return self.sluice.client(key, timeout=180)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModelServer]]:
    require(installed() and (MODELS / "tagger").exists(), "vLLM (.ci/install-live)")
    folder: Path = tmp_path_factory.mktemp("vllm-models")
    found: dict[str, ModelServer] = {}
    try:
        for name in ("tagger", "classifier", "llama"):
            found[name] = ModelServer(name=name, model=name, port=free_port(), folder=folder)
            found[name].start()
        until = monotonic() + START_S
        for server in found.values():
            server.wait_ready(until=until)
        yield found
    finally:
        for server in found.values():
            server.kill()


@pytest.fixture(scope="module")
def asked(servers: dict[str, ModelServer], sluice_server: Sluice) -> Iterator[Asked]:
    with Upstream("answering") as cloud:
        cloud.server.answering = _answer
        sluice_server.apply(
            CONFIG.format(
                tagger=servers["tagger"].base_url,
                classifier=servers["classifier"].base_url,
                chat=servers["llama"].base_url,
                cloud=cloud.base_url,
            )
        )
        yield Asked(sluice_server, cloud)


def say(client: openai.OpenAI, text: str) -> tuple[dict[str, str], str]:
    raw = client.chat.completions.with_raw_response.create(
        model="vendor", messages=[{"role": "user", "content": text}]
    )
    headers = {name.lower(): value for name, value in raw.headers.items()}
    return headers, raw.parse().choices[0].message.content or ""


def test_names_are_found_in_their_places_masked_and_put_back(asked: Asked) -> None:
    client = asked.client("tagged")
    text = "Tuesday, Jane Roe crosses the river. Zaphod returns from abroad."
    headers, answer = say(client, text)
    assert (headers["x-sluice-zone"], headers["x-sluice-masked"]) == ("cloud", "2")
    assert answer == text
    sent = json.loads(asked.cloud.received[-1].body)["messages"][-1]["content"]
    assert "Jane" not in sent
    assert "Zaphod" not in sent
    assert sent.startswith("Tuesday, X")
    assert " crosses the river. X" in sent
    assert sent.endswith(" returns from abroad.")


def test_a_long_text_is_asked_in_windows(asked: Asked) -> None:
    client = asked.client("tagged")
    ordinary = "The river rises in the hills and crosses the plain before it meets the sea. " * 6
    text = f"{ordinary}Eve Adams {ordinary}"
    headers, answer = say(client, text)
    assert headers["x-sluice-masked"] == "1"
    assert answer == text
    assert b"Adams" not in asked.cloud.received[-1].body


def test_a_text_without_a_name_goes_as_it_is(asked: Asked) -> None:
    text = "Twelve parcels arrived on Tuesday, three of them from abroad."
    headers, _ = say(asked.client("tagged"), text)
    assert (headers["x-sluice-masked"], headers["x-sluice-sensitivity"]) == ("0", "internal")


def test_a_text_that_the_classifier_takes_for_health_does_not_leave(asked: Asked) -> None:
    client = asked.client("classified")
    assert (
        say(client, "Twelve parcels arrived on Tuesday, three of them from abroad.")[0][
            "x-sluice-sensitivity"
        ]
        == "internal"
    )
    before = len(asked.cloud.received)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        say(client, "Twelve parcels arrived, measles, fever of them from abroad.")
    assert refused.value.response.headers["x-sluice-categories"] == "health"
    assert len(asked.cloud.received) == before


def test_a_chat_model_is_held_to_the_schema(asked: Asked) -> None:
    """Random weights: whether it ends in time is chance. Either way nothing leaves unjudged."""
    before = len(asked.cloud.received)
    decision = ""
    try:
        headers, _ = say(asked.client("chatted"), "The river meets the sea.")
        decision = headers["x-sluice-decision"]
    except openai.PermissionDeniedError as refused:
        assert len(asked.cloud.received) == before
        decision = refused.response.headers["x-sluice-decision"]
    found = asked.sluice.manage("audit", "export")
    (line,) = [each for each in found.splitlines() if decision in each]
    assert '"scans":[["anything","chat","' in line.replace(" ", "")
