"""A session engine and an authentication backend that use prepared queries. Both run on every request of staff, so
their speed matters."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.dispatch import Signal
from django.utils import timezone

from accounts.models import Staff
from core.prepared_queries import PARAM, PreparedFirst

# This signal is sent with `session_key` when a session has ended. `chat` receives it and closes consoles. A signal is
# used because this app may not import `chat`.
session_ended = Signal()

_session = PreparedFirst(
    lambda: (
        Session.objects.filter(session_key__equals=PARAM)
        .filter(expire_date__since=PARAM)
        .values_list("session_data")
    )
)
_FIELDS = [field.attname for field in Staff._meta.concrete_fields]
_staff = PreparedFirst(lambda: Staff.objects.filter(pk__equals=PARAM).order_by().values_list(*_FIELDS))


class SessionStore(db.SessionStore):
    """Django's database session store, but read with a prepared query.

    It sends `session_ended` when a session ends, because any server process may have an open console of that session.
    """

    def load(self) -> dict[str, Any]:
        key = self.session_key
        # A cookie may contain NUL, and PostgreSQL raises an error for a text parameter that contains it.
        rows = _session.first(1, key, timezone.now()) if key and "\x00" not in key else []
        if not rows:
            self._session_key = None
            return {}
        return dict(self.decode(rows[0][0]))

    def delete(self, session_key: str | None = None) -> None:
        """Delete a session and announce its end. Django calls this at sign-out, and when a sign-in or a new password
        replaces a session."""
        session_key = session_key or self.session_key
        super().delete(session_key)
        if session_key:
            session_ended.send(type(self), session_key=session_key)


class Backend(ModelBackend):
    """Django's authentication backend, which reads the staff member with a prepared query."""

    def get_user(self, user_id: Any) -> Staff | None:
        rows = _staff.first(1, int(user_id))
        if not rows:
            return None
        staff = Staff.from_db("default", _FIELDS, rows[0])
        return staff if self.user_can_authenticate(staff) else None
