"""Users, projects, memberships, groups, service accounts and API keys."""
