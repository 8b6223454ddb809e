"""Reading what belongs to a project in a configuration file: members, floor, limits."""

from collections.abc import Collection, Iterable

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from gateway.accounts.limits import NAMES, Limits, highest
from gateway.accounts.models import normalise_email
from gateway.accounts.roles import Role
from policies.engine.labels import Label, Sensitivity
from policies.engine.problems import Place
from policies.services.configuration.read_deployments import SENSITIVITIES, unique_words


def is_new(place: Place, name: str, found: Collection[str], what: str) -> bool:
    """Whether a name stands here for the first time; notes it when not."""
    if name not in found:
        return True
    place.refuse(f"The {what} {name!r} is declared a second time.", "Keep one of them.")
    return False


def read_email(place: Place) -> str | None:
    """An e-mail address in its one spelling."""
    text = place.text(what="an e-mail address")
    if text is None:
        return None
    email = normalise_email(text)
    try:
        validate_email(email)
    except ValidationError:
        place.refuse("This is no e-mail address.", "Write it as name@domain.")
        return None
    return email


def addresses_in(entries: Iterable[Place]) -> set[str]:
    """The addresses that groups and projects name; an account is made for each."""
    found: set[str] = set()
    for entry in entries:
        members = entry.value.get("members") if isinstance(entry.value, dict) else None
        for each in members if isinstance(members, list) else ():
            email = each.get("email") if isinstance(each, dict) else each
            if isinstance(email, str):
                found.add(normalise_email(email))
    return found


def read_members(place: Place) -> dict[str, Role]:
    """Members with their roles."""
    found: dict[str, Role] = {}
    for item in place.items():
        fields = item.fields(("email", "role"), required=("email",))
        email = read_email(fields["email"]) if "email" in fields else None
        role = fields["role"].word(Role.values, "role") if "role" in fields else Role.MEMBER.value
        if email is not None and role and is_new(fields["email"], email, found, "member"):
            found[email] = Role(role)
    return found


def read_floor(place: Place, categories: frozenset[str]) -> Label:
    """The least label."""
    if not isinstance(place.value, dict):
        word = place.word(SENSITIVITIES, "sensitivity")
        return Label(Sensitivity.from_word(word) if word else Sensitivity.RESTRICTED)
    fields = place.fields(("sensitivity", "categories"), required=("sensitivity",))
    word = (
        fields["sensitivity"].word(SENSITIVITIES, "sensitivity")
        if "sensitivity" in fields
        else None
    )
    named: tuple[str, ...] = ()
    if "categories" in fields:
        named = unique_words(fields["categories"], categories, "category")
    return Label(Sensitivity.from_word(word) if word else Sensitivity.RESTRICTED, frozenset(named))


def read_limits(place: Place) -> Limits:
    """How much may be stored and run."""
    found: dict[str, int] = {}
    for name, at in place.fields(NAMES).items():
        number = at.integer(at_least=1)
        if number is not None and number > highest(name):
            at.refuse(f"{name} is too large.", f"Use {highest(name)} or less.")
        elif number is not None:
            found[name] = number
    return Limits(**found)
