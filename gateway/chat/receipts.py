"""What is known of how a reply came about: the gateway's word, never the model's.

Stored sealed beside the reply. All but `as_sent` and `masked_items` is content-free.
"""

from collections.abc import Iterable

import msgspec

from gateway.inference.prices import Receipt as Used
from gateway.protocol.errors import GatewayError


class MaskedItem(msgspec.Struct, frozen=True):
    """One thing the vendor did not see, and what stood in its place."""

    value: str
    shown_as: str


class Way(msgspec.Struct, frozen=True):
    """A change that would have allowed a refused message. `alias`: of another model, if that."""

    action: str
    alias: str = ""


class Receipt(msgspec.Struct, kw_only=True):
    """One reply's receipt. Empty strings and None: not known."""

    decision: str = ""
    request: str = ""
    deployment: str = ""
    zone: str = ""
    sensitivity: str = ""
    categories: list[str] = []
    rules: list[str] = []
    masked: int = 0
    masked_items: list[MaskedItem] = []
    as_sent: str = ""  # the last message as a vendor saw it, where anything was masked
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    cost_nano: int | None = None  # in nano-dollars
    unpriced: bool = False  # answered, and nobody knows what that costs
    estimated: bool = False  # the vendor gave no figures, so the tokens are ours
    code: str = ""  # of the error, where there was one
    reason: str = ""
    ways: list[Way] = []
    approvable: bool = False  # somebody's approval would let it pass

    def encoded(self) -> str:
        """As it is sealed."""
        return msgspec.json.encode(self).decode()

    def take_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Note what the gateway's response headers say."""
        found = {name.lower(): value for name, value in headers}
        self.decision = found.get("x-sluice-decision", self.decision)
        self.request = found.get("x-request-id", self.request)
        self.deployment = found.get("x-sluice-deployment", self.deployment)
        self.zone = found.get("x-sluice-zone", self.zone)
        self.sensitivity = found.get("x-sluice-sensitivity", self.sensitivity)
        self.categories = _words(found.get("x-sluice-categories", ""))
        self.rules = _words(found.get("x-sluice-rules", ""))
        masked = found.get("x-sluice-masked", "")
        self.masked = int(masked) if masked.isdigit() else 0

    def take_cost(self, used: Used | None) -> None:
        """Note what the gateway counted, once the answer has ended; None: nobody answered."""
        if used is None:
            return
        self.prompt_tokens, self.completion_tokens = used.prompt_tokens, used.completion_tokens
        self.cost_nano, self.estimated = used.cost_nano, used.estimated
        self.unpriced = used.cost_nano is None

    def take_error(self, error: GatewayError) -> None:
        """Note why there is no reply."""
        self.take_headers(error.headers.items())
        told = msgspec.json.decode(error.body())["error"]
        self.code = told.get("code") or ""
        self.reason = told.get("message") or ""
        self.approvable = bool(told.get("approval"))
        self.ways = [
            Way(action=str(way.get("action", "")), alias=str(way.get("alias") or ""))
            for way in told.get("suggestions") or []
        ]


def read_receipt(encoded: str) -> Receipt:
    """What was encoded; an empty receipt for nothing."""
    return msgspec.json.decode(encoded, type=Receipt) if encoded else Receipt()


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
