"""The door, and the pages of one's own account."""
