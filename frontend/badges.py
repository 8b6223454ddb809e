"""The badges: one word and one icon for where something goes, the same everywhere."""

from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Badge(StrEnum):
    """Where a message would go or went. The value is its CSS class and icon."""

    ON_PREM = "on_prem"
    PRIVATE_CLOUD = "private_cloud"
    CLOUD = "cloud"
    MASKED = "masked"
    BLOCKED = "blocked"

    @property
    def word(self) -> Promise:
        """What people read."""
        return WORDS[self]


WORDS = {
    Badge.ON_PREM: _("On-prem"),
    Badge.PRIVATE_CLOUD: _("Private cloud"),
    Badge.CLOUD: _("Cloud"),
    Badge.MASKED: _("Cloud, masked"),
    Badge.BLOCKED: _("Blocked"),
}


def badge_for(zone: str, *, masked: int = 0) -> Badge:
    """The badge of a place. An unknown zone counts as the worst place: the cloud."""
    if zone == Badge.ON_PREM:
        return Badge.ON_PREM
    if masked:
        return Badge.MASKED
    return Badge.PRIVATE_CLOUD if zone == Badge.PRIVATE_CLOUD else Badge.CLOUD
