"""The Celery application. Tasks take ids, call one service, are idempotent."""

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")  # noqa: TID251

# It warns of root because of pickle. Messages are JSON here, and in a container root is usual.
warnings.filterwarnings("ignore", message="You're running the worker", category=SecurityWarning)

app = Celery("sluice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "seal-the-audit": {"task": "audit.seal", "schedule": 60.0},
    "stream-the-audit": {"task": "audit.stream", "schedule": 10.0},
    "prune-the-audit": {"task": "audit.prune", "schedule": crontab(hour=2, minute=41)},
    "clear-expired-sessions": {
        "task": "accounts.clear_expired_sessions",
        "schedule": crontab(hour=3, minute=17),
    },
    "sweep-files": {"task": "files.sweep", "schedule": 60.0},
}
