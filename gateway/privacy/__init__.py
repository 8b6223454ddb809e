"""A person's data: gathered for them, and erased, everywhere."""
