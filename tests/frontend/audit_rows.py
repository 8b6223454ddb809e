"""Requests of two projects, as the loader would have brought them from a journal."""

import time
from pathlib import Path

from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.records import DecisionRecord, OutcomeRecord
from tests.frontend.conftest import House

CODE_AND_MAIL = {"EMAIL_ADDRESS": 2, "SOURCE_CODE": 1}


def decision(number: int, actor: str, **other: object) -> DecisionRecord:
    values: dict[str, object] = {
        "id": f"dec_{number}",
        "request_id": f"req_{number}",
        "at": time.time() - number,
        "project": "lab",
        "actor": actor,
        "key_prefix": "",
        "channel": "chat",
        "endpoint": "chat.completions",
        "alias": "auto",
        "size_bytes": 512,
        "digest": "0" * 64,
        "sensitivity": "internal",
        "categories": [],
        "classes": {},
        "decision": "allowed",
        "revision": "1" * 64,
        "rules": [],
        "candidates": ["claude", "llama"],
        "dropped": [],
    }
    return DecisionRecord(**(values | other))  # type: ignore[arg-type]


def outcome(number: int, **other: object) -> OutcomeRecord:
    values: dict[str, object] = {
        "id": f"dec_{number}",
        "at": time.time(),
        "status": 200,
        "deployment": "llama",
        "zone": "on_prem",
        "model": "llama-3",
        "attempts": [["llama", "on_prem", "ok"]],
        "prompt_tokens": 7,
        "completion_tokens": 9,
        "duration_ms": 12,
    }
    return OutcomeRecord(**(values | other))  # type: ignore[arg-type]


def load_requests(house: House, directory: Path) -> None:
    """dec_1 stayed; dec_2 left, masked, after llama failed; dec_3 was denied; dec_4 is of another
    project; dec_5 has no outcome."""
    member = f"user:{house.people['member'].pk}"
    cloud = ["claude", "cloud", "ok"]
    records: list[DecisionRecord | OutcomeRecord] = [
        decision(1, member, sensitivity="restricted", categories=["health"], classes={"IBAN": 1}),
        outcome(1),
        decision(
            2,
            member,
            sensitivity="confidential",
            categories=["code", "personal"],
            classes=CODE_AND_MAIL,
            declared="confidential",
            rules=["organisation:health-stays", "project:code-masked"],
            masked=2,
        ),
        outcome(
            2,
            deployment="claude",
            zone="cloud",
            masked=2,
            restored=2,
            attempts=[["llama", "on_prem", "http_500"], cloud],
        ),
        decision(
            3,
            member,
            alias="claude",
            decision="denied",
            reason="policy_denied",
            categories=["secret"],
            candidates=[],
            dropped=[["claude", "cloud", "rule_deny", "organisation:no-secrets"]],
        ),
        outcome(3, status=403, error="policy_denied", deployment="", zone="", attempts=[]),
        decision(4, f"user:{house.people['stranger'].pk}", project="other"),
        outcome(4),
        decision(5, "service_account:00000000-0000-0000-0000-000000000001"),
    ]
    directory.mkdir(exist_ok=True)
    journal = FileJournal(directory)
    for record in records:
        journal.append(record)
    journal.close()
    loader = Loader(directory)
    assert loader.lease.acquire()
    loader.load()
    loader.lease.release()
