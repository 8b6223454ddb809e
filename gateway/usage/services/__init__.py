"""Usage, budgets, limits and prices for pages, the admin API and the configuration file."""
