"""A policy published under load: every request meets one revision, and soon the new one."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import Lab

pytestmark = pytest.mark.slow


def document(floor: str, tag: str) -> dict[str, object]:
    """A policy that can be told by its answers: the label that they carry, and its rules."""
    return {
        "kind": "project-policy",
        "project": "lab",
        "floor": floor,
        "rules": [
            {"id": f"{tag}-first", "then": {"prefer": ["claude"]}},
            {"id": f"{tag}-asked", "when": {"alias": "house-first"}, "then": {"prefer": ["llama"]}},
        ],
    }


POLICIES = {"a": document("internal", "a"), "b": document("confidential", "b")}
# Who answers is no part of it: on a busy machine a request falls back. But of what is confidential
# nothing may reach claude, whatever the other revision prefers.
EXPECTED = {
    ("internal", "project:a-first, project:a-asked"),
    ("confidential", "project:b-first, project:b-asked"),
}


class Load:
    """Requests one after another until it is told to stop. `seen`: labels and rules."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self.seen: list[tuple[str, str]] = []
        self.leaked = 0

    def run(self) -> None:
        client = self._lab.client
        while not self._stop.is_set():
            try:
                raw = client.chat.completions.with_raw_response.create(
                    model="house-first", messages=[{"role": "user", "content": "hello"}]
                )
            except openai.InternalServerError as error:
                headers = error.response.headers  # decided, and nothing answered in time
            else:
                headers = raw.headers
            sensitivity = headers["x-sluice-sensitivity"]
            self.seen.append((sensitivity, headers["x-sluice-rules"]))
            if sensitivity == "confidential" and headers.get("x-sluice-deployment") == "claude":
                self.leaked += 1

    def sees(self, sensitivity: str) -> bool:
        return bool(self.seen) and self.seen[-1][0] == sensitivity

    def stop(self) -> None:
        self._stop.set()


def test_every_request_meets_one_revision_and_soon_the_new_one(lab: Lab, tmp_path: Path) -> None:
    before = lab.sluice.manage("policy", "show", "--project", "lab", "--json")
    load = Load(lab)
    tick = threading.Event()
    running: list[Future[None]] = []

    def until(holds: Callable[[], bool]) -> None:
        for _ in range(1200):
            if holds():
                return
            for each in running:
                if each.done():
                    each.result()  # why it ended
            tick.wait(0.05)
        pytest.fail(f"it never came true: {load.seen[-3:]}")

    def publish(text: str) -> None:
        path = tmp_path / "policy.json"
        path.write_text(text)
        lab.sluice.manage("policy", "publish", str(path), "--project", "lab")

    try:
        publish(json.dumps(POLICIES["a"]))
        lab.sluice.settle()
        with ThreadPoolExecutor(3) as threads:
            running += [threads.submit(load.run) for _ in range(3)]
            try:
                for tag, label in (("b", "confidential"), ("a", "internal"), ("b", "confidential")):
                    publish(json.dumps(POLICIES[tag]))
                    until(partial(load.sees, label))
            finally:
                load.stop()
        for each in running:
            each.result()
        # Never a rule of one revision with a label of the other.
        assert set(load.seen) == EXPECTED
        assert load.leaked == 0
    finally:
        publish(before)
        lab.sluice.settle()
