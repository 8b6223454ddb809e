"""A pytest plugin, `-p tests.support.own_store`: of tests that run two at once, each process has a
numbered database of its own on the Redis that `REDIS_URL` names. It must come before the settings;
Django gives each process a PostgreSQL database of its own by itself.
"""

import os

from tests.support.databases import new_store

if os.environ.get("PYTEST_XDIST_WORKER") and os.environ.get("REDIS_URL"):
    os.environ["REDIS_URL"] = new_store(os.environ["REDIS_URL"])
