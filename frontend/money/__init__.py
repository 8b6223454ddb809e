"""What was used and what it cost; what may be spent, and how that stands."""
