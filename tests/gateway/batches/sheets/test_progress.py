"""The bar of the command line: drawn over on a terminal, a few lines in a file."""

import io

from typing_extensions import override

from gateway.batches.sheets.progress import Bar


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_is_drawn_over() -> None:
    stream = Terminal()
    clock = iter(range(100))
    bar = Bar(stream, "Running", 4, clock=lambda: float(next(clock)))
    for done in (1, 2, 4):
        bar.update(done, note="1 failed" if done == 4 else "")
    bar.end()
    drawn = stream.getvalue().split("\r\033[K")
    assert len(drawn) == 4
    assert drawn[2].startswith("Running [###############...............] 2 of 4")
    assert drawn[3].startswith("Running [##############################] 4 of 4, 1 failed")
    assert stream.getvalue().count("\n") == 1


def test_in_a_file_it_says_each_tenth_once() -> None:
    stream = io.StringIO()
    bar = Bar(stream, "Running", 1000, clock=lambda: 0.0)
    for done in range(1001):
        bar.update(done)
    bar.end()
    assert len(stream.getvalue().splitlines()) == 11


def test_nothing_to_do_is_done() -> None:
    stream = io.StringIO()
    Bar(stream, "Running", 0, clock=lambda: 0.0).update(0)
    assert "0 of 0" in stream.getvalue()
