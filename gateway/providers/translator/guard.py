"""Refuses every connection of this process that our own client did not ask for.

litellm is large and brings several HTTP clients; a remote image, a tokenizer or a price list can
make it reach out. Python tells an audit hook about each connect and each name lookup before it
happens, and the hook says no. A hook cannot be removed again.

It sees what goes through Python's socket module. uvloop connects in C, so this process runs on
asyncio's own loop.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from gateway.providers.addresses import resolve

_address: ContextVar[tuple[str, int] | None] = ContextVar("_address", default=None)
_names: Counter[str] = Counter()  # names being looked up now; lookups run in threads
_NEVER = frozenset(
    {
        "os.exec",
        "os.posix_spawn",
        "os.system",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.sendmsg",
        "socket.sendto",
        "subprocess.Popen",
    }
)


@contextmanager
def connecting_to(address: str, port: int) -> Iterator[None]:
    """Within, the current task may connect to this address and port."""
    token = _address.set((address, port))
    try:
        yield
    finally:
        _address.reset(token)


async def guarded_resolve(host: str, port: int) -> Sequence[str]:
    """`addresses.resolve`, allowed through the guard."""
    _names[host] += 1
    try:
        return await resolve(host, port)
    finally:
        _names[host] -= 1


def install() -> None:
    """From now on, for the life of the process."""
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        if not isinstance(address, tuple) or address[:2] != _address.get():
            raise PermissionError("only the destination of a call may be connected to")
    elif event == "socket.getaddrinfo":
        if not _names[str(arguments[0])]:
            raise PermissionError("only the destination of a call may be looked up")
    elif event in _NEVER:
        raise PermissionError(f"{event} is not for the translator")
