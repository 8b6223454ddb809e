"""Who is behind a destination, in the words of OpenTelemetry's conventions for generative AI.

`gen_ai.provider.name` has a list of well-known values; what is not on it may have one of its own.
A server of our own that speaks OpenAI's dialect is not OpenAI, and is not said to be.
"""

from typing import Final
from urllib.parse import urlsplit

from gateway.providers.calls import Destination
from gateway.usage.price_map import vendor_at

# LiteLLM's name -> the conventions'.
_WELL_KNOWN: Final = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "deepseek": "deepseek",
    "gemini": "gcp.gemini",
    "groq": "groq",
    "mistral": "mistral_ai",
    "openai": "openai",
    "perplexity": "perplexity",
    "text-completion-openai": "openai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
_BEYOND_PRICES: Final = {"api.anthropic.com": "anthropic", "api.cohere.com": "cohere"}


def provider_name(to: Destination) -> str:
    """`openai`, `anthropic`, `aws.bedrock`, …; a vendor that the conventions do not know as LiteLLM
    names it; else how it is spoken to (`openai_compatible`)."""
    host = (urlsplit(to.base_url).hostname or "").lower()
    vendor = to.options.get("litellm_provider") or vendor_at(host) or _BEYOND_PRICES.get(host, "")
    return _WELL_KNOWN.get(vendor, vendor) or to.provider
