"""Names that only a model finds: a classifier in a process of its own, and what its faults do."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import CONFIG, Lab
from tests.e2e.test_masking import _answer

ROOT = Path(__file__).parents[2]
NAME = "Zaphod Beeblebrox"
PLEASE = f"Please answer {NAME} for me."
MODELS = (
    CONFIG.replace("deployments:\n", "deployments:\n{ner}")
    + """
  - slug: named
    name: Named
    floor: internal
    grants: [llama, claude, ner]
    model_recognizers:
      names:
        deployment: ner
        asks: token_classify
        labels: [O, PER, HEALTH]
        finds: [{{data_class: PERSON_NAME, category: personal, labels: [PER]}}]
        timeout_s: 1
    policy:
      kind: project-policy
      rules:
        - {{id: names, when: {{data_class: PERSON_NAME}},
           then: {{mask: [PERSON_NAME], for: {{deployment: claude}}}}}}
"""
)
NER = '  - {{name: ner, base_url: "http://127.0.0.1:{port}/v1", model: tagger, zone: on_prem}}\n'
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Classifying:
    """The lab, a client of the project that asks a classifier, and the classifier."""

    lab: Lab
    client: openai.OpenAI
    port: int
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """As by `kill -9`."""
        with self.process:
            self.process.kill()

    def mode(self, mode: str) -> None:
        _opener.open(f"http://127.0.0.1:{self.port}/mode/{mode}", data=b"", timeout=5).close()

    def received(self) -> list[dict[str, str]]:
        with _opener.open(f"http://127.0.0.1:{self.port}/received", timeout=5) as answer:
            found: list[dict[str, str]] = json.load(answer)
            return found

    def say(self, text: str, model: str = "cloud-first") -> dict[str, str]:
        """Ask, and return the answer's headers."""
        raw = self.client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": text}]
        )
        return {name.lower(): value for name, value in raw.headers.items()}


def classifier(port: int = 0) -> tuple[subprocess.Popen[str], int]:
    """A classifier that knows the parts of NAME, at that port or at any; and its port."""
    words = json.dumps(dict.fromkeys(NAME.split(), "PER"))
    command = [sys.executable, "-m", "tests.support.classifier", "--words", words]
    process = subprocess.Popen(
        [*command, "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.fixture(scope="module")
def started(running_lab: Lab) -> Iterator[Classifying]:
    lab = running_lab
    process, port = classifier()
    made = Classifying(lab, lab.sluice.client("none yet"), port, process)
    try:
        text = MODELS.format(
            onprem=lab.onprem.base_url, cloud=lab.cloud.base_url, ner=NER.format(port=port)
        )
        lab.sluice.apply(text)
        said = lab.sluice.manage("key", "create", "n", "--project", "named", "--service", "n")
        key = next(word for word in said.split() if word.startswith("sk-sluice-"))
        lab.sluice.settle()
        made.client = lab.sluice.client(key)
        yield made
    finally:
        made.stop()


@pytest.fixture
def named(started: Classifying, lab: Lab) -> Iterator[Classifying]:
    lab.cloud.server.answering = _answer
    lab.cloud.server.mode = "answering"
    yield started
    if started.process.poll() is None:
        started.mode("classifying")
    else:
        started.process, _ = classifier(started.port)


def test_a_name_that_the_model_finds_is_masked_and_comes_back(named: Classifying) -> None:
    raw = named.client.chat.completions.with_raw_response.create(
        model="vendor", messages=[{"role": "user", "content": PLEASE}]
    )
    assert raw.headers["x-sluice-zone"] == "cloud"
    assert raw.headers["x-sluice-masked"] == "1"
    assert raw.headers["x-sluice-categories"] == "personal"
    assert raw.parse().choices[0].message.content == PLEASE
    for word in NAME.split():
        assert word.encode() not in named.lab.cloud.everything
    asked = b"".join(bytes(each["path"], "ascii") for each in named.received())
    assert asked.startswith(b"/pooling")


@pytest.mark.parametrize(
    "fault", ["failing", "closed", "garbage", "nonsense", "too_few", "slow_first_byte", "redirect"]
)
def test_a_classifier_with_a_fault_keeps_everything_in_the_house(
    named: Classifying, fault: str
) -> None:
    named.mode(fault)
    headers = named.say(f"{PLEASE} ({fault})")
    assert headers["x-sluice-zone"] == "on_prem"
    assert headers["x-sluice-sensitivity"] == "restricted"
    assert named.lab.cloud.received == []
    with pytest.raises(openai.PermissionDeniedError):
        named.say(f"harmless ({fault})", model="vendor")
    assert named.lab.cloud.received == []


def test_the_record_names_who_was_shown_it_and_nothing_of_what_it_said(
    named: Classifying,
) -> None:
    text = f"{NAME} was here"
    headers = named.say(text)
    found = named.lab.sluice.manage("audit", "export")
    (line,) = [each for each in found.splitlines() if headers["x-sluice-decision"] in each]
    assert '"scans":[["names","ner","ok"]' in line.replace(" ", "")
    var = named.lab.sluice.var
    for path in [*var.glob("journal/**/*"), *var.glob("*.log"), *var.glob("*.sqlite3*")]:
        if path.is_file():
            data = path.read_bytes()
            for word in NAME.split():
                assert word.encode() not in data, path


def test_a_project_that_asks_no_model_shows_it_nothing(named: Classifying) -> None:
    before = len(named.received())
    named.lab.client.chat.completions.create(
        model="vendor", messages=[{"role": "user", "content": "a text of another project"}]
    )
    assert len(named.received()) == before


def test_a_classifier_that_died_keeps_everything_in_the_house(named: Classifying) -> None:
    named.stop()
    assert named.say("somebody else")["x-sluice-zone"] == "on_prem"
    assert named.lab.cloud.received == []
