"""Addresses of a policy's pages: each for the organisation and for a project."""

from collections.abc import Iterator

from django.urls import URLPattern, path

from frontend.policies.approvals import approvals_page
from frontend.policies.recipe_page import recipes_page
from frontend.policies.rule_page import rule_page
from frontend.policies.views import diff_page, policy_page
from frontend.policies.workshop import draft_page

_PAGES = (
    ("", policy_page, "policy"),
    ("draft/", draft_page, "policy-draft"),
    ("draft/rule/", rule_page, "policy-rule"),
    ("recipes/", recipes_page, "policy-recipes"),
    ("compare/", diff_page, "policy-diff"),
)


def _paths() -> Iterator[URLPattern]:
    for end, view, name in _PAGES:
        yield path(f"policy/{end}", view, name=f"organisation-{name}")
        yield path(f"p/<slug:slug>/policy/{end}", view, name=f"project-{name}")
    yield path("approvals/", approvals_page, name="approvals")


urlpatterns = list(_paths())
