"""The team chat: takes the one request path like everybody else."""
