"""A real issuer on loopback: discovery, keys, and tokens that it, or somebody who is not it, has signed."""

from __future__ import annotations

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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

    def answer(self, path: str) -> bytes | int:
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        return json.dumps({"keys": self.keys}).encode() if path == "/keys" else 404

    def claims(self, **more: object) -> dict[str, object]:
        """Claims that are in order; None leaves one out."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600, **more}
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, **more: object) -> str:
        """A token that is in order but for `more`."""
        return signed(self.claims(**more))


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
            answer = found.answer(self.path)
            body = b"" if isinstance(answer, int) else answer
            self.send_response(answer if isinstance(answer, int) else 200)
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
