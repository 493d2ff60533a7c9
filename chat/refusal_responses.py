"""The JSON response to a refused HTTP request, for the widget and the console alike."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from msgspec import to_builtins

from chat.protocol import RefusedFrame
from chat.realtime import metrics
from core.refusals import Refusal

P = ParamSpec("P")


def refusal_response(refusal: Refusal, client_id: str = "") -> HttpResponse:
    """Return the JSON response `{"refused": {...}}` with the refusal's status, in the form of the socket's frame.

    The refusal is counted in the metrics.
    """
    metrics.refused.labels(refusal.code).inc()
    frame = RefusedFrame(
        refusal.code, str(refusal.text), client_id, refusal.retry_after_ms, refusal.field, refusal.limit
    )
    response = JsonResponse({"refused": to_builtins(frame)}, status=refusal.http_status)
    if refusal.retry_after_ms:
        # Round up to whole seconds.
        response["Retry-After"] = str(-(-refusal.retry_after_ms // 1000))
    return response


def answer_refusals(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponseBase]:
    """Decorate a view so that a Refusal becomes a JSON response in the active language.

    Every response of the view gets a header that forbids caching.
    """

    @wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            response = view(*args, **kwargs)
        except Refusal as refusal:
            response = refusal_response(refusal)
        response["Cache-Control"] = "no-store"
        return response

    return wrapped
