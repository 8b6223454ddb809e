"""What differs between vendors, as far as litellm does not know or gets wrong."""

import re

# A stream that never says so has not ended. The forms cannot stand in a text: inside of a JSON
# string a line end and a quotation mark are escaped.
_ENDS = {
    "anthropic": re.compile(rb"(^|\n)event: ?message_stop"),
    "gemini": re.compile(rb'"finishReason"\s*:\s*"'),
}


def end_of_stream(vendor: str) -> re.Pattern[bytes] | None:
    """What a complete stream of this vendor contains; None when we do not know."""
    return _ENDS.get(vendor)


def api_base(vendor: str, base_url: str) -> str:
    """The base URL in the form that litellm continues for this vendor.

    People write it with and without the version; both shall work.
    """
    url = base_url.rstrip("/")
    if vendor == "anthropic":
        return url.removesuffix("/v1")  # litellm adds /v1/messages
    if vendor == "gemini" and url.count("/") == 2:
        return f"{url}/v1beta"  # litellm adds /models/…
    return url
