"""Addresses of the admin API."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
