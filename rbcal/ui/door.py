"""Who may come in: the requests that the server answers at all, before any page or file of it.

A web page of a stranger can have a browser on this PC ask anything of a local address: through a name of its
own that it lets point here (DNS rebinding), from another origin, or in a frame. So a request must name a host
that we answer to, come from our own pages, and have the token where there is one. ``rbcal app`` makes a token
and opens the address with it; on any other address than this PC's own there is always one.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from html import escape
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.web.server.server_util import get_url

TOKEN = "RBCAL_TOKEN"  # noqa: S105  the variable of the environment that has it, not the token
HERE = ("127.0.0.1", "localhost", "::1")
_OPEN = "/_stcore/health"  # says "ok" and nothing else
_NO_FRAMES = {"x-frame-options": "DENY", "content-security-policy": "frame-ancestors 'none'"}


def is_local(address: str | None) -> bool:
    """Return whether a server at this address can be reached from this PC alone.

    >>> is_local("127.0.0.1"), is_local("localhost"), is_local("0.0.0.0"), is_local(None)
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(address or "0.0.0.0").is_loopback  # noqa: S104  Streamlit's own default
    except ValueError:
        return address == "localhost"


def token() -> str:
    """Return the token that a visitor must have; empty: none is needed."""
    if not os.environ.get(TOKEN) and not is_local(config.get_option("server.address")):
        os.environ[TOKEN] = secrets.token_urlsafe(16)
    return os.environ.get(TOKEN, "")


def start_address() -> str:
    """Return the address that opens the app, with the token if there is one."""
    address = config.get_option("server.address") or "0.0.0.0"  # noqa: S104
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(address, address)  # noqa: S104
    return get_url(host) + (f"/?token={token()}" if token() else "")


@asynccontextmanager
async def announce(_app: object) -> AsyncIterator[None]:
    """Say where the app is, and open a browser there, as the server starts."""
    print(f"Open rbcal at: {start_address()}", flush=True)
    if not is_local(config.get_option("server.address")):
        print("Others can reach it, by the name of this PC in place of localhost.", flush=True)
        print("It asks for the token: give it only to whom you trust.", flush=True)
    if not config.get_option("server.headless"):
        webbrowser.open(start_address())
    yield


class Door:
    """Answers strangers with one sentence, and lets the others in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = _answer(scope)
        if answer is None:
            await self._app(scope, receive, _without_frames(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, _without_frames(send))


MIDDLEWARE = [Middleware(Door)]


def _answer(scope: Scope) -> Response | None:
    """Return what a stranger gets; None: it is no stranger."""
    headers, port = Headers(scope=scope), scope["server"][1]
    hosts = config.get_option("server.allowedHosts") or HERE
    host = headers.get("host", "")
    if not any(fnmatchcase(_name(host), each.lower()) for each in hosts):
        return _refusal(f"This app answers to {', '.join(hosts)} alone. Open it by one of these names.")
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return _refusal("A page of another site asked for this. Open the app in a window of its own.")
    wanted = token()
    if not wanted or scope["path"].endswith(_OPEN):
        return None
    name, query = f"rbcal_{port}", dict(parse_qsl(scope["query_string"].decode("latin-1")))
    if _is(query.pop("token", ""), wanted) and scope["type"] == "http":
        return _welcome(name, wanted, scope["path"], urlencode(query))
    if _is(_cookie(headers.get("cookie", ""), name), wanted):
        return None
    return _refusal(
        "This app opens with the address that it printed when it was started, the one with a token."
    )


def _name(host: str) -> str:
    """Return the name in a Host header, without the port; empty where it is none.

    >>> _name("LOCALHOST:8501"), _name("[::1]:8501"), _name("127.0.0.1:8501@evil.example"), _name("a:b")
    ('localhost', '::1', '', '')
    """
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # it is a number, or this raises
    except ValueError:
        return ""
    return "" if parts.netloc != host or "@" in host else (parts.hostname or "").rstrip(".")


def _is(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())


def _cookie(header: str, name: str) -> str:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def _welcome(name: str, value: str, path: str, query: str) -> Response:
    """Keep the token in a cookie of this browser, and take it out of the address."""
    answer = RedirectResponse(f"/{path.lstrip('/')}" + (f"?{query}" if query else ""), 303)
    answer.set_cookie(name, value, httponly=True, samesite="lax")
    return answer


def _refusal(words: str) -> Response:
    return HTMLResponse(f"<!doctype html><title>rbcal</title><p>{escape(words)}</p>", 403)


def _without_frames(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_NO_FRAMES)
        await send(message)

    return sent
