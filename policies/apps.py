"""Django application of the policies."""

from django.apps import AppConfig
from typing_extensions import override


class PoliciesConfig(AppConfig):
    """Policies, their revisions and projects' word lists."""

    name = "policies"
    label = "policies"
    verbose_name = "Policies"

    @override
    def ready(self) -> None:
        # Both need the models, which are there only now.
        from gateway.accounts.statements import prove_with  # noqa: PLC0415
        from policies.services.reproving import prove_again  # noqa: PLC0415

        prove_with(prove_again)
