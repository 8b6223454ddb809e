"""Random organisations: deployments with clearances, aliases, floors, two policy documents.

Rules are kept as written, as plain documents, so that the oracle can read them on its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

Label = tuple[int, frozenset[str]]
Rule = Mapping[str, Any]

SENSITIVITIES = ("public", "internal", "confidential", "restricted")
MINIMUMS = {
    "code": 1, "personal": 2, "payment": 2, "legal": 2, "mergers": 2, "health": 3, "secret": 3,
}  # fmt: skip
CLASSES = {
    "EMAIL_ADDRESS": "personal", "US_SSN": "personal", "PAYMENT_CARD": "payment",
    "IBAN": "payment", "MEDICAL_RECORD_NUMBER": "health", "AWS_ACCESS_KEY": "secret",
    "CODE_NAMES": "mergers",
}  # fmt: skip
ENDPOINTS = ("chat.completions", "completions", "embeddings")
GROUPS = ("interns", "doctors")
TODAY = date(2026, 7, 1)
_ZONES = {"llama": "on_prem", "mistral": "on_prem", "claude": "cloud", "gpt": "cloud",
          "frankfurt": "private_cloud"}  # fmt: skip
EVERYTHING = None  # as a set of categories
_CLEARANCES: tuple[tuple[int, frozenset[str] | None], ...] = (
    (0, frozenset()),
    *((1, frozenset({"code"})),) * 8,
    (1, frozenset({"code", "personal"})),
    (2, frozenset({"code", "personal"})),
    *((2, frozenset({"code", "personal", "payment"})),) * 5,
    (2, frozenset({"payment", "mergers"})),
    (3, frozenset({"health", "personal"})),
    *((3, EVERYTHING),) * 2,
)


@dataclass(frozen=True, slots=True)
class Place:
    """One deployment. `categories` None: all of them."""

    name: str
    zone: str
    sensitivity: int
    categories: frozenset[str] | None
    expired: bool
    enabled: bool
    endpoints: frozenset[str]
    modalities: frozenset[str]
    region: str | None
    granted: bool

    @property
    def evidence_until(self) -> date:
        return TODAY + timedelta(days=-1 if self.expired else 300)


@dataclass(frozen=True, slots=True)
class World:
    """One organisation with one project, `lab`."""

    places: Mapping[str, Place]
    aliases: Mapping[str, Sequence[str]]
    organisation: Mapping[str, Any]
    project: Mapping[str, Any]
    floors: tuple[Label, Label, Label]  # organisation, project, key
    groups: frozenset[str]
    suspended: frozenset[str]
    masking: bool = True
    relax: frozenset[str] = field(default_factory=frozenset)

    def rules(self) -> list[tuple[str, Rule]]:
        """Every rule in effect with the key it has in records."""
        found = []
        for scope, document in (("organisation", self.organisation), ("project", self.project)):
            for rule in document["rules"]:
                key = f"{scope}:{rule['id']}"
                if not rule.get("shadow") and key not in self.suspended:
                    found.append((key, rule))
        return found


def random_world(rng: Random) -> World:
    """A world in which a good part of all requests may leave the house."""
    names = ["llama", "claude", *rng.sample(["mistral", "gpt", "frankfurt"], rng.randint(1, 3))]
    places = {name: _place(rng, name) for name in names}
    aliases: dict[str, Sequence[str]] = {name: [name] for name in names}
    aliases["auto"] = rng.sample(names, len(names))
    aliases["pair"] = ["claude", rng.choice(names[:1] + names[2:])]
    aliases["away"] = sorted(names, key=lambda name: _ZONES[name] != "cloud")
    organisation: dict[str, Any] = {
        "kind": "organisation-policy",
        "rules": _rules(rng, names, rng.randint(0, 2)),
    }
    project: dict[str, Any] = {
        "kind": "project-policy",
        "project": "lab",
        "rules": _masks(rng, names) + _rules(rng, names, rng.randint(0, 3)),
    }
    for number, rule in enumerate([*organisation["rules"], *project["rules"]]):
        rule["id"] = f"r{number}"
    floors = (_floor(rng, 0.1), _floor(rng, 0.5), _floor(rng, 0.1))
    for document, floor in ((organisation, floors[0]), (project, floors[1])):
        document["floor"] = {"sensitivity": SENSITIVITIES[floor[0]]}
        if floor[1]:
            document["floor"]["categories"] = sorted(floor[1])
    relax = frozenset({"images"} if rng.random() < 0.3 else ())
    if relax:
        project["relax"] = sorted(relax)
    keys = [f"organisation:{rule['id']}" for rule in organisation["rules"]]
    keys += [f"project:{rule['id']}" for rule in project["rules"]]
    return World(
        places=places,
        aliases=aliases,
        organisation=organisation,
        project=project,
        floors=floors,
        groups=frozenset(name for name in GROUPS if rng.random() < 0.3),
        suspended=frozenset(key for key in keys if rng.random() < 0.05),
        masking=rng.random() < 0.93,
        relax=relax,
    )


def _place(rng: Random, name: str) -> Place:
    zone = _ZONES[name]
    sensitivity, categories = (
        (3, EVERYTHING) if zone == "on_prem" and rng.random() < 0.8 else rng.choice(_CLEARANCES)
    )
    few = frozenset(rng.sample(ENDPOINTS, 2))
    return Place(
        name=name,
        zone=zone,
        sensitivity=sensitivity,
        categories=categories,
        expired=rng.random() < 0.05,
        enabled=rng.random() < 0.97,
        endpoints=few if rng.random() < 0.1 else frozenset(ENDPOINTS),
        modalities=frozenset({"text"} if rng.random() < 0.2 else {"text", "image"}),
        region=rng.choice((None, "eu", "us")),
        granted=rng.random() < 0.93,
    )


def _floor(rng: Random, often: float) -> Label:
    if rng.random() > often:
        return 0, frozenset()
    categories = frozenset(rng.sample(sorted(MINIMUMS), 1)) if rng.random() < 0.1 else frozenset()
    return rng.choice((*(1,) * 20, 2, 3)), categories


def _masks(rng: Random, names: Sequence[str]) -> list[dict[str, Any]]:
    """Rules that mask, more of them than anybody would write: what they leave is searched for."""
    rules = []
    for _ in range(rng.choice((0, *(1,) * 6, 2))):
        every = sorted(CLASSES)
        masked = rng.choice((*(every,) * 6, sorted(MINIMUMS), ["personal"],
                             ["payment", "IBAN"], rng.sample(every, 2)))  # fmt: skip
        modes = ("placeholder", "placeholder", "placeholder", "hash", "partial", "remove")
        effect: dict[str, Any] = {"mask": masked, "mode": rng.choice(modes)}
        if rng.random() < 0.2:
            effect["for"] = _selector(rng, names)
        rules.append({"when": _condition(rng), "then": effect, "shadow": rng.random() < 0.05})
    return rules


def _rules(rng: Random, names: Sequence[str], count: int) -> list[dict[str, Any]]:
    rules = []
    for _ in range(count):
        kind = rng.choice(("prefer", "prefer", "prefer", "allow_only", "require_approval", "deny"))
        effect: dict[str, Any] = {kind: _selector(rng, names)}
        if kind == "deny":
            effect = {"deny": True}
        elif kind == "prefer":
            effect = {"prefer": rng.sample([*names, "claude", "claude"], 1)}
        narrow = kind != "prefer"
        rules.append(
            {
                "when": _condition(rng, narrow=narrow),
                "then": effect,
                "shadow": rng.random() < 0.1,
            }
        )
    return rules


def _selector(rng: Random, names: Sequence[str]) -> dict[str, Any]:
    selectors: list[dict[str, Any]] = [
        {"zone": ["on_prem"]},
        {"zone": ["cloud"]},
        {"zone": ["cloud", "private_cloud"]},
        {"deployment": rng.sample(list(names), 1)},
        {"region": ["eu"]},
    ]
    return rng.choice(selectors)


def _condition(rng: Random, *, narrow: bool = False) -> dict[str, Any]:
    """Something that holds for some requests; `narrow`: for few."""
    sharp: list[dict[str, Any]] = [
        {"category": rng.sample(sorted(MINIMUMS), 1)},
        {"data_class": rng.sample(sorted(CLASSES), 1)},
        {"group": [rng.choice(GROUPS)]},
        {"alias": ["pair"]},
        {"sensitivity": {"at_least": "restricted"}},
    ]
    if narrow:
        return rng.choice(sharp)
    wide: list[dict[str, Any]] = [
        *({"endpoint": list(ENDPOINTS)},) * 24,
        {"endpoint": ["chat.completions"]},
        {"sensitivity": {"at_least": "confidential"}},
        {"sensitivity": {"at_most": "confidential"}},
        {"not": {"group": ["interns"]}},
    ]
    return rng.choice(sharp + wide)
