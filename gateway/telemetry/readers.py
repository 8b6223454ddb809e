"""Who may read metrics, of a web or of a worker.

Whoever is on this machine (a loopback address that no proxy handed on), or has the key of
`SLUICE_METRICS_KEY`. Metrics hold no content, but they name projects and deployments.
"""

import hmac
from ipaddress import ip_address
from typing import Any, Final

REFUSAL: Final = (
    b"Metrics are read from this machine, or with SLUICE_METRICS_KEY as a bearer key.\n"
)
_HANDED_ON: Final = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via"})
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def may_read(scope: Any, *, key: str | None) -> bool:
    """Whether this request may see metrics. Pure."""
    headers = dict(scope["headers"])
    given = headers.get(b"authorization", b"")
    if key and hmac.compare_digest(given, b"Bearer " + key.encode()):
        return True
    if _HANDED_ON & headers.keys() or not scope.get("client"):
        return False
    # A page in a browser on this machine may ask under a name of its own that leads here.
    host = headers.get(b"host", b"").decode("latin-1")
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    try:
        return name in _LOCAL_NAMES and ip_address(scope["client"][0]).is_loopback
    except ValueError:
        return False
