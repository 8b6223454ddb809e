"""What is wrong with a table or with what is to be done with it: what, where, what to do."""

from gateway.protocol.errors import GatewayError, InvalidRequest


class SheetRefused(InvalidRequest):
    """A table that cannot be taken. `line` counts from 1 as editors and Excel do.

    The message goes to whoever brought the table; it names places, never what stands there.
    """

    def __init__(
        self, message: str, *, code: str, file: str, line: int | None = None, column: str = ""
    ) -> None:
        place = [file or "The file"]
        if line is not None:
            place.append(f"line {line}")
        if column:
            place.append(f"column {column}")
        super().__init__(f"{', '.join(place)}: {message}", param="file", code=code)
        self.extra["line"] = line
        self.extra["column"] = column or None


class SheetState(GatewayError):
    """Something that a batch in this state does not allow, and what to do instead."""

    status = 409
    type = "invalid_request_error"
    code = "sheet_state"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
