"""Stored files: uploads and results of a project, encrypted at rest, deleted for real."""
