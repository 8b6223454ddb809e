"""A policy published under load: every request meets one revision, and soon the new one."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab

pytestmark = pytest.mark.slow


def document(first: str, tag: str) -> dict[str, object]:
    """A policy that can be told by its answers: where they came from, and its rules' names."""
    return {
        "kind": "project-policy",
        "project": "lab",
        "rules": [
            {"id": f"{tag}-first", "then": {"prefer": [first]}},
            {
                "id": f"{tag}-public",
                "when": {"sensitivity": {"at_most": "restricted"}},
                "then": {"allow_only": {"zone": ["on_prem", "cloud"]}},
            },
        ],
    }


POLICIES = {"a": document("llama", "a"), "b": document("claude", "b")}
EXPECTED = {
    ("llama", "project:a-first, project:a-public"),
    ("claude", "project:b-first, project:b-public"),
}


class Load:
    """Requests one after another until it is told to stop. `seen`: who answered, by which rules."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self.seen: list[tuple[str, str]] = []

    def run(self) -> None:
        client = self._lab.client
        while not self._stop.is_set():
            raw = client.chat.completions.with_raw_response.create(
                model="house-first", messages=[{"role": "user", "content": "hello"}]
            )
            headers = raw.headers
            self.seen.append((headers["x-sluice-deployment"], headers["x-sluice-rules"]))

    def sees(self, deployment: str) -> bool:
        return bool(self.seen) and self.seen[-1][0] == deployment

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
                for tag, deployment in (("b", "claude"), ("a", "llama"), ("b", "claude")):
                    publish(json.dumps(POLICIES[tag]))
                    until(partial(load.sees, deployment))
            finally:
                load.stop()
        for each in running:
            each.result()
        # Never a rule of one revision with a destination of the other.
        assert set(load.seen) == EXPECTED
    finally:
        publish(before)
        lab.sluice.settle()
