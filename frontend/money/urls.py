"""Addresses of the pages about money."""

from django.urls import URLPattern, path

from frontend.money import budgets, usage

urlpatterns: list[URLPattern] = [
    path("usage/", usage.usage_page, name="usage"),
    path("usage/usage.csv", usage.usage_file, name="usage-file"),
    path("budgets/", budgets.budgets_page, name="budgets"),
    path("budgets/edit/", budgets.budget_page, name="budget"),
    path("budgets/limits/", budgets.limits_page, name="limits"),
]
