"""The settings of `startproject` and the Channels tutorial, without DEBUG, with persistent connections to
PostgreSQL."""

import os

import dj_database_url

SECRET_KEY = os.environ["TUTORIAL_SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "daphne",
    "tests.bench.tutorial",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.bench.tutorial.urls"
ASGI_APPLICATION = "tests.bench.tutorial.asgi.application"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["TUTORIAL_REDIS_URL"]], "capacity": 2000},
    }
}
DATABASES = {"default": dict(dj_database_url.parse(os.environ["TUTORIAL_DATABASE_URL"], conn_max_age=None))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
