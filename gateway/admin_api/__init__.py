"""The JSON API under /api: the only place that knows Django REST framework."""
