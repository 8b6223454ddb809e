"""Writes the head of a request. What could split it into two requests is refused."""

import re

from gateway.providers.calls import RequestRefused

# RFC 9110, 5.1 and 5.5, narrowed to visible ASCII: nothing we send needs more.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_TARGET = re.compile(r"/[\x21\x24-\x3b\x3d\x3f-\x7e]*")


def header_line(name: str, value: str) -> bytes:
    """One header line with its line end.

    Raises RequestRefused for control characters and for anything that is not ASCII; the message
    names the header, never its value.
    """
    if not _NAME.fullmatch(name):
        raise RequestRefused("a header name has characters that HTTP does not allow")
    if not _VALUE.fullmatch(value):
        raise RequestRefused(f"the value of header {name} has characters that HTTP does not allow")
    return f"{name}: {value}\r\n".encode("ascii")


def request_line(method: str, path: str) -> bytes:
    """The first line of a request. Raises RequestRefused for a path with unusual characters."""
    if not _NAME.fullmatch(method) or not _TARGET.fullmatch(path):
        raise RequestRefused("the request's method or path has characters that HTTP does not allow")
    return f"{method} {path} HTTP/1.1\r\n".encode("ascii")
