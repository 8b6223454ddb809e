"""Wire formats, sans-IO: OpenAI requests, answers, server-sent events, usage, errors. No Django."""
