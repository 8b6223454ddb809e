"""An estimate and a sheet in words, for people who live in a shell."""

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.batches.sheets.budgets import BudgetLeft
from gateway.inference.limits import AtEnd

NAMES = {
    "on_prem": "On-prem",
    "on_prem_masked": "On-prem, masked",
    "private_cloud": "Private cloud",
    "private_cloud_masked": "Private cloud, masked",
    "cloud": "Cloud",
    "cloud_masked": "Cloud, masked",
}


def estimate_lines(estimate: dict[str, Any]) -> Iterator[str]:
    """Where the rows would go and what it would take."""
    yield f"{estimate['rows']} rows. Nothing has been sent."
    for each in estimate["destinations"]:
        name = NAMES.get(each["name"], each["name"])
        yield f"  {name:<22}{each['rows']:>8}  {each['deployment']}"
    for each in estimate["held"]:
        rules = f" ({', '.join(each['rules'])})" if each["rules"] else ""
        yield f"  {'Blocked':<22}{each['rows']:>8}  {each['code']}{rules}: {each['sentence']}"
    if estimate["every_row_has"]:
        found = ", ".join(estimate["every_row_has"])
        yield f"The prompt itself holds {found}, so every row does."
    tokens = estimate["tokens"]
    assumed = " (assumed: set --max-tokens)" if tokens["output_is_assumed"] else ""
    yield f"Tokens: {tokens['input']} in, up to {tokens['output_most']} out{assumed}."
    yield f"Cost: {_cost(estimate['cost_usd'])}. Time: {_time(estimate['time_s'])}."


def budget_lines(budgets: Iterable[BudgetLeft]) -> Iterator[str]:
    """What is left of each budget, and whether that is enough."""
    for each in budgets:
        of = "in all" if each.period == "total" else f"this {each.period}"
        left = "" if each.left_usd is None else f"{each.left_usd:f} USD left, "
        if each.enough is None:
            verdict = "the cost is unknown"
        elif each.enough:
            verdict = "enough"
        elif not each.hard:
            verdict = "not enough for the highest cost; it warns and refuses nothing"
        elif each.at_end is AtEnd.ON_PREM:
            verdict = "not enough for the highest cost; what costs nothing goes on"
        else:
            verdict = "not enough for the highest cost; rows would be refused"
        yield f"Budget {each.name} ({each.scope.value}, {of}): {left}{verdict}."


def sheet_lines(told: dict[str, Any]) -> Iterator[str]:
    """One sheet: its state, its counts, and what failed why."""
    counts = told["counts"]
    reason = f" ({told['reason']})" if told["reason"] else ""
    yield f"{told['id']}  {told['name']}  {told['status']}{reason}"
    yield (
        f"  {counts['rows']} rows: {counts['completed']} answered, {counts['failed']} failed, "
        f"{counts['pending']} left, {counts['examples']} examples"
    )
    for code, rows in told["failures"].items():
        yield f"  failed: {rows} {code}"
    usage = told["usage"]
    unpriced = f", {usage['unpriced']} answers without a known price" if usage["unpriced"] else ""
    yield (
        f"  tokens: {usage['prompt_tokens']} in, {usage['completion_tokens']} out; "
        f"{usage['cost_usd']} USD{unpriced}"
    )


def _cost(cost: dict[str, str] | None) -> str:
    if cost is None:
        return "unknown, because nobody knows the price of a deployment"
    return f"{cost['least']} to {cost['most']} USD"


def _time(time: dict[str, int] | None) -> str:
    if time is None:
        return "unknown, because a deployment has not answered anybody yet"
    return f"{time['least']} to {time['most']} s"
