"""The audit's pages: who sent what kind of data where, when and why; and what was changed."""
