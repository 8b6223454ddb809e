"""The built-in demo models: real servers that speak the OpenAI dialect, deterministic, tiny.

Run with `python -m gateway.providers.demo --role onprem|cloud --port N` (or `--socket PATH`).
They understand no language. `demo-onprem` answers in a fixed friendly form; `demo-cloud` plays a
vendor and answers with exactly what it received.
"""
