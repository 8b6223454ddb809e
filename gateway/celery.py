"""The Celery application. Tasks take ids, call one service, are idempotent."""

import os
import warnings

from celery import Celery, signals
from celery.exceptions import SecurityWarning
from celery.schedules import crontab
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")  # noqa: TID251

# It warns of root because of pickle. Messages are JSON here, and in a container root is usual.
warnings.filterwarnings("ignore", message="You're running the worker", category=SecurityWarning)

app = Celery("sluice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Whoever has something to tell a worker (a request, a batch's loop) does not wait for a broker that
# is away: 6 s otherwise. What it would have told is in the database, and the sweeps find it.
app.conf.broker_transport_options = {
    "max_retries": 0,
    "socket_connect_timeout": 2.0,
    # In the order of `task_queues`: whoever is free takes what is no batch's first.
    "queue_order_strategy": "priority",
}
# Two queues, so that workers may be kept for one of them.
app.conf.task_queues = [Queue("default"), Queue("batches")]
app.conf.task_routes = {"batches.*": {"queue": "batches"}, "sheets.*": {"queue": "batches"}}
app.conf.beat_scheduler = "gateway.beat:Scheduler"
app.conf.beat_schedule = {
    "seal-the-audit": {"task": "audit.seal", "schedule": 60.0},
    "stream-the-audit": {"task": "audit.stream", "schedule": 10.0},
    "prune-the-audit": {"task": "audit.prune", "schedule": crontab(hour=2, minute=41)},
    "clear-expired-sessions": {
        "task": "accounts.clear_expired_sessions",
        "schedule": crontab(hour=3, minute=17),
    },
    "sweep-content": {"task": "content.sweep", "schedule": crontab(minute=23)},
    # Whatever a killed worker left is found within seconds; two small queries when nothing is.
    "sweep-batches": {"task": "batches.sweep", "schedule": 5.0, "options": {"expires": 30}},
    "forget-batch-rows": {"task": "batches.forget_rows", "schedule": crontab(hour=4, minute=11)},
    "forget-usage": {"task": "usage.forget_old", "schedule": crontab(hour=4, minute=31)},
    "forget-sheets": {"task": "sheets.forget_old", "schedule": crontab(hour=4, minute=41)},
    "forget-conversations": {"task": "chat.forget_old", "schedule": crontab(hour=4, minute=51)},
    "look-at-budgets": {
        "task": "usage.look_at_budgets",
        "schedule": 10.0,
        "options": {"expires": 30},
    },
    "sweep-sheets": {"task": "sheets.sweep", "schedule": 3.0, "options": {"expires": 30}},
    "sweep-files": {"task": "files.sweep", "schedule": 60.0},
    "sweep-conversations": {"task": "chat.sweep", "schedule": 300.0},
}


@signals.worker_init.connect
def _refuse_wrong_settings(**_: object) -> None:
    # Celery's own look at the checks throws away what they found.
    from gateway.checks import why_not_to_start  # noqa: PLC0415 -- needs the applications loaded

    if problem := why_not_to_start(signs=True):
        raise SystemExit(problem)
