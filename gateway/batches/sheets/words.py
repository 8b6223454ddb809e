"""Names that several modules share."""

KIND = "sheet"  # of a batch
STATUS_COLUMNS = ("_status", "_zone", "_model", "_rule", "_masked", "_tokens", "_cost", "_error")
POLICY_CHANGED = "policy_changed"


def row_name(number: int) -> str:
    """A row's `custom_id` in its run's batch."""
    return f"row-{number}"


def row_number(name: str) -> int:
    """The row of a `custom_id`."""
    return int(name.removeprefix("row-"))
