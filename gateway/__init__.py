"""Sluice: a gateway for large language models that decides by policy where data may go."""
