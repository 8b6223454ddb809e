"""Deployments, model aliases, grants, encrypted credentials."""
