"""The one trigger that every number of nine and more digits wakes, however it is grouped."""

from policies.classification.spans import Trigger

# Nine digits with at most three separators in between, from the start of a group of digits. It
# fires once per group, as long as nine digits follow; the last group of a number starts at most
# eight digits before its end.
NINE_DIGITS = Trigger(r"[^\d]\d(?:[ ./()_-]{0,3}\d){8}", back=64, ahead=56)
