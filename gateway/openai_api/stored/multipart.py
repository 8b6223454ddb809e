"""An upload's form, read as it comes: its small fields into memory, its file into a sink."""

from collections.abc import Callable

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway.protocol.errors import InvalidRequest

MAX_FIELD_BYTES = 2000
MAX_FIELDS = 20


class FormReader:
    """Feed it the body; `fields` and `file_name` fill. `sink` gets the file's bytes.

    Raises InvalidRequest for what is no such form.
    """

    def __init__(self, content_type: bytes, sink: Callable[[bytes], None]) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest("Send the file as multipart/form-data.", param="file")
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None  # None: no file came
        self._sink = sink
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._field: str | None = None  # None: the part is the file
        self._value = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._part_ends,
                "on_end": self._end,
            },
        )
        self._complete = False

    def feed(self, piece: bytes) -> None:
        """Take more of the body."""
        try:
            self._parser.write(piece)
        except FormParserError:
            raise InvalidRequest("The form is not valid multipart/form-data.") from None

    def finish(self) -> None:
        """Nothing more comes. Raises InvalidRequest when something should have."""
        if not self._complete:
            raise InvalidRequest("The form ends too early.")

    def _part_begins(self) -> None:
        self._headers = {}
        self._value = bytearray()
        self._field = ""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name == "file" and b"filename" in options:
            if self.file_name is not None:
                raise InvalidRequest("Send one file.", param="file")
            self._field = None
            self.file_name = _base_name(options[b"filename"])
            return
        if not name or len(self.fields) >= MAX_FIELDS:
            raise InvalidRequest("The form has a part without a name, or too many parts.")
        self._field = name

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._field is None:
            self._sink(data[start:end])
            return
        self._value.extend(data[start:end])
        if len(self._value) > MAX_FIELD_BYTES:
            raise InvalidRequest(f"The field {self._field[:50]!r} is too long.")

    def _part_ends(self) -> None:
        if self._field is not None:
            self.fields[self._field] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._complete = True


def _base_name(raw: bytes) -> str:
    name = raw.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable()) or "file"
