"""`make run`: the store, the demo models, the web process, the worker and the loader, as one."""
