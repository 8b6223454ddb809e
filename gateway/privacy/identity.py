"""Under which names the tables know a person."""

from dataclasses import dataclass
from typing import Final

from gateway.accounts.models import ServiceAccount, User

ERASED_DOMAIN: Final = "erased.invalid"  # RFC 2606: nobody ever gets mail there


@dataclass(frozen=True, slots=True)
class Identity:
    """`actors`: as audit rows name the person, and the service accounts that act for them.
    `said`: what names them to people."""

    user: User
    actors: tuple[str, ...]
    said: tuple[str, ...]

    @property
    def actor(self) -> str:
        """The person's own pseudonym."""
        return self.actors[0]


def identity_of(user: User) -> Identity:
    """Two queries at most."""
    accounts = ServiceAccount.objects.filter(on_behalf_of=user).values_list("pk", flat=True)
    actors = (f"user:{user.pk}", *(f"service_account:{pk}" for pk in accounts))
    said = tuple(text for text in (user.email, user.name.strip()) if len(text) >= 3)
    return Identity(user, actors, said)


def is_erased(user: User) -> bool:
    """Whether nothing leads from this account to a person any more."""
    return user.email.endswith(f"@{ERASED_DOMAIN}")
