"""What a change that lets more leave must not break: `never` statements, proven by somebody else.

The proof needs policies, which stand above what is changed here; they say at the start how it is
done (`prove_with`). INVARIANT: while nobody has, nothing is widened.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gateway.accounts.models import Project

# Takes the projects that the change concerns (None: all). Raises ValidationError with the
# counterexample in words. Reads the database.
Proves = Callable[[Iterable[Project] | None], None]

_registered: list[Proves] = []
_later: ContextVar[bool] = ContextVar("statements_later", default=False)


def prove_with(proves: Proves) -> None:
    """Say how statements are proven. Once, when the applications are loaded."""
    _registered[:] = [proves]


def require_statements(projects: Iterable[Project] | None = None) -> None:
    """Refuse a change after which a statement in effect would not hold. Call it in the change's
    transaction, when the change is made. Raises ValidationError."""
    if _later.get():
        return
    if not _registered:
        raise RuntimeError("nobody proves statements, so nothing is widened")
    _registered[0](projects)


@contextmanager
def proven_later() -> Iterator[None]:
    """Several changes of one transaction: whoever enters here proves everything at its end."""
    before = _later.set(True)
    try:
        yield
    finally:
        _later.reset(before)
