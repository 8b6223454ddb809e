"""The Django admin: everything of ours can be looked at, nothing can be changed.

Every model of our applications is registered by going through them, so a new one is not
forgotten. Changes go through services only; the site's own log-in and password pages are left
out, because the pages of the application record those events.

INVARIANT: a field that holds a secret, or words a team wants to hide, is never shown, and no list
can be filtered by it.
"""

import re
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from typing_extensions import override

OUR_APPS = ("accounts", "deployments", "policies", "usage", "audit", "chat", "batches")
HIDDEN = re.compile(r"^(password|credential|digest|secret.*|words)$")
_SHOWN = 8


if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[models.Model]
else:
    _ModelAdmin = admin.ModelAdmin  # not generic when it runs


class ReadOnlyAdmin(_ModelAdmin):
    """Lists and shows rows; offers no way to change one."""

    actions = None

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @override
    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Nobody asks the list for a hidden column: its answers would spell it out."""
        if any(HIDDEN.match(part) for part in lookup.split("__")):
            return False
        return super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]


class ReadOnlySite(admin.AdminSite):
    """The admin without pages that change something."""

    site_header = "Sluice (read-only)"
    site_title = "Sluice"
    site_url = "/"
    enable_nav_sidebar = False

    @override
    def get_urls(self) -> list[URLPattern | URLResolver]:
        left_out = {"password_change", "password_change_done"}
        return [url for url in super().get_urls() if getattr(url, "name", None) not in left_out]

    @override
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The pages' log-in, for those who are not logged in; others are not admitted."""
        if request.user.is_authenticated:
            return HttpResponse("The admin is for admins and auditors.", status=403)
        return redirect_to_login(request.GET.get("next", request.get_full_path()))


def register_everything(site: admin.AdminSite) -> None:
    """Register every model of our applications, secrets left out."""
    for label in OUR_APPS:
        if label not in apps.app_configs:
            continue
        for model in apps.get_app_config(label).get_models():
            site.register(model, read_only_admin_for(model))


def read_only_admin_for(model: type[models.Model]) -> type[ReadOnlyAdmin]:
    """The admin class of one model: its columns in order, the hidden ones left out."""
    names = [field.name for field in model._meta.concrete_fields if not HIDDEN.match(field.name)]
    hidden = [field.name for field in model._meta.concrete_fields if HIDDEN.match(field.name)]
    listed = [
        field.name
        for field in model._meta.concrete_fields
        if field.name in names and not isinstance(field, models.TextField | models.JSONField)
    ]
    return type(
        f"{model.__name__}Admin",
        (ReadOnlyAdmin,),
        {"list_display": listed[:_SHOWN] or names[:1], "exclude": hidden, "list_per_page": 50},
    )


site = ReadOnlySite(name="admin")
register_everything(site)
