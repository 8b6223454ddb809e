"""Leases: rate limits, budgets and usage, reserved without a store call per request."""
