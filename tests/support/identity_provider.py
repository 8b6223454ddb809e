"""An identity provider of our own: OpenID Connect's code flow with PKCE, signed, over HTTP.

It checks what a real one checks (client, secret, redirect address, verifier, a code's single use)
and lets a test say who comes and with which claims. `faults` names one thing that it does wrong.
"""

import base64
import hashlib
import html
import http.server
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from typing_extensions import override

CLIENT_ID: Final = "sluice"
CLIENT_SECRET: Final = "the-provider-and-sluice-know-it"
_KID: Final = "key-1"


def claims_of(name: str, *groups: str, **more: object) -> dict[str, Any]:
    """Claims of a person with a verified address."""
    return {
        "sub": f"subject-{name}",
        "email": f"{name}@example.org",
        "email_verified": True,
        "name": name.capitalize(),
        "groups": list(groups),
        **more,
    }


@dataclass
class IdentityProvider:
    """Runs in threads beside the test, within `with`."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        provider = self

        class Handler(_Answers):
            of = provider

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What a Sluice is started with to know it."""
        return {
            "SLUICE_OIDC_ISSUER": self.issuer,
            "SLUICE_OIDC_CLIENT_ID": CLIENT_ID,
            "SLUICE_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "SLUICE_OIDC_NAME": "Example",
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def code_for(self, name: str, asked: dict[str, str]) -> str:
        """What the person's browser carries back."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = {**asked, "name": name}
        return code

    def id_token(self, name: str) -> str:
        now = int(time.time())
        said = {
            "iss": "https://elsewhere.example" if "issuer" in self.faults else self.issuer,
            "aud": "another-client" if "audience" in self.faults else CLIENT_ID,
            "iat": now,
            "exp": now - 60 if "expired" in self.faults else now + 300,
            **self.people[name],
        }
        key = self.other_key if "signature" in self.faults else self.key
        return jwt.encode(said, key, algorithm="RS256", headers={"kid": _KID})

    def jwks(self) -> dict[str, Any]:
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**jwk, "kid": _KID, "alg": "RS256", "use": "sig"}]}


class _Answers(http.server.BaseHTTPRequestHandler):
    of: IdentityProvider

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.of.asked.append((url.path, given))
        issuer = self.of.issuer
        match url.path:
            case "/.well-known/openid-configuration":
                if "redirect" in self.of.faults:
                    self._redirect(f"{issuer}/elsewhere")
                    return
                self._json(
                    {
                        "issuer": issuer,
                        "authorization_endpoint": f"{issuer}/authorize",
                        "token_endpoint": f"{issuer}/token",
                        "userinfo_endpoint": f"{issuer}/userinfo",
                        "jwks_uri": f"{issuer}/jwks",
                        "token_endpoint_auth_methods_supported": ["client_secret_post"],
                    }
                )
            case "/jwks":
                self._json(self.of.jwks())
            case "/authorize":
                self._who(given)
            case "/chosen":
                self._chosen(given)
            case "/userinfo":
                ticket = self.headers.get("authorization", "").removeprefix("Bearer ")
                name = self.of.tickets.get(ticket)
                said = dict(self.of.people[name]) if name else {}
                if "subject" in self.of.faults:
                    said["sub"] = "somebody-else"
                self._json(said, 200 if name else 401)
            case _:
                self._json({}, 404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        given = {name: values[0] for name, values in parse_qs(body).items()}
        self.of.asked.append((self.path, given))
        code = self.of.codes.pop(given.get("code", ""), None)
        right = (
            code is not None
            and given.get("client_id") == CLIENT_ID
            and given.get("client_secret") == CLIENT_SECRET
            and given.get("redirect_uri") == code["redirect_uri"]
            and _challenge(given.get("code_verifier", "")) == code["code_challenge"]
        )
        if code is None or not right:
            self._json({"error": "invalid_grant"}, 400)
            return
        ticket = secrets.token_urlsafe(16)
        self.of.tickets[ticket] = code["name"]
        self._json(
            {
                "access_token": ticket,
                "token_type": "Bearer",
                "expires_in": 300,
                "id_token": self.of.id_token(code["name"]),
            }
        )

    def _who(self, given: dict[str, str]) -> None:
        if given.get("client_id") != CLIENT_ID or given.get("code_challenge_method") != "S256":
            self._json({"error": "invalid_request"}, 400)
            return
        links = "".join(
            f'<p><a href="/chosen?{html.escape(urlencode({**given, "as": name}))}">{name}</a></p>'
            for name in self.of.people
        )
        self._send(f"<!doctype html><title>Example</title>{links}".encode(), "text/html")

    def _chosen(self, given: dict[str, str]) -> None:
        code = self.of.code_for(given["as"], given)
        self._redirect(
            f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}"
        )

    def _redirect(self, address: str) -> None:
        self.send_response(302)
        self.send_header("location", address)
        self.send_header("content-length", "0")
        self.end_headers()

    def _json(self, body: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(body).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
