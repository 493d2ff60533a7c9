"""Sessions and who is signed in: what every request of staff asks for, by statements that are made once."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.dispatch import Signal
from django.utils import timezone

from accounts.models import Staff
from core.prepared_queries import PARAM, PreparedFirst

# Sent with `session_key` when a session is over. `chat`, which this app does not know, listens.
session_ended = Signal()

_session = PreparedFirst(
    lambda: (
        Session.objects.filter(session_key__being=PARAM)
        .filter(expire_date__since=PARAM)
        .values_list("session_data")
    )
)
_FIELDS = [field.attname for field in Staff._meta.concrete_fields]
_staff = PreparedFirst(lambda: Staff.objects.filter(pk__being=PARAM).order_by().values_list(*_FIELDS))


class SessionStore(db.SessionStore):
    """Django's, read by one statement. Its end is announced: a console of it is open on some process."""

    def load(self) -> dict[str, Any]:
        key = self.session_key
        # PostgreSQL does not even look for a text with a zero in it, and a cookie may name one.
        found = _session.first(1, key, timezone.now()) if key and "\x00" not in key else []
        if not found:
            self._session_key = None
            return {}
        return dict(self.decode(found[0][0]))

    def delete(self, session_key: str | None = None) -> None:
        """Ends a session: at sign-out, at a sign-in that replaces it, and when its account's password has changed."""
        session_key = session_key or self.session_key
        super().delete(session_key)
        if session_key:
            session_ended.send(type(self), session_key=session_key)


class Backend(ModelBackend):
    """Django's, which reads a member of staff by one statement."""

    def get_user(self, user_id: Any) -> Staff | None:
        found = _staff.first(1, int(user_id))
        if not found:
            return None
        staff = Staff.from_db("default", _FIELDS, found[0])
        return staff if self.user_can_authenticate(staff) else None
