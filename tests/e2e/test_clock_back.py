"""The clock is set back by an hour, across midnight: as docs/operations.md says, and said aloud."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from tests.conftest import require
from tests.e2e.billing import PRICE, answer
from tests.e2e.conftest import CONFIG
from tests.support import servers
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

pytestmark = pytest.mark.slow
LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
PATH = "/v1/chat/completions"


def body(model: str) -> bytes:
    messages = [{"role": "user", "content": "hello"}]
    return json.dumps({"model": model, "messages": messages, "max_tokens": 30}).encode()


class Clock:
    """The clock of every process of an installation but its store, whose allocator and this library
    do not get along."""

    def __init__(self, place: Path) -> None:
        self._file = place / "clock"
        self._programs = place / "programs"
        self._programs.mkdir()
        store = servers.redis_program()
        for name in ("valkey-server", "redis-server"):
            program = self._programs / name
            program.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec {store} "$@"\n')
            program.chmod(0o755)
        now = datetime.now(UTC)
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        self.offset = midnight + timedelta(minutes=10) - now
        self.set_back(timedelta())

    def set_back(self, by: timedelta) -> None:
        self.offset -= by
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self.offset.total_seconds():+.0f}")
        fresh.rename(self._file)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    require(LIBRARY is not None, "faketime")
    require(servers.redis_program() is not None, "Redis")
    return Clock(tmp_path)


@pytest.fixture
def sluice(tmp_path: Path, clock: Clock) -> Iterator[Sluice]:
    server = Sluice(
        tmp_path / "var", env=clock.environment(), demo=False, worker=True, embedded=True
    )
    try:
        yield server.start()
    finally:
        server.stop()


def test_an_hour_back_revives_nothing_and_is_said(sluice: Sluice, clock: Clock) -> None:
    yesterday = (clock.now() - timedelta(days=1)).date()
    config = (
        CONFIG.replace(
            "vendor: acme,",
            f"vendor: acme, price: {{{PRICE}}}, "
            f"evidence: [{{{{kind: contract, reference: c-1, valid_until: {yesterday}}}}}],",
        )
        .replace(
            "    grants: [llama, claude]\n",
            "    grants: [llama, claude, paid]\n"
            "    budgets: [{{name: daily, amount_usd: 0.2, period: day, hard: true}}]\n",
        )
        .replace(
            "aliases:\n",
            '  - {{name: paid, provider: openai_compatible, base_url: "{cloud}", model: large,\n'
            "     zone: cloud, clearance: {{sensitivity: internal, categories: []}},\n"
            f'     price: {{{PRICE}}}, options: {{{{allow_private: "yes"}}}}, enabled: true}}}}\n'
            "aliases:\n  - {{name: paid, deployments: [paid]}}\n",
            1,
        )
    )
    with Upstream() as onprem, Upstream("answering") as cloud:
        cloud.server.answering = answer
        sluice.apply(config.format(onprem=onprem.base_url, cloud=cloud.base_url))
        lasting = new_key(sluice, "lasting")
        expires = clock.now() + timedelta(seconds=20)
        short = new_key(sluice, "short", "--expires", f"{expires:%Y-%m-%dT%H:%M:%SZ}")
        sluice.wait_for(lambda: sluice.post(PATH, body("private"), key=lasting)[0] == 200, "served")
        # What ends: the evidence at midnight, the key in some seconds, the day's money by requests.
        assert fault(sluice, "vendor", lasting) == (403, "policy_denied")
        sluice.wait_for(lambda: models(sluice, short) == 401, "a key that expired refused")
        assert sluice.post(PATH, body("private"), key=short)[0] == 401
        while fault(sluice, "paid", lasting)[0] == 200:
            pass
        assert fault(sluice, "paid", lasting) == (429, "budget_exceeded")
        heads = sluice.rows("select count(*) from audit_signedhead")[0][0]

        clock.set_back(timedelta(hours=1))
        Event().wait(2.5)  # libfaketime looks once a second
        for restarted in (False, True):
            if restarted:
                sluice.stop()
                sluice.start()
            assert fault(sluice, "vendor", lasting) == (403, "policy_denied")
            assert fault(sluice, "paid", lasting) == (429, "budget_exceeded")
            assert sluice.post(PATH, body("private"), key=short)[0] == 401
            assert models(sluice, short) == 401
            assert sluice.post(PATH, body("private"), key=lasting)[0] == 200
        # Heads are signed as before; not an hour later.
        sluice.wait_for(
            lambda: sluice.rows("select count(*) from audit_signedhead")[0][0] > heads, "a new head"
        )

    answered = "select count(*) from audit_requestrecord where status = 200"
    sluice.wait_for(lambda: sluice.rows(answered)[0][0] > 3, "loaded")
    times = [at for (at,) in sluice.rows("select at from audit_requestrecord order by id")]
    assert times == sorted(times)
    new_key(sluice, "later")  # a change, dated by the clock there is
    said = sluice.manage("audit", "verify")
    assert "chains verified" in said
    assert "back-dated" in said
    assert "back-dated" in sluice.manage("audit", "verify", "--strict", check=False)
    said = sluice.manage("doctor", "clock", check=False)
    assert "it was set back" in said


def new_key(sluice: Sluice, name: str, *options: str) -> str:
    made = sluice.manage("key", "create", name, "--project", "lab", "--service", name, *options)
    return next(word for word in made.split() if word.startswith("sk-sluice-"))


def models(sluice: Sluice, key: str) -> int:
    return sluice.request("GET", "/v1/models", Authorization=f"Bearer {key}")[0]


def fault(sluice: Sluice, model: str, key: str) -> tuple[int, str]:
    """The status of a request, and the code of its error."""
    status, text = sluice.post(PATH, body(model), key=key)
    return status, "" if status == 200 else json.loads(text)["error"]["code"]
