"""Commands of the policy core."""
