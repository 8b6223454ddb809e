"""The OpenAPI schema of `/api`: how one logs in, and a name for every operation."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from typing_extensions import override


class KeySchema(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # not typed
    """An API key with the scope `admin`."""

    target_class = "gateway.admin_api.authentication.APIKeyAuthentication"
    name = "APIKey"

    @override
    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """As OpenAPI says it."""
        return {"type": "http", "scheme": "bearer", "description": self.__doc__ or ""}


class Schema(AutoSchema):
    """Operations named after their method and their path: `put_projects_policy_draft`."""

    @override
    def get_operation_id(self) -> str:
        """Unique, since no two routes differ in their parameters alone."""
        parts = [part.replace("-", "_") for part in self.path.split("/")[2:] if part]
        named = [
            part.strip("{}") if part in {"{key}", "{name}", "{number}", "{id}"} else part
            for part in parts
        ]
        words = [part for part in named if not part.startswith("{")]
        return "_".join([self.method.lower(), *words])
