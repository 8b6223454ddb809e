"""The process that `workbook` starts: a workbook on standard input, its rows on standard output.

Knows nothing of Sluice and is given nothing but the bytes. Each line it writes is a JSON array:
the row's number as Excel shows it, then its cells. `{}` ends them; `{"error": word}` says why there
are none.
"""

import datetime
import io
import json
import resource
import sys
from collections.abc import Iterator
from typing import Any

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    WorksheetNotFound,
)


def main() -> None:
    """Set the ceilings, read, write."""
    memory, cpu_s = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = sys.stdin.buffer.read()
    try:
        for row in _rows(content, sys.argv[3]):
            _write(row)
        _write({})
    except PasswordError:
        _write({"error": "password"})
    except WorksheetNotFound:
        _write({"error": "no_sheet"})
    except MemoryError:
        _write({"error": "memory"})
    except (CalamineError, ValueError, OSError):
        _write({"error": "unreadable"})


def _rows(content: bytes, name: str) -> Iterator[list[Any]]:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
    sheet = workbook.get_sheet_by_name(name) if name else workbook.get_sheet_by_index(0)
    first, _ = sheet.start or (0, 0)  # what is empty above and left of the table is left out
    for number, cells in enumerate(sheet.iter_rows(), start=first + 1):
        yield [number, *(_plain(cell) for cell in cells)]


def _plain(cell: Any) -> Any:
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if isinstance(cell, datetime.datetime):
        midnight = cell.time() == datetime.time()
        return cell.date().isoformat() if midnight else cell.isoformat(sep=" ")
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    if isinstance(cell, datetime.timedelta):
        return str(cell)
    return cell


def _write(item: Any) -> None:
    sys.stdout.write(json.dumps(item) + "\n")


if __name__ == "__main__":
    main()
