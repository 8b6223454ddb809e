"""`manage.py doctor`: is everything right, and if not, what to do."""
