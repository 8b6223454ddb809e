"""What every process is told, by the environment. Every variable is listed in docs/interfaces.md.

State lives under `SLUICE_VAR` (default `var/`). Without `DATABASE_URL` and `REDIS_URL` this is
the embedded default: SQLite in WAL mode and a private Valkey on a unix socket, for one web
process and one worker.
"""

import logging
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from cryptography.fernet import Fernet

from gateway import environment, login_settings
from gateway.login_settings import *  # noqa: F403 -- names that django-allauth reads
from gateway.secret_files import read_or_create_secret
from gateway.store_urls import broker_url, with_password

BASE_DIR = Path(__file__).resolve().parent.parent
# Whatever this process writes (database, journal, exports) is its owner's alone.
os.umask(0o077)
VAR_DIR = environment.folder("SLUICE_VAR", BASE_DIR / "var")

# --- Where it is reached -------------------------------------------------------------------
HOST = os.environ.get("SLUICE_HOST", "127.0.0.1")
PORT = environment.number("PORT", 8000, at_most=65_535)
PUBLIC_URL = os.environ.get("SLUICE_PUBLIC_URL", f"http://{HOST}:{PORT}").rstrip("/")
_public_host = PUBLIC_URL.split("://", 1)[-1].split("/", 1)[0].rsplit(":", 1)[0]
ALLOWED_HOSTS = sorted(
    {"127.0.0.1", "localhost", "[::1]", _public_host, *environment.words("SLUICE_ALLOWED_HOSTS")}
)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
_https = PUBLIC_URL.startswith("https://")
# Proxies whose X-Forwarded-For and X-Forwarded-Proto count (gateway.forwarded); nobody else's do.
TRUSTED_PROXIES = environment.networks("SLUICE_TRUSTED_PROXIES", "")

# --- Secrets -------------------------------------------------------------------------------
# The embedded default: SQLite and a private store, one web process and one worker.
_database_url = environment.secret("DATABASE_URL")
EMBEDDED = not _database_url
# Secrets that only the embedded default makes for itself: several processes must have the same.
# `sluice.E006` refuses to start with any in this list.
MISSING_SECRETS: list[str] = []


def _own_secret(name: str, file: str) -> str:
    if EMBEDDED:
        return read_or_create_secret(VAR_DIR / file)
    MISSING_SECRETS.append(name)
    return secrets.token_urlsafe(48)  # of this process alone, until it is refused


# A key a line: the first one signs, all are accepted, so that it may be replaced.
SECRET_KEY, *SECRET_KEY_FALLBACKS = (
    environment.secret("SLUICE_SECRET_KEY") or _own_secret("SLUICE_SECRET_KEY", "secret.key")
).split("\n")


def _key_encryption_key() -> str | Path:
    name = "SLUICE_KEY_ENCRYPTION_KEY"
    given = environment.secret(name)
    place = os.environ.get(f"{name}_FILE")
    if place:
        return Path(place).resolve()
    if given:
        return given
    _own_secret(name, "kek.key")
    return VAR_DIR / "kek.key" if EMBEDDED else Fernet.generate_key().decode("ascii")


# What seals secrets at rest: keys, the first one seals, all of them open. Their text, or the file
# they are in, which is read again when it changes (gateway.key_encryption).
KEY_ENCRYPTION_KEY: str | Path = _key_encryption_key()
DEBUG = False

# --- Stores --------------------------------------------------------------------------------
if EMBEDDED:
    DATABASES: dict[str, Any] = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR_DIR / "sluice.sqlite3",
            "OPTIONS": {
                # A writer waits for its turn instead of failing half-way through.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                "PRAGMA secure_delete=ON;",
            },
            # A file, so that tests with several processes see one database.
            "TEST": {"NAME": os.environ.get("SLUICE_TEST_DB") or None},
        }
    }
else:
    # CONN_MAX_AGE stays 0: under ASGI a kept connection per thread exhausts the server.
    DATABASES = {"default": dict(dj_database_url.parse(_database_url or "", conn_max_age=0))}
    if _password := environment.secret("DATABASE_PASSWORD"):
        DATABASES["default"]["PASSWORD"] = _password
VALKEY_SOCKET = VAR_DIR / "valkey.sock"
REDIS_URL = environment.secret("REDIS_URL") or f"unix://{VALKEY_SOCKET}"
if _password := environment.secret("REDIS_PASSWORD"):
    REDIS_URL = with_password(REDIS_URL, _password)
CELERY_BROKER_URL = broker_url(REDIS_URL)

# --- The boundary --------------------------------------------------------------------------
# Addresses an on_prem deployment may resolve to, checked at every connect.
ON_PREM_NETWORKS = environment.networks("SLUICE_ON_PREM_NETWORKS", "127.0.0.0/8 ::1/128")
SNAPSHOT_POLL = timedelta(milliseconds=250)
JOURNAL_DIR = VAR_DIR / "journal"
# Signs the heads of the audit; made at the first start.
AUDIT_KEY_FILE = Path(os.environ.get("SLUICE_AUDIT_KEY") or VAR_DIR / "audit.key").resolve()
AUDIT_KEY_GIVEN = bool(os.environ.get("SLUICE_AUDIT_KEY"))
# Where heads are kept, and where events go, outside of this installation's reach.
AUDIT_ANCHORS = environment.words("SLUICE_AUDIT_ANCHORS")
AUDIT_STREAMS = environment.words("SLUICE_AUDIT_STREAMS")
# Whatever may leave on-prem is committed to the database before it does.
AUDIT_STRICT = environment.flag("SLUICE_AUDIT_STRICT")
# Where alerts of budgets go out: smtp://, smtp+tls:// (STARTTLS), smtps://.
_mail = urlsplit(os.environ.get("SLUICE_EMAIL_URL") or "")
if _mail.scheme not in {"", "smtp", "smtp+tls", "smtps"}:
    environment.refuse("SLUICE_EMAIL_URL", "begins with another word than smtp, smtp+tls or smtps.")
EMAIL_HOST = _mail.hostname or ""
EMAIL_PORT = _mail.port or {"smtps": 465, "smtp+tls": 587}.get(_mail.scheme, 25)
EMAIL_HOST_USER = unquote(_mail.username or "")
EMAIL_HOST_PASSWORD = unquote(_mail.password or "")
EMAIL_USE_SSL = _mail.scheme == "smtps"
EMAIL_USE_TLS = _mail.scheme == "smtp+tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = os.environ.get("SLUICE_EMAIL_FROM") or "sluice@localhost"
MAX_BODY_BYTES = environment.number("SLUICE_MAX_BODY_BYTES", 20 * 1024 * 1024, at_most=1024**3)
CONFIG_FILE = Path(os.environ["SLUICE_CONFIG"]) if os.environ.get("SLUICE_CONFIG") else None
# A long chat is sent whole with each message.
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
# Django spools larger bodies to a plain file: what is taken at all stays in memory.
FILE_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
# Vendors whose key stands in the environment are proposals, disabled until confirmed.
VENDOR_KEYS = {
    vendor: credential
    for vendor, credential in (
        ("openai", environment.secret("OPENAI_API_KEY")),
        ("anthropic", environment.secret("ANTHROPIC_API_KEY")),
        ("gemini", environment.secret("GEMINI_API_KEY")),
    )
    if credential
}

# --- Django --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "frontend",  # first, so that its templates win over those of the Django admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin",
    "django_htmx",
    *login_settings.LOGIN_APPS,
    "rest_framework",
    "drf_spectacular",
    "gateway.accounts",
    "gateway.deployments",
    "gateway.audit",
    "gateway.telemetry",
    "gateway.content",
    "gateway.usage",
    "policies",
    "gateway.snapshot",
    "gateway.files",
    "gateway.batches",
    "gateway.batches.sheets",
    "gateway.operations",
    "gateway.privacy",
    "gateway.chat",
    "gateway.admin_api",
]
MIDDLEWARE = [
    "frontend.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "frontend.middleware.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "frontend.gate.GateMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "gateway.urls"
ASGI_APPLICATION = "gateway.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "components"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "accounts.User"
CACHES = login_settings.COUNTING_CACHES
OPENID_CONNECT = login_settings.OpenIDConnect(
    issuer=(os.environ.get("SLUICE_OIDC_ISSUER") or "").rstrip("/"),
    client_id=os.environ.get("SLUICE_OIDC_CLIENT_ID") or "",
    client_secret=environment.secret("SLUICE_OIDC_CLIENT_SECRET") or "",
    name=os.environ.get("SLUICE_OIDC_NAME") or "your organisation",
    scopes=tuple(environment.words("SLUICE_OIDC_SCOPES", "openid email profile")),
    groups_claim=os.environ.get("SLUICE_OIDC_GROUPS_CLAIM") or "groups",
)
# Where the provider may be beside public addresses.
OIDC_NETWORKS = (*ON_PREM_NETWORKS, *environment.networks("SLUICE_OIDC_NETWORKS", ""))
SOCIALACCOUNT_PROVIDERS = login_settings.providers(OPENID_CONNECT)
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_SECURE = _https
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "frontend.component_files.ComponentFinder",
]
WHITENOISE_USE_FINDERS = True

# --- Stored files: encrypted before they get here ------------------------------------------
INCOMING_DIR = VAR_DIR / "incoming"
BATCHES_DIR = VAR_DIR / "batches"
# An S3 bucket instead of a local directory; needs requirements/s3.txt. Its access is boto3's:
# AWS_ACCESS_KEY_ID and the like, or the machine's role.
FILES_BUCKET = os.environ.get("SLUICE_FILES_BUCKET") or None
_s3_options = {
    "bucket_name": FILES_BUCKET,
    "endpoint_url": os.environ.get("SLUICE_FILES_ENDPOINT") or None,
    "default_acl": None,
    "file_overwrite": False,
}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "files": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _s3_options}
    if FILES_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": VAR_DIR / "files",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "gateway.admin_api.authentication.APIKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "gateway.admin_api.errors.handle",
    "DEFAULT_SCHEMA_CLASS": "gateway.admin_api.schema.Schema",
}
# The OpenAPI schema of /api, at /api/schema.
SPECTACULAR_SETTINGS = {
    "TITLE": "Sluice, admin API",
    "DESCRIPTION": "Policies and what they are made of. Errors have OpenAI's shape.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- Celery --------------------------------------------------------------------------------
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1

# --- Seeing it run ---------------------------------------------------------------------------
METRICS_KEY = environment.secret("SLUICE_METRICS_KEY")
WORKER_METRICS_PORT = (
    environment.number("SLUICE_WORKER_METRICS_PORT", 1, at_most=65_535)
    if os.environ.get("SLUICE_WORKER_METRICS_PORT")
    else None
)
WORKER_METRICS_HOST = os.environ.get("SLUICE_WORKER_METRICS_HOST") or "127.0.0.1"
# Where traces go (OTLP over HTTP); outside of the on-prem networks only with OTLP_FOREIGN.
OTLP_ENDPOINT = os.environ.get("SLUICE_OTLP_ENDPOINT") or None
OTLP_FOREIGN = environment.flag("SLUICE_OTLP_FOREIGN")

# --- Logs: never content -------------------------------------------------------------------
LOG_LEVEL = (os.environ.get("SLUICE_LOG_LEVEL") or "INFO").upper()
if LOG_LEVEL not in logging.getLevelNamesMapping():
    environment.refuse(
        "SLUICE_LOG_LEVEL", f"is {LOG_LEVEL[:40]!r}; use DEBUG, INFO, WARNING or ERROR."
    )
# `line` for people, `json` for collectors: then with a line per request, too.
LOG_FORMAT = os.environ.get("SLUICE_LOG_FORMAT") or "line"
if LOG_FORMAT not in {"line", "json"}:
    environment.refuse("SLUICE_LOG_FORMAT", f"is {LOG_FORMAT[:40]!r}; use line or json.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "gateway.log_lines.ContentFree",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {"()": "gateway.log_lines.JsonLines"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "loggers": {
        # Uvicorn brings a handler of its own, which writes down what an exception says.
        "uvicorn": {"handlers": ["stderr"], "propagate": False, "level": "WARNING"},
        # Addresses hold anything. Named, because naming its parent would switch it on again.
        "uvicorn.access": {"handlers": [], "propagate": False, "level": "CRITICAL"},
        # What readers of attached files complain of may quote the file.
        "pypdf": {"handlers": [], "propagate": False, "level": "CRITICAL"},
        "charset_normalizer": {"handlers": [], "propagate": False, "level": "CRITICAL"},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
}
