"""Spreadsheets: every row of a table becomes a prompt, and its answer comes back beside it."""
