"""Which encoding a text file is in, found by looking at all of it.

UTF-8 when everything is; what its byte order mark says; else the likeliest by charset-normalizer,
judged by the lines that are no UTF-8. A file with lines of both kinds is refused: whichever was
taken, some cells would come out as rubbish.
"""

import codecs
from collections.abc import Iterator

import charset_normalizer

from gateway.batches.sheets.problems import SheetRefused
from gateway.batches.sheets.source import Source

SAMPLE_BYTES = 64 * 1024
MAX_LINE_BYTES = 32 * 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What spreadsheet programs of the last thirty years write; exotic guesses help nobody.
_LIKELY = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257"),
    *("cp932", "gb18030", "cp949", "big5", "koi8_r"),
)


def encoding_of(source: Source) -> str:
    """The file's encoding, as Python names it. Raises SheetRefused."""
    start = source.start(4)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    sample = bytearray()
    first_utf8 = first_other = 0
    for number, line in enumerate(_lines(source), start=1):
        if line.isascii():
            continue
        if _is_utf8(line):
            first_utf8 = first_utf8 or number
        else:
            first_other = first_other or number
            if len(sample) < SAMPLE_BYTES:
                sample += line
        if first_utf8 and first_other:
            raise SheetRefused(
                f"the file mixes encodings: line {first_utf8} is UTF-8 and line {first_other} is "
                "not. Save the whole file as UTF-8.",
                code="mixed_encodings",
                file=source.name,
                line=first_other,
            )
    if not first_other:
        return "utf-8"
    return _guess(bytes(sample), source, first_other)


def no_text(source: Source, *, line: int) -> SheetRefused:
    """The refusal of a file with a NUL character."""
    return SheetRefused(
        "this line holds a NUL character, so this is no text, or UTF-16 without the mark that says "
        "so. Save it as UTF-8.",
        code="not_text",
        file=source.name,
        line=line,
    )


def _guess(sample: bytes, source: Source, line: int) -> str:
    best = charset_normalizer.from_bytes(sample, cp_isolation=list(_LIKELY)).best()
    if best is None:
        raise SheetRefused(
            "nobody can tell in which encoding this line is. Save the file as UTF-8.",
            code="unknown_encoding",
            file=source.name,
            line=line,
        )
    return best.encoding


def _lines(source: Source) -> Iterator[bytes]:
    rest = bytearray()
    number = 1
    for piece in source.pieces():
        if (at := piece.find(b"\0")) >= 0:
            raise no_text(source, line=number + piece.count(b"\n", 0, at))
        rest += piece
        *whole, last = rest.split(b"\n")
        for line in whole:
            yield bytes(line)
        number += len(whole)
        rest = bytearray(last)
        if len(rest) > MAX_LINE_BYTES:
            raise SheetRefused(
                f"this line is longer than {MAX_LINE_BYTES // 2**20} MiB.",
                code="line_too_long",
                file=source.name,
                line=number,
            )
    yield bytes(rest)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
