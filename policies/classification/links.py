"""Whether a place in a text lies inside something that reads like a URL."""

import re

_RUN = re.compile(r"[^ \t\r\n\f\v]*\Z")
_URL = re.compile(r"://|www\.|\]\(|%3a%2f|https?:", re.IGNORECASE)


def inside_url(before: str, *, in_json_string: bool = False) -> bool:
    """Whether what follows `before` continues a URL."""
    run = _RUN.search(before[-4096:])
    return run is not None and _URL.search(run[0]) is not None
