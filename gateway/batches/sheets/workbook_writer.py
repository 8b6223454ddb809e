"""The process that `writing` starts: rows as JSON lines on standard input, a workbook on output.

Knows nothing of Sluice. Everything stays in memory: nothing is written to a disk.
"""

import io
import json
import resource
import sys

import xlsxwriter

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def main() -> None:
    """Read all rows, then write the workbook whole."""
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    content = io.BytesIO()
    workbook = xlsxwriter.Workbook(content, OPTIONS)
    sheet = workbook.add_worksheet("Rows")
    # What Excel itself sets for a cell that somebody began with an apostrophe.
    as_text = workbook.add_format({"quote_prefix": True})
    bold = workbook.add_format({"bold": True})
    for row, line in enumerate(sys.stdin.buffer):
        for column, cell in enumerate(json.loads(line)):
            if cell is None:
                continue
            if isinstance(cell, str):
                style = bold if row == 0 else as_text if cell.startswith(FORMULA) else None
                sheet.write_string(row, column, cell, style)
            elif isinstance(cell, bool):
                sheet.write_boolean(row, column, cell)
            else:
                sheet.write_number(row, column, cell)
    sheet.freeze_panes(1, 0)
    workbook.close()
    sys.stdout.buffer.write(content.getvalue())


if __name__ == "__main__":
    main()
