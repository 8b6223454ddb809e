"""The one trigger that every number of nine and more digits wakes, however it is grouped."""

from policies.classification.spans import Trigger

# Nine digits with at most three separators in between. It fires at each digit from the ninth on,
# so that a long number opens one region from its first digit to its last.
NINE_DIGITS = Trigger(r"\d(?:[ ./()_-]{0,3}\d){8}", back=48, ahead=12)
