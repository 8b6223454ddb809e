"""Signing in: passwords, second factors, an identity provider, sessions."""
