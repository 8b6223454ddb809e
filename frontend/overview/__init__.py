"""The overview: how the day went, what needs somebody, and the first steps of an installation."""
