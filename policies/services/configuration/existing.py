"""Names and things that stay whether or not a configuration file has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.services.configuration.model_recognizers import Askable, Models
from policies.services.configuration.money import Subjects
from policies.services.configuration.wanted import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """Names that stay whether or not the file has them, and the organisation's policy."""

    deployments: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    word_lists: Mapping[str, tuple[str, ...]] | None = None  # project -> names of its lists
    # Project -> names of its recognizers; the organisation's under the empty name.
    recognizers: Mapping[str, tuple[str, ...]] | None = None
    # The same of model recognizers, with what they are; and what could be asked.
    model_recognizers: Mapping[str, Models] = field(default_factory=dict)
    askable: Mapping[str, Askable] = field(default_factory=dict)
    grants: Mapping[str, tuple[str, ...]] | None = None  # project -> names of its deployments
    # Project -> whom its budgets may name; everybody under the empty name.
    subjects: Mapping[str, Subjects] | None = None
    organisation: Document | None = None
    categories: frozenset[str] = frozenset()  # of every policy
