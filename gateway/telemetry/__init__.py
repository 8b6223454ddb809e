"""Seeing it run: metrics, traces, a line per request. All of it from what the journal got."""
