"""Vendors' prices, from a dated file of facts that is part of this package.

The file is drawn from LiteLLM's price map by `manage.py prices update` and holds per-token prices
and output limits only. LiteLLM itself is never imported here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final

from gateway.inference.prices import LongContext, Price

FILE: Final = "prices.json"
# Vendors whose models the map files under several names.
_FAMILIES: Final = {
    "bedrock": ("bedrock_converse",),
    "vertex_ai": (
        "vertex_ai-language-models",
        "vertex_ai-anthropic_models",
        "vertex_ai-mistral_models",
        "vertex_ai-llama_models",
    ),
    "text-completion-openai": ("openai",),
    "openai": ("text-completion-openai",),
}
# Who answers at an address that speaks OpenAI's dialect.
_HOSTS: Final = {
    "api.openai.com": "openai",
    "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.together.xyz": "together_ai",
    "api.x.ai": "xai",
    "api.perplexity.ai": "perplexity",
    "generativelanguage.googleapis.com": "gemini",
}


def vendor_at(host: str) -> str:
    """The vendor behind a host, as the map names it; empty when it is not known."""
    if host.endswith((".openai.azure.com", ".cognitiveservices.azure.com")):
        return "azure"
    return _HOSTS.get(host, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model of the map."""

    price: Price
    max_output_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMap:
    """The whole file. Keys are `vendor/model`."""

    dated: str
    litellm_version: str
    models: Mapping[str, Mapping[str, Any]]

    @property
    def source(self) -> str:
        """The map's name, for people."""
        return f"price map of {self.dated} (LiteLLM {self.litellm_version})"

    def find(self, vendor: str, model: str) -> KnownModel | None:
        """What is known of a vendor's model; None when it is not in the map."""
        for name in (vendor, *_FAMILIES.get(vendor, ())):
            found = self.models.get(f"{name}/{model}")
            if found is not None:
                return _known(found, self.source)
        return None


@cache
def price_map() -> PriceMap:
    """The shipped map; read once."""
    text = (resources.files("gateway.usage") / "data" / FILE).read_text(encoding="utf-8")
    data = json.loads(text)
    return PriceMap(
        dated=data["dated"], litellm_version=data["litellm_version"], models=data["models"]
    )


def _known(facts: Mapping[str, Any], source: str) -> KnownModel:
    long = facts.get("long_context")
    return KnownModel(
        price=Price(
            input=Decimal(facts["input"]),
            output=Decimal(facts["output"]),
            cached_input=_decimal(facts, "cached_input"),
            cache_write=_decimal(facts, "cache_write"),
            long_context=None
            if long is None
            else LongContext(
                above=long["above"],
                input=Decimal(long["input"]),
                output=Decimal(long["output"]),
                cached_input=_decimal(long, "cached_input"),
            ),
            source=source,
        ),
        max_output_tokens=facts.get("max_output_tokens"),
    )


def _decimal(facts: Mapping[str, Any], name: str) -> Decimal | None:
    return Decimal(facts[name]) if name in facts else None
