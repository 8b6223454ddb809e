"""What the bench of long conversations lets pass and what it does not."""

import pytest

from bench.chat_long import report

CHUNKS = 10
WHOLE = {number: 0.05 for number in range(1, CHUNKS + 1)}
EVEN = [1.0] * 5
QUICK = {"over HTTP": [0.4, 0.1, 0.1]}


@pytest.mark.parametrize(
    ("opened", "seen", "cpu", "status"),
    [
        (QUICK, [WHOLE], EVEN, 0),
        ({"over HTTP": [1.2, 0.1, 0.1]}, [WHOLE], EVEN, 1),
        ({**QUICK, "in a browser": [0.1, 0.1, 1.0]}, [WHOLE], EVEN, 1),
        (QUICK, [WHOLE, {1: 0.05}], EVEN, 1),
        (QUICK, [WHOLE], [1.0, 1.0, 1.0, 1.0, 1.6], 1),
    ],
    ids=["holds", "slow once", "slow in a browser", "chunks missing", "slows down"],
)
def test_it_fails_for_each_thing_that_it_promises(
    capsys: pytest.CaptureFixture[str],
    opened: dict[str, list[float]],
    seen: list[dict[int, float]],
    cpu: list[float],
    status: int,
) -> None:
    assert report(opened, seen, cpu, CHUNKS) == status
    assert "missing" in capsys.readouterr().out
