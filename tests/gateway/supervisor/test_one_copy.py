"""Two copies never share their state."""

from pathlib import Path

import pytest

from gateway.supervisor.one_copy import claim


def test_a_folder_in_use_is_refused_until_it_is_left(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with claim(tmp_path), claim(other):
        with pytest.raises(SystemExit, match="A Sluice is running") as refused:
            claim(tmp_path)
        assert str(tmp_path) in str(refused.value)
    claim(tmp_path).close()
