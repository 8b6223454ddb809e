"""A process that fills a journal as fast as it can and reports what was acknowledged.

Run as `python writing.py DIRECTORY SEGMENT_BYTES COUNT`; COUNT 0 means until killed. Prints the
seq after every acknowledged record; each odd one is a decision, each even one its outcome.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from gateway.audit.journal import FileJournal
from gateway.audit.records import DecisionRecord, OutcomeRecord


def decision(
    number: int, *, project: str = "research", at: float = 1_750_000_000.5
) -> DecisionRecord:
    return DecisionRecord(
        id=f"d-{os.getpid()}-{number}",
        request_id=f"r-{number}",
        at=at,
        project=project,
        actor="user:1",
        key_prefix="sk-abc",
        endpoint="chat.completions",
        alias="auto",
        size_bytes=512,
        digest="0" * 64,
        sensitivity="confidential",
        categories=["personal"],
        classes={"IBAN": 1},
        decision="allowed",
        revision="1" * 64,
        rules=["organisation:health-stays"],
        candidates=["llama"],
        dropped=[["claude", "cloud", "clearance", ""]],
    )


def outcome(number: int, *, at: float = 1_750_000_001.25) -> OutcomeRecord:
    return OutcomeRecord(
        id=f"d-{os.getpid()}-{number}",
        at=at,
        status=200,
        deployment="llama",
        zone="on_prem",
        model="llama-3",
        attempts=[["llama", "on_prem", "ok"]],
        prompt_tokens=7,
        completion_tokens=9,
        duration_ms=12,
    )


def main() -> None:
    directory, segment_bytes, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    journal = FileJournal(directory, segment_bytes=segment_bytes)
    os.write(1, f"{journal.writer.id}\n".encode())
    number = 0
    while number < count or not count:
        number += 1
        journal.append(decision(number))
        os.write(1, b"%d\n" % (2 * number - 1))
        journal.append(outcome(number))
        os.write(1, b"%d\n" % (2 * number))
    journal.close()


if __name__ == "__main__":
    main()
