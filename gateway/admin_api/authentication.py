"""Who asks `/api`: a person with a session (the pages), or a program with an API key.

A key acts here as the person it belongs to, in its own project alone, and only with the scope
`admin`: a key that a chat client holds does not read the configuration.
"""

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from typing_extensions import override

from gateway.accounts.models import APIKey, User
from gateway.accounts.services import digest_of
from gateway.accounts.services.keys import ADMIN_SCOPE
from gateway.audit.services import now_or_latest_seen
from gateway.snapshot.keys import live_key


class APIKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer sk-sluice-…` with the scope `admin`."""

    @override
    def authenticate(self, request: Request) -> tuple[User, APIKey] | None:
        """The person and the key; None when no key is presented. Raises AuthenticationFailed
        for one that is not alive, PermissionDenied for one that may not."""
        scheme, _, presented = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = live_key(digest_of(presented.strip()), now_or_latest_seen())
        if found is None:
            raise exceptions.AuthenticationFailed("This API key is unknown, expired or revoked.")
        key, _ = found
        if ADMIN_SCOPE not in key.scopes:
            raise exceptions.PermissionDenied("This API key lacks the scope admin.")
        person = key.user or (key.service_account and key.service_account.on_behalf_of)
        if not person:
            raise exceptions.PermissionDenied(
                "This service account acts for nobody, so it has no rights here."
            )
        return person, key

    @override
    def authenticate_header(self, request: Request) -> str:
        """Makes a missing key a 401 rather than a 403."""
        return 'Bearer realm="sluice"'
