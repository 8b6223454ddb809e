"""Batches: many requests in one file, each row through the one request path."""
