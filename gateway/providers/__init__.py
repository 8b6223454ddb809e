"""Upstream adapters: one destination per call, only what a permit names. Async, no Django."""
