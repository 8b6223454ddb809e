"""Kept prompts and answers: encrypted under keys of their project and person, for some days."""
