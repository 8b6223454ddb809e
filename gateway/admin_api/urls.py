"""Addresses of the admin API."""

from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularJSONAPIView

from gateway.admin_api.policies.urls import urlpatterns as policies
from gateway.admin_api.recipes import Recipes
from gateway.admin_api.views import Explain, Me

urlpatterns: list[URLPattern] = [
    path("me", Me.as_view(), name="api-me"),
    path("policies/explain", Explain.as_view(), name="api-explain"),
    path("policies/recipes", Recipes.as_view(), name="api-recipes"),
    path("schema", SpectacularJSONAPIView.as_view(), name="api-schema"),
    *policies,
]
