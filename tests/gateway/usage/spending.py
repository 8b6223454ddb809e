"""A process that spends one key's requests with many tasks and reports what it was granted.

Run as `python spending.py URL SUBJECT LIMIT TASKS REQUESTS`: waits for a line on standard input,
lets every task ask REQUESTS times, then prints JSON: granted per window, refused, and what its
lease still held at the end.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from gateway.inference.contracts import Principal, Refusal
from gateway.inference.limits import NO_LIMITS, Ask
from gateway.usage.gate import LeaseGate


async def spend(url: str, principal: Principal, *, tasks: int, requests: int) -> dict[str, object]:
    gate = LeaseGate(url)
    granted: Counter[int] = Counter()
    refused = 0

    async def ask() -> None:
        nonlocal refused
        for _ in range(requests):
            wish = Ask(principal=principal, limits=NO_LIMITS, tokens=1)
            answer = gate.reserve(wish) or await gate.renew(wish)
            if isinstance(answer, Refusal):
                refused += 1
            else:
                granted[getattr(answer, "window")] += 1  # noqa: B009 - not in the protocol
                answer.settle(tokens=2, cost_nano=0)
            await asyncio.sleep(0)

    await asyncio.gather(*(ask() for _ in range(tasks)))
    return {"granted": granted, "refused": refused, "held": gate.minutes.held()}


def main() -> None:
    url, subject, limit, tasks, requests = sys.argv[1:]
    principal = Principal(
        actor="user:1", project="p", key_id=subject, requests_per_minute=int(limit)
    )
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    spent = spend(url, principal, tasks=int(tasks), requests=int(requests))
    print(json.dumps(asyncio.run(spent)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
