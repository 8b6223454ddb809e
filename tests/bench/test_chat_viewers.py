"""What the bench of viewers says of those who got nothing, too little, or too late."""

import pytest

from bench.chat_viewers import report

ALL = {1: 0.05, 2: 0.1}


@pytest.mark.parametrize(
    ("seen", "status", "words"),
    [
        ([ALL, ALL], 0, "4 of 4 within 250 ms (100.00%); 0 viewers got nothing, 0 lack some"),
        ([ALL, {}], 1, "2 of 4 within 250 ms (50.00%); 1 viewers got nothing, 0 lack some"),
        ([ALL, {1: 0.05}], 1, "0 viewers got nothing, 1 lack some"),
        ([ALL, {1: 0.05, 2: 0.3}], 1, "3 of 4 within 250 ms (75.00%)"),
        ([{}, {}], 1, "nothing arrived; 0 of 4"),
        ([{1: 0.05, 9: 0.01}], 1, "1 of 2 within 250 ms"),  # one that does not count
    ],
    ids=["all", "silent", "lacking", "late", "nobody", "others"],
)
def test_every_viewer_and_every_chunk_counts(
    capsys: pytest.CaptureFixture[str],
    seen: list[dict[int, float]],
    status: int,
    words: str,
) -> None:
    assert report(seen, {1, 2}) == status
    assert words in capsys.readouterr().out


def test_a_reply_of_which_nothing_was_written_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([{1: 0.01}], set()) == 1
    assert "no chunk was written" in capsys.readouterr().out
