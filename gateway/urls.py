"""Addresses of everything Django serves. `/v1` is dispatched ahead of Django, in `gateway.asgi`."""

from django.urls import URLPattern, URLResolver, include, path

from gateway.admin_api.admin_site import site

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", site.urls),
    path("api/", include("gateway.admin_api.urls")),
    path("", include("frontend.urls")),
]

handler404 = "gateway.admin_api.errors.page_not_found"
