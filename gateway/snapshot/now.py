"""A snapshot for whoever asks seldom and wants what is committed now: explanations, commands."""

import threading
from functools import cache

from gateway.inference.contracts import Snapshot
from gateway.snapshot.build import Builder

_building = threading.Lock()


@cache
def _builder() -> Builder:
    return Builder()


def snapshot_now() -> Snapshot:
    """Read the database. Compiled recognizers are kept from one call to the next.

    The request path never calls this: it reads `PolledSnapshot`. Raises DatabaseError,
    KeepsChanging.
    """
    with _building:
        return _builder().build()
