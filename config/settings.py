"""Settings, read from environment variables only. The defaults are safe; docs/settings.md lists all variables."""

import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from config import env

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = Path(env.text("LIANXIN_STATE_DIR", str(BASE_DIR / "var")))
STATE_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.flag("LIANXIN_DEBUG", False)
ALLOWED_HOSTS = env.comma_list("LIANXIN_ALLOWED_HOSTS", "127.0.0.1,localhost")
BEHIND_TLS = env.flag("LIANXIN_BEHIND_TLS", False)


def _secret_key() -> str:
    """Return the secret key from the environment.

    If the environment has none and there is no Redis, the key is generated once and kept in STATE_DIR.
    """
    key = env.text("LIANXIN_SECRET_KEY", "")
    if not key.strip() and env.is_set("LIANXIN_SECRET_KEY"):
        raise ImproperlyConfigured("LIANXIN_SECRET_KEY is set but empty")
    if key:
        if len(key) < 32:
            raise ImproperlyConfigured("LIANXIN_SECRET_KEY is shorter than 32 characters")
        return key
    if env.text("LIANXIN_REDIS_URL", ""):
        raise ImproperlyConfigured("LIANXIN_SECRET_KEY is not set: several processes must share one")
    file = STATE_DIR / "secret-key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(48), encoding="utf-8")
    return file.read_text(encoding="utf-8")


SECRET_KEY = _secret_key()

INSTALLED_APPS = [
    "server",
    "accounts.admin_config.BankAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "import_export",
    "csp",
    "lucide",
    "allauth",
    "allauth.account",
    "core",
    "accounts",
    "chat",
    "routing",
    "knowledge",
    "exams",
    "console",
    "demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.RefusalAuditMiddleware",
    "server.database_unavailable.DatabaseUnavailableMiddleware",
    "server.malformed_values.MalformedValueMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "lucide.templatetags.lucide",
                "accounts.templatetags.form_keys",
            ],
        },
    }
]

# -- Database: PostgreSQL with LIANXIN_DATABASE_URL, otherwise SQLite ----------------------------------------


DATABASE_POOL = env.integer("LIANXIN_DATABASE_POOL", 12)


def _database() -> dict[str, Any]:
    url = env.text("LIANXIN_DATABASE_URL", "")
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": STATE_DIR / "lianxin.sqlite3",
            "OPTIONS": {
                # IMMEDIATE takes the write lock at the start of a transaction, so that no update can deadlock on a lock
                # upgrade. FULL syncs each commit, so that an accepted message is on disk.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    # With health checks, the pool hands out no dead connections after the database has restarted.
    database: dict[str, Any] = dict(dj_database_url.parse(url, conn_health_checks=True))
    if database["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured("LIANXIN_DATABASE_URL: use postgresql://..., or leave it out for SQLite")
    # With these timeouts, senders learn within seconds that the database does not answer. As soon as the database is
    # back, it is used again. The query string of the URL may override the timeouts and set other parameters of libpq.
    options: dict[str, Any] = {
        "connect_timeout": 3,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        # Prepare a statement after five executions. This affects chat.batch_statements and core.prepared_queries only,
        # because statements of the ORM cannot be prepared.
        "prepare_threshold": 5,
        # Plan each prepared statement once. By default, PostgreSQL plans a read of a few conversations at every run,
        # because the plan for a known number of ids looks cheaper. That planning takes longer than the read.
        "options": "-c plan_cache_mode=force_generic_plan",
        **database.get("OPTIONS", {}),
    }
    if DATABASE_POOL:
        options["pool"] = {"min_size": 1, "max_size": DATABASE_POOL, "timeout": 2, "reconnect_timeout": 1}
    return {**database, "OPTIONS": options}


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- Notifications between processes: through Redis, or none for a single process ----------------------------

REDIS_URL = env.text("LIANXIN_REDIS_URL", "")
CHANNEL_LAYERS = (
    {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL], "prefix": "lianxin"},
        }
    }
    if REDIS_URL
    else {}
)

# -- Chat ----------------------------------------------------------------------------------------------------

# The origins of this service as browsers send them, such as https://chat.bank.example. Sockets opened by pages of other
# origins are refused.
OWN_ORIGINS = [origin.lower().rstrip("/") for origin in env.comma_list("LIANXIN_OWN_ORIGINS")]
SWEEP_SECONDS = 1.5
HEARTBEAT_SECONDS = env.integer("LIANXIN_HEARTBEAT_SECONDS", 25, minimum=1)
# Messages that a visitor may send in a second on average. A burst of a dozen is allowed.
POSTS_PER_SECOND = env.integer("LIANXIN_POSTS_PER_SECOND", 1, minimum=1)
# Open visitor sockets allowed for each network address, over all processes.
SOCKETS_PER_ADDRESS = env.integer("LIANXIN_SOCKETS_PER_ADDRESS", 500, minimum=1)
# Minutes for which a customer counts as verified after the bank's site has confirmed the customer's identity.
VERIFIED_MINUTES = env.integer("LIANXIN_VERIFIED_MINUTES", 30, minimum=1)
# The number of the bank's own proxies in front of the server. Only this many entries at the right end of
# X-Forwarded-For are trusted.
PROXY_COUNT = env.integer("LIANXIN_PROXY_COUNT", 0)

# /metrics answers direct connections from these networks, and any request that carries the token.
METRICS_ALLOW = env.networks("LIANXIN_METRICS_ALLOW", "127.0.0.1,::1")
METRICS_TOKEN = env.text("LIANXIN_METRICS_TOKEN", "")

# Whether knowledge points are searched by meaning as well as by words. A separate process computes the embeddings.
LEARNING = env.flag("LIANXIN_LEARNING", True)

# URL that shows a branch on a map; {latitude}, {longitude} and {name} are filled in. An empty value means no link.
MAP_URL = env.text(
    "LIANXIN_MAP_URL", "https://uri.amap.com/marker?position={longitude},{latitude}&name={name}"
)

# Whether / shows the home page of a fictional bank, for demos and trials.
SAMPLE_BANK = env.flag("LIANXIN_SAMPLE_BANK", False)

MEDIA_ROOT = STATE_DIR / "attachments"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o600

# -- Signing in ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.Staff"
AUTHENTICATION_BACKENDS = ["accounts.session_queries.Backend"]
SESSION_ENGINE = "accounts.session_queries"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.MinimumLength", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
ACCOUNT_ADAPTER = "accounts.adapter.ClosedAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "/console/login/"
# allauth's own limits are off: accounts.sign_in has limits that all processes share.
ACCOUNT_RATE_LIMITS = False
ACCOUNT_SESSION_REMEMBER = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/console/"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "console.session_views.csrf_failure"

# -- Headers -------------------------------------------------------------------------------------------------

if BEHIND_TLS:
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    CSRF_TRUSTED_ORIGINS = OWN_ORIGINS
# W008 is silenced because the proxy redirects http to https, W021 because the bank decides whether to join the HSTS
# preload list.
SILENCED_SYSTEM_CHECKS = ["security.W008", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "media-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# -- Approval ------------------------------------------------------------------------------------------------

# Days after which an undecided request for approval expires.
APPROVAL_DAYS = env.integer("LIANXIN_APPROVAL_DAYS", 7, minimum=1)

# -- Knowledge -----------------------------------------------------------------------------------------------

# Maximum number of questions in a staff member's daily drill.
DRILL_A_DAY = env.integer("LIANXIN_DRILL_A_DAY", 10)

# -- Language, time, files -----------------------------------------------------------------------------------

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.text("LIANXIN_TIME_ZONE", "Asia/Shanghai")
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = STATE_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "server.static_files.HashedStorage"
    },
}

LOG_FORMATS = {
    "line": {
        "()": "server.log_format.Formatter",
        "format": "{asctime} {levelname} {name} {message}",
        "style": "{",
    },
    "json": {"()": "server.log_format.JsonFormatter"},
}
LOG_FORMAT = env.text("LIANXIN_LOG_FORMAT", "line")
if LOG_FORMAT not in LOG_FORMATS:
    raise ImproperlyConfigured(f"LIANXIN_LOG_FORMAT is {LOG_FORMAT!r}: use line or json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": LOG_FORMATS,
    "filters": {"throttle": {"()": "server.log_format.Throttle"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["throttle"]}
    },
    "root": {"handlers": ["console"], "level": env.text("LIANXIN_LOG_LEVEL", "INFO")},
    "loggers": {
        "daphne": {"level": "WARNING"},
        # The root logger handles uvicorn's records. uvicorn's access log is off, because the proxy logs requests.
        "uvicorn": {"handlers": [], "propagate": True},
        # At level INFO, this logger would log every opened and closed socket with the client's address.
        "uvicorn.error": {"handlers": [], "propagate": True, "level": "WARNING"},
        "uvicorn.access": {"level": "WARNING"},
        "django.channels.server": {"level": "WARNING"},
        # Django logs responses such as 409 and 422 as warnings, but refusals are part of normal operation.
        "django.request": {"level": "ERROR"},
    },
}
