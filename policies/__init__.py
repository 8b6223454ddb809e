"""What may go where: the pure policy core and the Django services around it."""
