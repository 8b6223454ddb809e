"""The OpenAI-compatible /v1: plain ASGI, thin."""
