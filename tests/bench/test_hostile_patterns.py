"""Which checks of hostile patterns count as too slow, and what the command then answers."""

from collections.abc import Iterator

import pytest

from bench import hostile_patterns
from bench.hostile_patterns import LIMIT_MS, main, slow_checks


def test_what_is_slow_once_is_measured_again_and_its_best_counts() -> None:
    spent = {"busy": iter((LIMIT_MS + 50, LIMIT_MS + 1, 3)), "slow": iter((300, 200, 250))}

    def measure(source: str, *, ignore_case: bool) -> float:
        return next(spent[source]) if source in spent else 2

    times, over = slow_checks(((name, False) for name in ("busy", "slow", "quick")), measure)
    assert times == [(200, "slow"), (3, "busy"), (2, "quick")]
    assert over == [f"200 ms, {LIMIT_MS} allowed: 'slow'"]


@pytest.mark.parametrize(("spent", "code"), [(LIMIT_MS - 1, 0), (LIMIT_MS + 1, 1)])
def test_the_command_fails_for_one_check_that_is_too_slow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spent: float, code: int
) -> None:
    def two() -> Iterator[tuple[str, bool]]:
        yield from (("ab", False), ("(a+)+$", False))

    monkeypatch.setattr(hostile_patterns, "hostile_patterns", two)
    monkeypatch.setattr(hostile_patterns, "hostile_texts", lambda: {"letters": "ab" * 50})
    monkeypatch.setattr(hostile_patterns, "check_ms", lambda source, *, ignore_case: spent)
    assert main() == code
    assert ("TOO SLOW" in capsys.readouterr().out) is bool(code)
