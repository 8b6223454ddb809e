"""Addresses of pages that may not be there in every build."""

from django.urls import NoReverseMatch, reverse


def address_of(route: str, **fields: str) -> str:
    """Where a page is; empty: there is no such page."""
    try:
        return reverse(route, kwargs=fields or None)
    except NoReverseMatch:
        return ""
