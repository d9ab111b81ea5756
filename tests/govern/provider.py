"""A real issuer on loopback: discovery, keys, sign-in by code, and tokens that it, or another, has signed."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

AUDIENCE = "lathe"
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})


class Provider:
    """What the issuer answers, and how often each address was asked for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[Mapping[str, Any]] = [key.as_dict(private=False) for key in (RSA, EC, ED)]
        self.answers: dict[str, bytes | int] = {}
        self.asked: list[str] = []
        self.more: dict[str, object] = {}
        """What its discovery document says besides, or instead."""
        self.secret = ""
        """The secret of its client; empty: a public one."""
        self.redirects: set[str] = set()
        self.codes: dict[str, dict[str, str]] = {}
        self.claimed: dict[str, object] = {}
        """What tokens claim besides, or instead; None leaves a claim out."""
        self.forms: list[Mapping[str, str]] = []
        self.userinfo: Mapping[str, object] = {}
        """What it says of whoever shows the access token."""

    def answer(self, path: str) -> bytes | int:
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
            named = {name: f"{self.url}{place}" for name, place in places.items()}
            return json.dumps({"issuer": self.url, **named, **self.more}).encode()
        return json.dumps({"keys": self.keys}).encode() if path == "/keys" else 404

    def said_to(self, shown: str) -> bytes | int:
        """The userinfo, for whoever holds the access token (OpenID Connect Core 1.0, 5.3)."""
        return json.dumps(self.userinfo).encode() if shown == "Bearer x" else 401

    def left(self, query: Mapping[str, str]) -> bytes | int:
        """The page of who signs out there, with the way back (RP-Initiated Logout 1.0)."""
        if query.get("client_id") != AUDIENCE or query.get("post_logout_redirect_uri") not in self.redirects:
            return 400
        page = '<title>issuer</title><link rel="icon" href="data:,"><h1>Signed out</h1>'
        return f'{page}<a href="{escape(query["post_logout_redirect_uri"])}">Back</a>'.encode()

    def claims(self, **more: object) -> dict[str, object]:
        """Claims that are in order; None leaves one out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ann",
            "iat": now,
            "exp": now + 600,
            **self.claimed,
            **more,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, **more: object) -> str:
        """A token that is in order but for `more`."""
        return signed(self.claims(**more))

    # Sign-in by code (OpenID Connect Core 1.0, 3.1; RFC 7636).

    def authorize(self, query: Mapping[str, str]) -> bytes | int:
        """The page on which somebody says who they are: what is not in order gets no page."""
        is_known = query.get("client_id") == AUDIENCE and query.get("redirect_uri") in self.redirects
        wanted = query.get("response_type"), query.get("code_challenge_method")
        if not is_known or wanted != ("code", "S256") or not query.get("code_challenge"):
            return 400
        told = {"code": self.code(query), "state": query["state"], "iss": self.url}
        refused = {"error": "access_denied", "state": query["state"], "iss": self.url}
        yes, no = (escape(f"{query['redirect_uri']}?{urlencode(one)}") for one in (told, refused))
        links = f'<a href="{yes}">Ann</a> <a href="{no}">Nobody</a>'
        page = f'<title>issuer</title><link rel="icon" href="data:,"><h1>Who are you?</h1>{links}'
        return page.encode()

    def code(self, query: Mapping[str, str]) -> str:
        """A code for what was asked, good once."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = dict(query)
        return code

    def exchange(self, form: Mapping[str, str], shown: str) -> tuple[int, bytes]:
        """The answer to a code, whose verifier, address and client must be those that it was given to."""
        self.forms.append(form)
        given = self.codes.pop(form.get("code", ""), None)
        basic = b64decode(shown.removeprefix("Basic ")).decode() if shown else ""
        own, _, secret = (unquote_plus(part) for part in basic.partition(":"))
        who = (own or form.get("client_id"), secret or form.get("client_secret", ""))
        verifier = form.get("code_verifier", "")
        is_its = (
            given is not None
            and who == (AUDIENCE, self.secret)
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == given["redirect_uri"]
            and _text(sha256(verifier.encode()).digest()) == given["code_challenge"]
        )
        if not is_its or given is None:
            return 400, b'{"error": "invalid_grant"}'
        token = self.token(nonce=given["nonce"])
        return 200, json.dumps({"access_token": "x", "token_type": "Bearer", "id_token": token}).encode()


def signed(claims: Mapping[str, object], key: Key = RSA, **header: object) -> str:
    """A token by a key; its `alg` is that of the key, if none is said."""
    usual = {RSAKey: "RS256", ECKey: "ES256", OKPKey: "Ed25519", OctKey: "HS256"}[type(key)]
    head = {"alg": usual, **({"kid": key.kid} if key.kid else {}), **header}
    algorithms = ["RS256", "RS512", "PS256", "ES256", "Ed25519", "HS256"]
    registry = jwt.JWSRegistry(algorithms=algorithms, strict_check_header=False)
    return jwt.encode({k: v for k, v in head.items() if v is not None}, dict(claims), key, registry=registry)


def unsigned(claims: Mapping[str, object], **header: object) -> str:
    """A token without a signature, as `alg` `none` has it."""
    parts = ({"alg": "none", "typ": "JWT", **header}, claims)
    return ".".join([*(_text(json.dumps(part).encode()) for part in parts), ""])


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def provider() -> Iterator[Provider]:
    """An issuer that answers until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            pages = {"/authorize": found.authorize, "/leave": found.left}
            is_page = parts.path in pages
            answer = pages[parts.path](dict(parse_qsl(parts.query))) if is_page else self._document()
            status, body = (answer, b"") if isinstance(answer, int) else (200, answer)
            self._answered(status, body, "text/html" if is_page else "application/json")

        def _document(self) -> bytes | int:
            if self.path == "/userinfo" and self.path not in found.answers:
                return found.said_to(self.headers.get("authorization", ""))
            return found.answer(self.path)

        def do_POST(self) -> None:
            assert self.headers["content-type"] == "application/x-www-form-urlencoded"
            form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
            answer = found.answers.get(self.path)
            if answer is None:
                self._answered(*found.exchange(form, self.headers.get("authorization", "")))
            else:
                self._answered(*((answer, b"") if isinstance(answer, int) else (200, answer)))

        def _answered(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
