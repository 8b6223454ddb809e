"""Takes each semantic rule out of the code and shows that its cases notice.

Run: `python -m tests.policies.engine.mutate`. A mutation is a named edit of the source, made in a
copy of the tree; the rule's own cases run there, and at least two of them must fail. Exits with 1
when fewer do, when an edit does not fit the source any more, or when the cases fail unmutated.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PARTS = ("bench", "frontend", "gateway", "policies", "tests")
SUITES = ("tests/policies/engine/test_cases.py", "tests/policies/engine/test_semantics.py")
AT_LEAST = 2
_FAILED = re.compile(r"^FAILED .*\[(rule\d+_\w+: .*?)\](?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutation:
    """`old` stands once in `file`, and becomes `new`."""

    rule: int
    name: str
    file: str
    old: str
    new: str

    def applied(self, source: str) -> str:
        """The source without the rule. Raises ValueError when the edit does not fit it."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.file}: the edit “{self.name}” fits {source.count(self.old)}x")
        return source.replace(self.old, self.new)


_DECIDE = "policies/engine/decide.py"
_JUDGE = "policies/engine/judge.py"
_LABELS = "policies/engine/labels.py"
_LABEL = "gateway/inference/label.py"
MUTATIONS = (
    Mutation(
        1,
        "a category does not raise the sensitivity",
        _LABELS,
        "sensitivity = max(sensitivity, minimum)",
        "sensitivity = max(sensitivity, Sensitivity.PUBLIC)",
    ),
    Mutation(
        1,
        "the categories of a join are those of its last label",
        _LABELS,
        "categories = categories | label.categories if categories else label.categories",
        "categories = label.categories",
    ),
    Mutation(
        1,
        "what is declared is not joined",
        _LABEL,
        "        lasting.append(stated)\n",
        "",
    ),
    Mutation(
        2,
        "everyone is cleared for every sensitivity",
        _JUDGE,
        "return label.sensitivity <= clearance.sensitivity and (",
        "return (",
    ),
    Mutation(
        2,
        "everyone is cleared for every category",
        _JUDGE,
        "clearance.categories is None or label.categories <= clearance.categories",
        "True",
    ),
    Mutation(
        2,
        "evidence never expires",
        _JUDGE,
        "self._facts.now.date() > target.valid_until",
        "False",
    ),
    Mutation(
        3,
        "every deployment of the alias serves",
        _DECIDE,
        "if target.enabled and endpoint in target.endpoints and modalities <= target.modalities:",
        "if True:",
    ),
    Mutation(
        3,
        "grants do not matter",
        "policies/engine/compile.py",
        "name in grants",
        "True",
    ),
    Mutation(
        4,
        "of each kind only the first matching rule applies",
        _DECIDE,
        "            matches.by_kind[rule.kind].append(rule)\n",
        "            if not matches.by_kind[rule.kind]:\n"
        "                matches.by_kind[rule.kind].append(rule)\n",
    ),
    Mutation(
        4,
        "conditions are not asked",
        _DECIDE,
        "if test is not None and not test(facts, label):",
        "if test is not None and not (test(facts, label) or True):",
    ),
    Mutation(4, "preferences are ignored", _DECIDE, "order.sort(key=rule.rank)", "pass"),
    Mutation(
        4,
        "shadow rules have an effect",
        _DECIDE,
        "        if rule.shadow:\n            matches.shadow",
        "        if False:\n            matches.shadow",
    ),
    Mutation(
        4,
        "what was not found is not there, searched or not",
        "policies/engine/conditions.py",
        "return (possible if facts.unread else exact)(facts, label)",
        "return exact(facts, label)",
    ),
    Mutation(
        5,
        "a masked candidate gets the raw bytes",
        _JUDGE,
        "        if not chosen:\n            return None\n",
        "        return None\n",
    ),
    Mutation(
        5,
        "what masking leaves is not judged",
        _JUDGE,
        "if self._masking_available and is_cleared(masking.label, clearance):",
        "if self._masking_available:",
    ),
    Mutation(
        5,
        "what could not be searched goes where it should be masked",
        _JUDGE,
        "if masking is not None and self._facts.unread:",
        "if masking is not None and False:",
    ),
    Mutation(
        6,
        "opaque content is as clean as it looks",
        _LABEL,
        "    if opaque:\n        lasting.append(taxonomy.worst)\n",
        "",
    ),
    Mutation(
        7,
        "only the last text of a conversation is labelled",
        _LABEL,
        "view.analyser.analyse(walked.texts)",
        "view.analyser.analyse(walked.texts[-1:])",
    ),
    Mutation(
        7,
        "what stored things pass on is forgotten",
        _LABEL,
        "    lasting = [principal.floor, inherited]\n",
        "    lasting = [principal.floor]\n",
    ),
    Mutation(
        8,
        "nothing is suspended",
        _DECIDE,
        "elif facts.suspended and rule.key in facts.suspended:",
        "elif False:",
    ),
    Mutation(
        8,
        "exceptions have no end",
        "policies/engine/suspensions.py",
        "now < self.until",
        "True",
    ),
    Mutation(
        9,
        "a permit is good for a day",
        "policies/engine/permit.py",
        "LIFETIME = timedelta(seconds=30)",
        "LIFETIME = timedelta(days=1)",
    ),
    Mutation(
        9,
        "what is dropped is sent to as well",
        _DECIDE,
        "        else:\n            dropped.append(verdict)\n    order",
        "        else:\n"
        "            dropped.append(verdict)\n"
        "            candidates[target.bit] = Candidate(target.name, target.zone)\n"
        "    order",
    ),
    Mutation(
        10,
        "what no model judged is as clean as it looks",
        "gateway/inference/hearing.py",
        "opaque |= {UNHEARD}",
        "pass",
    ),
    Mutation(
        10,
        "what a model says is not heard",
        "gateway/inference/hearing.py",
        "for span in spans\n",
        "for span in spans[:0]\n",
    ),
    Mutation(
        10,
        "a classifier may be anywhere",
        "policies/engine/scanning.py",
        "if facts.zone is not Zone.ON_PREM:",
        "if False:",
    ),
    Mutation(
        10,
        "a classifier need not be cleared",
        "policies/engine/scanning.py",
        "if not is_cleared(worst, clearance):",
        "if False:",
    ),
    Mutation(
        10,
        "what masking left is shown to no model",
        "gateway/inference/asking.py",
        "        decided = again(decided.hearing)\n",
        "        decided = again(decided.hearing)\n        break\n",
    ),
    Mutation(
        11,
        "a rule that fails is skipped",
        _DECIDE,
        "                return rule\n",
        "                continue\n",
    ),
    Mutation(
        11,
        "what is preferred is a candidate",
        _DECIDE,
        "    outcome = Outcome.ALLOWED if candidates else Outcome.DENIED\n",
        "    if matches.rules:\n"
        "        for each in serving:\n"
        "            if each.bit not in candidates:\n"
        "                candidates[each.bit] = Candidate(each.name, each.zone)\n"
        "                order.append(each.bit)\n"
        "    outcome = Outcome.ALLOWED if candidates else Outcome.DENIED\n",
    ),
)


def copy_tree(to: Path) -> None:
    """What the cases need, without caches."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules", "screenshots")
    for part in PARTS:
        shutil.copytree(ROOT / part, to / part, ignore=ignored)
    for name in ("manage.py", "pyproject.toml"):
        shutil.copy(ROOT / name, to / name)


def failing(tree: Path, rule: int | None) -> list[str]:
    """The cases that fail in this tree: those of one rule, or all. Raises RuntimeError when
    they cannot be run at all."""
    chosen = ["-k", f"rule{rule}_"] if rule is not None else []
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rf", *chosen, *SUITES]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-p", "no:randomly"],
        cwd=tree,
        env={**os.environ, "SLUICE_VAR": str(tree / "var"), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}")
    found = _FAILED.findall(done.stdout)
    if done.returncode == 1 and not found:
        raise RuntimeError(f"something else than a case failed:\n{done.stdout[-2000:]}")
    return found


def show(mutations: Sequence[Mutation] = MUTATIONS) -> int:
    """Run them all and print a line for each; the number of those that go unnoticed."""
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="sluice-mutate-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        if broken := failing(tree, None):
            sys.stdout.write(f"cases fail already: {', '.join(broken)}\n")
            return len(mutations)
        for number, mutation in enumerate(mutations, start=1):
            file = tree / mutation.file
            source = file.read_text(encoding="utf-8")
            _write(file, mutation.applied(source), number * 10)
            found = failing(tree, mutation.rule)
            _write(file, source, number * 10 + 5)
            noticed = len(found) >= AT_LEAST
            unnoticed += not noticed
            sys.stdout.write(
                f"{'ok ' if noticed else 'BAD'} rule {mutation.rule:2}: {mutation.name}: "
                f"{len(found)} cases fail\n"
            )
            sys.stdout.flush()
    return unnoticed


def _write(file: Path, source: str, second: int) -> None:
    """With a time of its own, so that no compiled module of another state is taken for it."""
    file.write_text(source, encoding="utf-8")
    os.utime(file, (1_700_000_000 + second, 1_700_000_000 + second))


if __name__ == "__main__":
    sys.exit(1 if show() else 0)
