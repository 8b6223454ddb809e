"""The control plane as plain data in memory, refreshed within a second of a commit."""
