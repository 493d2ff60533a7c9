"""The configuration of the app `server`: it wraps Django with request limits, threads, probes and shutdown."""

from django.apps import AppConfig


class ServerConfig(AppConfig):
    name = "server"

    def ready(self) -> None:
        from server import system_checks  # noqa: F401  (registers the system checks)
