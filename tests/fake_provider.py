"""A provider that sends what a real one can't be made to send, in a thread of the test."""

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "console", "a secret of the tests"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
ACCESS_TOKEN = "access-token-of-the-tests"


def half_hash(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()[:16]).rstrip(b"=").decode()


class FakeProvider:
    """Started by `with`; a test changes what it sends by its attributes."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}  # beside what it says otherwise
        self.keys = [KEY]
        self.signed_with, self.header = KEY, {"alg": "RS256", "kid": "one"}
        self.answer: dict[str, Any] = {}  # of the token endpoint, in place of the usual
        self.userinfo: dict[str, Any] = {}
        self.seconds = 0.0  # before it answers
        self.is_broken = False
        self.asked: list[str] = []
        self.codes: dict[str, tuple[str, dict[str, Any]]] = {}

    def __enter__(self) -> "FakeProvider":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.handle(self, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.handle(self, {name: texts[0] for name, texts in parse_qs(body.decode()).items()})

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def grant(self, location: str, **claims: Any) -> str:
        """Return the code that somebody comes back with from where a browser was sent; a claim of None is left out."""
        asked = {name: texts[0] for name, texts in parse_qs(urlsplit(location).query).items()}
        now = int(time.time())
        usual = {
            "iss": self.url, "sub": "subject-1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "auth_time": now, "preferred_username": "carol", "at_hash": half_hash(ACCESS_TOKEN),
        }  # fmt: skip
        code = f"code-{len(self.codes)}"
        told = {name: claim for name, claim in (usual | claims).items() if claim is not None}
        self.codes[code] = (asked["code_challenge"], told)
        return code

    def handle(self, request: BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        path = urlsplit(request.path).path
        self.asked.append(path)
        time.sleep(self.seconds)
        if self.is_broken:
            request.close_connection = True
            return
        status, sent = self.respond(path, request.headers.get("Authorization", ""), form)
        body = json.dumps(sent).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def respond(self, path: str, authorization: str, form: dict[str, str]) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            names = ("authorization", "token", "userinfo")
            endpoints = {f"{name}_endpoint": f"{self.url}/{name}" for name in names}
            return 200, {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **endpoints} | self.metadata
        if path == "/keys":
            return 200, {"keys": [key.as_dict(private=isinstance(key, OctKey)) for key in self.keys]}
        if path == "/userinfo":
            return 200, self.userinfo
        basic = authorization.removeprefix("Basic ")
        assert b64decode(basic).decode() == f"{CLIENT}:{SECRET}"
        challenge, claims = self.codes.pop(form["code"], ("", {}))
        verifier = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if verifier != challenge or form["redirect_uri"] != "http://testserver/login/sso/callback/":
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": self.sign(claims)} | self.answer

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(self.header, claims, self.signed_with, algorithms=[self.header["alg"]])
