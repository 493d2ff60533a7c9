"""The widget for a bank's website: its loader script, its site script and its page; and the sample bank's page."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import decorator_from_middleware
from django.utils.html import json_script
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from accounts.models import Department
from chat import access
from chat.attachments.file_types import allowed_types
from chat.errors import NotFound
from chat.languages import language_code
from chat.models import FormField, Site
from chat.widget import ui_strings

# Matches the indentation in the template. It is removed, because the page holds no text in which line breaks matter.
LAYOUT = re.compile(r"\n\s+")
# The attributes of every icon; widget.css sets them once for all icons.
STROKES = ' fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
SCRIPT = "text/javascript; charset=utf-8"
LOADER_SECONDS = 300


@cache
def _loader() -> bytes:
    """Return the loader script: the minified file from `collectstatic`, or the source file if LIANXIN_DEBUG is set or
    there is no minified file."""
    collected = Path(settings.STATIC_ROOT) / "widget" / "loader.js"
    source = Path(settings.BASE_DIR) / "static" / "widget" / "loader.js"
    is_collected = not settings.DEBUG and collected.exists()
    return (collected if is_collected else source).read_bytes()


class UnpaddedGZipMiddleware(GZipMiddleware):
    """Compresses without the random padding that hides the length of secrets.

    The pages that use it hold no secrets and are the same for every visitor.
    """

    max_random_bytes = 0


compress = decorator_from_middleware(UnpaddedGZipMiddleware)


class UnicodeJSONEncoder(DjangoJSONEncoder):
    """Writes Chinese characters as they are, which takes half the bytes of escapes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"ensure_ascii": False})


def _for_other_origins(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    # Everyone gets the same response, so it must set no cookie. If the request had the cookie of an expired session,
    # the session middleware would set a cookie to delete it.
    request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    response["Cache-Control"] = f"public, max-age={LOADER_SECONDS}"
    return response


def _site(key: str) -> Site:
    try:
        return access.site_by_key(key)
    except NotFound as error:
        raise Http404 from error


def _language_of(request: HttpRequest) -> str:
    return "en" if request.GET.get("language", "zh").startswith("en") else "zh"


@require_safe
@compress
def loader_script(request: HttpRequest) -> HttpResponse:
    """Return the script that a bank puts on its pages, at an address that never changes."""
    source = _loader.__wrapped__() if settings.DEBUG else _loader()
    return _for_other_origins(request, HttpResponse(source, content_type=SCRIPT))


@require_safe
@compress
def site_script(request: HttpRequest, key: str) -> HttpResponse:
    """Return the settings that the loader needs for this site.

    They come as a module and not as JSON, so that the bank's content security policy needs no connect-src.
    """
    site, language = _site(key), _language_of(request)
    with translation.override(language_code(language)):
        values = {
            "accent": site.accent,
            "position": site.position,
            "title": site.in_language("title", language),
            "launcher": site.in_language("launcher", language),
            "unread": _("{count} new"),
            "failed": _("The chat can't be loaded right now."),
            "again": _("Reload"),
            "close": _("Close the chat"),
            "hotline": site.hotline,
            "frame": f"{reverse('chat:widget', args=[key])}?language={language}",
        }
    source = f"export default {json.dumps(values, ensure_ascii=False)};\n"
    return _for_other_origins(request, HttpResponse(source, content_type=SCRIPT))


@require_safe
@never_cache
@compress
@xframe_options_exempt
def widget_page(request: HttpRequest, key: str) -> HttpResponse:
    """Return the page that the widget's iframe shows.

    The page needs no cookie, and only the site's allowed origins may frame it.
    """
    site, language = _site(key), _language_of(request)
    with translation.override(language_code(language)):
        texts = ui_strings.business_texts(site, language)
        fields = list(site.form_fields.all())
        context = {
            "site": site,
            "language": language,
            "html_language": "zh-CN" if language == "zh" else "en",
            "title": site.in_language("title", language),
            "name": site.in_language("name", language),
            "greeting": texts[ui_strings.greeting_code()],
            "texts": texts,
            "topics": site.quick_topics.filter(language=language),
            "fields": [(field, field.label_in(language)) for field in fields],
            "departments": _departments(fields, language),
            "nonce": str(request.csp_nonce),  # type: ignore[attr-defined]
            "ui_strings": json_script(ui_strings.widget_strings(), "ui-strings", UnicodeJSONEncoder),
            "scores": ui_strings.rating_strings(),
            "setup": {
                "site": site.key,
                "language": language,
                "origins": site.origins,
                "types": allowed_types(site) if site.attachments else [],
                "megabytes": site.attachment_megabytes,
            },
        }
        # Render without the request, so that no template tag can use a session or set a CSRF cookie.
        html = render_to_string("widget/widget.html", context)
        response = HttpResponse(LAYOUT.sub("\n", html).replace(STROKES, ""))
    _replace_policy(
        response,
        {
            "default-src": [NONE],
            "script-src": [SELF],
            "style-src": [SELF, NONCE],
            "img-src": [SELF, "blob:"],
            # In some browsers 'self' does not cover WebSockets.
            "connect-src": [SELF, *_own_sockets(request)],
            "font-src": None,
            "media-src": None,
            "frame-src": None,
            "base-uri": [NONE],
            "form-action": [NONE],
            "frame-ancestors": site.origins or [NONE],
        },
    )
    return response


def _own_sockets(request: HttpRequest) -> list[str]:
    """Return the addresses of our own WebSockets, from the settings and never from the request's Host header."""
    if settings.OWN_ORIGINS:
        return [f"ws{origin.removeprefix('http')}" for origin in settings.OWN_ORIGINS]
    hosts = [f"*{host}" if host.startswith(".") else host for host in settings.ALLOWED_HOSTS]
    return [f"ws://{host}:{request.META['SERVER_PORT']}" for host in hosts]


def _departments(fields: list[FormField], language: str) -> list[tuple[str, str]]:
    if not any(field.kind == FormField.Kind.DEPARTMENT for field in fields):
        return []
    departments = Department.objects.filter(is_active=True)
    return [(department.code, department.name_in(language)) for department in departments]


@require_safe
@never_cache
@compress
def sample_page(request: HttpRequest) -> HttpResponse:
    """Return the home page of the invented Qinglan Bank, with the script tag that a bank puts on its pages."""
    site = Site.objects.filter(is_active=True).order_by("id").first()
    language = _language_of(request)
    with translation.override(language_code(language)):
        response = HttpResponse(render_to_string("sample/bank.html", {"site": site, "language": language}))
    _replace_policy(
        response,
        {
            "default-src": [NONE],
            "script-src": [SELF],
            "style-src": [SELF],
            "img-src": [SELF],
            "frame-src": [SELF],
            "connect-src": None,
            "font-src": None,
            "media-src": None,
            "base-uri": [NONE],
            "form-action": [NONE],
            "frame-ancestors": [NONE],
        },
    )
    return response


def _replace_policy(response: HttpResponseBase, directives: dict[str, Any]) -> None:
    """Give this response a content security policy of its own; None removes a directive."""
    response._csp_replace = directives  # type: ignore[attr-defined]
