"""One file for the control plane: `sluice.yaml`. The format is in docs/configuration.md."""

from policies.services.configuration.applying import (
    ConfigFile,
    apply,
    apply_at_start,
    diff,
    rehearse,
)
from policies.services.configuration.export import export
from policies.services.configuration.problems import (
    ConfigurationError,
    FileProblem,
    WideningRefused,
)
from policies.services.configuration.steps import Authority, Plan, Step, Verb

__all__ = [
    "Authority",
    "ConfigFile",
    "ConfigurationError",
    "FileProblem",
    "Plan",
    "Step",
    "Verb",
    "WideningRefused",
    "apply",
    "apply_at_start",
    "diff",
    "export",
    "rehearse",
]
