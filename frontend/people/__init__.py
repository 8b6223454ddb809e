"""Pages of projects, people, keys, invitations and roles."""
