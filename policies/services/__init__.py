"""Everything that changes policies, and the one configuration file."""

from policies.services.publishing import current_revision, publish, validate

__all__ = ["current_revision", "publish", "validate"]
