"""Who does something to the control plane: a person, or a part of Sluice itself."""

import uuid
from dataclasses import dataclass

from gateway.accounts.models import User


@dataclass(frozen=True, slots=True)
class System:
    """A part of Sluice that acts for whoever runs it: `config`, `console`, `bootstrap`.

    Never built from a request: it passes every check of rights.
    """

    part: str


Acting = User | System


def acting_of(name: str) -> Acting | None:
    """Who is meant by what `actor_name` wrote; None: nobody, or an account that is gone. One query
    for a person."""
    kind, _colon, key = name.partition(":")
    if kind == "system":
        return System(key)
    try:
        return User.objects.filter(pk=uuid.UUID(key)).first() if kind == "user" else None
    except ValueError:
        return None


def actor_name(by: Acting) -> str:
    """As audit events write it: `user:<uuid>` or `system:<part>`."""
    return f"system:{by.part}" if isinstance(by, System) else f"user:{by.pk}"
