"""Takes a lock out of the code and shows that the random search notices.

Run: `python -m tests.gateway.inference.search.mutate`. Each mutation edits a copy of the tree, and
the search must find something forbidden there. Exits with 1 when it does not, or when an edit no
longer fits the source.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.policies.engine.mutate import Mutation, copy_tree

CASES = 2400
_MODULE = "tests.gateway.inference.search"
_JUDGE = "policies/engine/judge.py"
_ATTEMPTS = "gateway/inference/attempts.py"
_MASKING = "gateway/inference/masking.py"


@dataclass(frozen=True, slots=True)
class Lock:
    """What is taken out: one or several edits, for where there are two locks on one door."""

    name: str
    edits: tuple[Mutation, ...]


def _edit(file: str, old: str, new: str) -> Mutation:
    return Mutation(0, "lock", file, old, new)


LOCKS = (
    Lock(
        "the clearance check",
        (
            _edit(
                _JUDGE,
                "return label.sensitivity <= clearance.sensitivity and (",
                "return True or (",
            ),
        ),
    ),
    Lock(
        "masking's second scan",
        (
            _edit(
                _MASKING,
                "label = self._label(scan(after, self._view), masking)",
                "label = Label()",
            ),
        ),
    ),
    Lock(
        "fallbacks only within the permit, and the adapter's check of it",
        (
            _edit(
                _ATTEMPTS,
                "            decided.permit.candidates,\n",
                "            [\n"
                "                *decided.permit.candidates,\n"
                "                *(\n"
                "                    Candidate(name, each.zone)\n"
                "                    for name, each in decided.snapshot.destinations.items()\n"
                "                ),\n"
                "            ],\n",
            ),
            _edit(
                "gateway/providers/permit_check.py",
                "    permit, destination = call.permit, call.destination\n",
                "    return\n    permit, destination = call.permit, call.destination\n",
            ),
        ),
    ),
    Lock(
        "b_d instead of the bytes as they came",
        (
            _edit(
                "gateway/inference/exchange.py",
                "if not (candidate.masked or candidate.mask or candidate.modes):",
                "if candidate:",
            ),
        ),
    ),
    Lock(
        "what cannot be searched is not sent where it should be masked",
        (
            _edit(
                _JUDGE,
                "if masking is not None and self._facts.unread:",
                "if masking is not None and False:",
            ),
        ),
    ),
    Lock(
        "what stored things pass on",
        (
            _edit(
                "gateway/inference/label.py",
                "    lasting = [principal.floor, inherited]\n",
                "    lasting = [principal.floor]\n",
            ),
        ),
    ),
    Lock(
        "the switch that stops what leaves on_prem, looked at again before each attempt",
        (
            _edit(
                _ATTEMPTS,
                "if candidate.zone is not Zone.ON_PREM and current.egress_stopped:",
                "if False:",
            ),
        ),
    ),
    Lock(
        "the journal before the first byte",
        (
            _edit(
                "gateway/inference/trace.py",
                "            self._journal.append(record)\n        except JournalUnavailable as",
                "            pass\n        except JournalUnavailable as",
            ),
        ),
    ),
    Lock(
        "the list of fields that may leave the house",
        (_edit("gateway/protocol/forwarding.py", "if zone is Zone.ON_PREM:", "if zone:"),),
    ),
)


def noticed(lock: Lock, *, cases: int = CASES) -> list[str]:
    """What the search finds without the lock; empty: nothing. Raises ValueError for an edit that
    does not fit, RuntimeError when the search cannot be run."""
    with tempfile.TemporaryDirectory(prefix="sluice-mutate-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        for edit in lock.edits:
            file = tree / edit.file
            file.write_text(edit.applied(file.read_text(encoding="utf-8")), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", _MODULE, "--cases", str(cases)],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
    found = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    if done.returncode not in {0, 1} or (done.returncode == 1 and not found):
        raise RuntimeError(f"the search ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return found


def show(locks: Sequence[Lock] = LOCKS) -> int:
    """Run them all and print a line for each; the number of those that go unnoticed."""
    unnoticed = 0
    for lock in locks:
        found = noticed(lock)
        unnoticed += not found
        sys.stdout.write(f"{'ok ' if found else 'BAD'} without {lock.name}: {len(found)} wrong\n")
        sys.stdout.flush()
    return unnoticed


if __name__ == "__main__":
    sys.exit(1 if show() else 0)
