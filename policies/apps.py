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
        # All need the models, which are there only now.
        from gateway.accounts.statements import prove_with  # noqa: PLC0415
        from gateway.deployments.rules_read import read_with  # noqa: PLC0415
        from policies.services.reproving import prove_again  # noqa: PLC0415
        from policies.services.rules_read import what_rules_give  # noqa: PLC0415

        prove_with(prove_again)
        read_with(what_rules_give)
