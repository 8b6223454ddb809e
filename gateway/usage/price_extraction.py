"""Draws the file of prices from the price map that the installed LiteLLM brings along.

The map is read as a file: importing LiteLLM costs seconds and asks the network. Kept are prices
per token and limits of output, for models that answer in text or vectors.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import Any, Final

_MAP: Final = "litellm/model_prices_and_context_window_backup.json"
_MODES: Final = frozenset({"chat", "completion", "embedding", "responses"})
_LONG: Final = re.compile(r"^input_cost_per_token_above_(\d+)k_tokens$")
_MILLION: Final = Decimal(1_000_000)


class PricesUnreadable(Exception):
    """The installed LiteLLM has no price map where it is expected."""


def extract(*, dated: date) -> dict[str, Any]:
    """The contents of the file of prices, as of a day. Raises PricesUnreadable."""
    try:
        package = metadata.distribution("litellm")
        path = Path(str(package.locate_file(_MAP)))
        entries = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (metadata.PackageNotFoundError, OSError, ValueError) as error:
        raise PricesUnreadable(f"no price map of LiteLLM: {type(error).__name__}") from error
    models: dict[str, Any] = {}
    for name, entry in sorted(entries.items()):
        key, facts = _model(name, entry)
        # The first of two names for one model is the plain one.
        if facts is not None and key not in models:
            models[key] = facts
    return {
        "about": "US dollars per million tokens. Facts drawn from LiteLLM's price map.",
        "dated": dated.isoformat(),
        "litellm_version": package.version,
        "models": dict(sorted(models.items())),
    }


def write(path: Path, *, dated: date) -> int:
    """Write the file; one line a model, so that changes can be read. Returns how many models."""
    data = extract(dated=dated)
    models = data.pop("models")
    head = json.dumps(data, indent=1, ensure_ascii=True)[1:-2]
    lines = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in models.items()
    )
    path.write_text(f'{{{head},\n "models": {{\n{lines}\n }}\n}}\n', encoding="utf-8")
    return len(models)


def _model(name: str, entry: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    vendor = entry.get("litellm_provider")
    if entry.get("mode") not in _MODES or not vendor or "input_cost_per_token" not in entry:
        return "", None
    model = name.removeprefix(f"{vendor}/")
    facts: dict[str, Any] = {
        "input": _per_million(entry["input_cost_per_token"]),
        "output": _per_million(entry.get("output_cost_per_token") or 0),
    }
    for ours, theirs in (
        ("cached_input", "cache_read_input_token_cost"),
        ("cache_write", "cache_creation_input_token_cost"),
    ):
        if entry.get(theirs) is not None:
            facts[ours] = _per_million(entry[theirs])
    long = _long_context(entry)
    if long is not None:
        facts["long_context"] = long
    limit = entry.get("max_output_tokens")
    if isinstance(limit, int) and limit > 0 and entry["mode"] != "embedding":
        facts["max_output_tokens"] = limit
    return f"{vendor}/{model}", facts


def _long_context(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    found = [match for match in map(_LONG.match, entry) if match is not None]
    if not found:
        return None
    # More than one step is rare; the lowest one, at the highest prices, is never too cheap.
    above = min(int(match[1]) for match in found)
    names = [match[1] for match in found]
    inputs = [entry[f"input_cost_per_token_above_{name}k_tokens"] for name in names]
    outputs = [entry.get(f"output_cost_per_token_above_{name}k_tokens") or 0 for name in names]
    cached = [entry.get(f"cache_read_input_token_cost_above_{name}k_tokens") for name in names]
    long = {
        "above": above * 1000,
        "input": _per_million(max(inputs)),
        "output": _per_million(max([*outputs, entry.get("output_cost_per_token") or 0])),
    }
    stated = [each for each in cached if each is not None]
    if len(stated) == len(cached):
        long["cached_input"] = _per_million(max(stated))
    return long


def _per_million(price: Any) -> str:
    return format((Decimal(price) * _MILLION).normalize(), "f")
