"""Reading the deployments and aliases of a configuration file."""

import re
from collections.abc import Collection
from datetime import date
from pathlib import Path

from django.core.exceptions import ValidationError

from gateway import environment
from gateway.deployments.models import ENDPOINTS, Provider
from gateway.deployments.services.aliases import ALIAS_FORM
from gateway.deployments.spec import MODALITIES, DeploymentSpec, checked, default_clearance
from policies.engine.facts import Clearance, Evidence, Zone
from policies.engine.labels import Sensitivity
from policies.engine.problems import Place
from policies.services.configuration.money import read_price, read_rates
from policies.services.configuration.wanted import DeploymentWanted

SLUG = r"[A-Za-z0-9_-]{1,63}"
SENSITIVITIES = tuple(member.word for member in Sensitivity)
FIELDS = (
    *("name", "provider", "base_url", "model", "zone", "clearance", "endpoints", "modalities"),
    *("credential_env", "credential_file", "vendor", "region", "retention_days"),
    *("trains_on_data", "evidence", "options", "timeouts", "price", "rate_limits", "enabled"),
)
TIMEOUTS = ("connect_s", "first_byte_s", "idle_s")
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]{0,99}")
_CREDENTIAL_LIMIT = 10_000  # characters
# What `checked` calls a field that the file calls otherwise.
_FILE_NAMES = {"upstream_model": "model"} | {
    f"{name.removesuffix('_s')}_timeout_s": "timeouts" for name in TIMEOUTS
}


def read_deployment(
    place: Place, *, categories: Collection[str], folder: Path
) -> DeploymentWanted | None:
    """One deployment; None after noting what is wrong. Reads its credential from where it says.

    `folder` is where relative paths begin.
    """
    noted = len(place.problems)
    fields = place.fields(FIELDS, required=("name", "base_url", "model", "zone"))
    name = _text(fields, "name", pattern=SLUG, what="a name")
    zone_word = (
        fields["zone"].word([zone.value for zone in Zone], "zone") if "zone" in fields else ""
    )
    zone = Zone(zone_word) if zone_word else Zone.CLOUD
    provider = Provider.OPENAI_COMPATIBLE.value
    if "provider" in fields:
        provider = fields["provider"].word(Provider.values, "provider") or provider
    spec = DeploymentSpec(
        name=name,
        base_url=_text(fields, "base_url", what="a URL"),
        upstream_model=_text(fields, "model", what="the model's name at its server"),
        zone=zone,
        provider=provider,
        clearance=read_clearance(fields["clearance"], zone, categories)
        if "clearance" in fields
        else None,
        endpoints=_words(fields, "endpoints", ENDPOINTS, ("chat.completions",)),
        modalities=_words(fields, "modalities", MODALITIES, ("text",)),
        vendor=_text(fields, "vendor"),
        region=_text(fields, "region"),
        retention_days=_nullable_integer(fields.get("retention_days")),
        trains_on_data=_nullable_boolean(fields.get("trains_on_data")),
        evidence=tuple(_evidence(item) for item in _items(fields.get("evidence"))),
        options=_options(fields.get("options")),
        enabled=_boolean(fields.get("enabled"), default=True),
        **_timeouts(fields.get("timeouts")),
    )
    source, credential = _credential(place, fields, folder)
    price = read_price(fields["price"]) if "price" in fields else None
    rates = read_rates(fields["rate_limits"]) if "rate_limits" in fields else None
    if len(place.problems) > noted:
        return None
    try:
        checked(spec)
    except ValidationError as error:
        for field, messages in error.message_dict.items():
            at = fields.get(_FILE_NAMES.get(field, field), place)
            at.refuse(messages[0], "")
        return None
    return DeploymentWanted(
        spec=spec,
        credential_source=source,
        credential=credential,
        price=price,
        rate_limits=rates,
    )


def read_alias(place: Place, *, deployments: Collection[str]) -> tuple[str, tuple[str, ...]] | None:
    """An alias's name and its deployments in order; None after noting what is wrong."""
    noted = len(place.problems)
    fields = place.fields(("name", "deployments"), required=("name",))
    if fields and "deployments" not in fields:
        place.refuse("The alias has no deployment.", "Name at least one under `deployments`.")
    name = _text(fields, "name", what="an alias")
    if name and not ALIAS_FORM.fullmatch(name):
        fields["name"].refuse(
            "This is not an alias.", "Use letters, digits and . _ : / -, up to 100."
        )
    names: tuple[str, ...] = ()
    if "deployments" in fields:
        targets = fields["deployments"]
        if targets.value == []:
            targets.refuse("The alias has no deployment.", "Name at least one.")
        else:
            names = unique_words(targets, deployments, "deployment")
    return (name, names) if len(place.problems) == noted else None


def unique_words(place: Place, known: Collection[str] | None, what: str) -> tuple[str, ...]:
    """The words of a list, each of which may stand in it once. The list may be empty."""
    found: list[str] = []
    for item in place.items():
        word = item.word(known, what)
        if word is not None and word in found:
            item.refuse(f"The {what} {word!r} stands here twice.", "Remove one.")
        elif word is not None:
            found.append(word)
    return tuple(found)


def read_clearance(place: Place, zone: Zone, categories: Collection[str]) -> Clearance | None:
    """A clearance; categories that are left out are the zone's default."""
    fields = place.fields(("sensitivity", "categories"), required=("sensitivity",))
    word = (
        fields["sensitivity"].word(SENSITIVITIES, "sensitivity") if "sensitivity" in fields else ""
    )
    allowed = default_clearance(zone).categories
    if "categories" in fields:
        at = fields["categories"]
        allowed = None if at.value == "all" else frozenset(_known(at, categories))
    return Clearance(Sensitivity.from_word(word), allowed) if word else None


def _known(place: Place, categories: Collection[str]) -> tuple[str, ...]:
    if isinstance(place.value, str):
        place.refuse("This is text.", "Write a list of categories, or the word all.")
        return ()
    return unique_words(place, categories, "category")


def _credential(place: Place, fields: dict[str, Place], folder: Path) -> tuple[str, str]:
    """Where the credential comes from, and the credential."""
    if "credential_env" in fields and "credential_file" in fields:
        place.refuse("There are two credentials.", "Keep credential_env or credential_file.")
    elif "credential_env" in fields:
        return _from_environment(fields["credential_env"])
    elif "credential_file" in fields:
        return _from_file(fields["credential_file"], folder)
    return "", ""


def _from_environment(place: Place) -> tuple[str, str]:
    name = place.text(what="a variable's name")
    if name is None:
        return "", ""
    secret = environment.credential(name) if _VARIABLE.fullmatch(name) else None
    if secret is None:
        # Not quoted: people write the credential itself here, and this is logged at the start.
        place.refuse(
            "The variable named here is not set, or is one of Sluice's own.",
            "Write a variable's name, never the credential itself, and set the variable.",
        )
        return "", ""
    return f"env:{name}", secret.strip()


def _from_file(place: Place, folder: Path) -> tuple[str, str]:
    path = place.text(what="a path")
    if path is None:
        return "", ""
    try:
        secret = (folder / path).read_text(encoding="ascii")[:_CREDENTIAL_LIMIT].strip()
    except (OSError, UnicodeDecodeError) as error:
        place.refuse(f"The file cannot be read ({type(error).__name__}).", "Name a text file.")
        return "", ""
    if not secret:
        place.refuse("The file is empty.", "Write the credential into it.")
    return f"file:{path}", secret


def _evidence(place: Place) -> Evidence:
    fields = place.fields(("kind", "reference", "valid_until"), required=("kind", "reference"))
    until: date | None = None
    if "valid_until" in fields:
        at = fields["valid_until"]
        word = at.text(pattern=r"\d{4}-\d{2}-\d{2}", what="a date", form="2028-01-31")
        try:
            until = date.fromisoformat(word) if word else None
        except ValueError:
            at.refuse("There is no such day.", "Write YYYY-MM-DD.")
    return Evidence(
        kind=_text(fields, "kind"), reference=_text(fields, "reference"), valid_until=until
    )


def _options(place: Place | None) -> dict[str, str]:
    if place is None:
        return {}
    if not isinstance(place.value, dict):
        place.refuse("This is not a mapping.", "Write one option and its value on each line.")
        return {}
    found: dict[str, str] = {}
    for name, value in place.value.items():
        at = place.at(str(name), value)
        # `true` is what people write; adapters read words.
        word = ("yes" if value else "no") if isinstance(value, bool) else at.text(what="a word")
        found[str(name)] = word or ""
    return found


def _timeouts(place: Place | None) -> dict[str, float]:
    if place is None:
        return {}
    found: dict[str, float] = {}
    for name, at in place.fields(TIMEOUTS).items():
        if isinstance(at.value, bool) or not isinstance(at.value, int | float):
            at.refuse("This is not a number.", "Write seconds, such as 60.")
        else:
            found[f"{name.removesuffix('_s')}_timeout_s"] = float(at.value)
    return found


def _text(fields: dict[str, Place], name: str, *, pattern: str = "", what: str = "text") -> str:
    return (fields[name].text(pattern=pattern, what=what) or "") if name in fields else ""


def _words(
    fields: dict[str, Place], name: str, known: Collection[str], default: Collection[str]
) -> frozenset[str]:
    return frozenset(fields[name].words(known, name[:-1]) if name in fields else default)


def _items(place: Place | None) -> list[Place]:
    return place.items() if place is not None else []


def _nullable_integer(place: Place | None) -> int | None:
    return place.integer() if place is not None and place.value is not None else None


def _nullable_boolean(place: Place | None) -> bool | None:
    return place.boolean() if place is not None and place.value is not None else None


def _boolean(place: Place | None, *, default: bool) -> bool:
    return default if place is None else bool(place.boolean())
