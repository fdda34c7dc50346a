"""A real OpenID provider, django-oauth-toolkit, in a process: `python -m tests.openid_provider FOLDER PORT URI`.

It knows Carol, who is in the group of administrators, and Nell, who is not; both have everybody's password. It asks
for nothing but that: no consent. Its key is made at its start.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import requests

from tests.cast import PASSWORD
from tests.server import ROOT

CLIENT, SECRET, NAME, ADMINISTRATORS = "console", "a secret of the tests", "Staff", "keys-admins"
PEOPLE = {"carol": [ADMINISTRATORS, "staff"], "nell": ["staff"]}
START_SECONDS = 60
PAGE = """<!doctype html><html lang="en"><title>Staff</title><h1>Staff log-in</h1>
<form method="post">{% csrf_token %}{{ form.as_p }}<button>Enter</button></form>"""


class OpenIDProvider:
    """Started by `with`; `issuer` is what it calls itself."""

    def __init__(self, folder: Path, redirect_uri: str, port: int) -> None:
        self.folder, self.redirect_uri, self.port = folder, redirect_uri, port
        self.issuer = f"http://127.0.0.1:{port}/o"

    @staticmethod
    def environment(port: int) -> dict[str, str]:
        """Return the settings of a console that knows the provider at a port."""
        return {
            "OIDC_ISSUER": f"http://127.0.0.1:{port}/o",
            "OIDC_CLIENT_ID": CLIENT,
            "OIDC_CLIENT_SECRET": SECRET,
            "OIDC_NAME": NAME,
            "OIDC_SCOPES": "openid profile email groups",
            "OIDC_ADMINISTRATORS": ADMINISTRATORS,
            "OIDC_CREATE_USERS": "true",
        }

    def __enter__(self) -> "OpenIDProvider":
        self.log_path = self.folder / "provider.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.openid_provider", str(self.folder), str(self.port), self.redirect_uri],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(requests.ConnectionError):
                if requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=5).ok:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise AssertionError(f"The provider did not start:\n{self.log_path.read_text()}")

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.wait()


def serve(folder: Path, port: int, redirect_uri: str) -> None:
    """Be the provider until the process is ended."""
    import django
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from django.conf import settings

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"]
    settings.configure(
        SECRET_KEY=os.urandom(50).hex(),
        ALLOWED_HOSTS=["127.0.0.1"],
        DEBUG=False,
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "provider.sqlite3"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIGRATION_MODULES={name.rpartition(".")[2]: None for name in apps},
        INSTALLED_APPS=apps,
        # Cookies know no ports: the console has some of these names at the same address.
        SESSION_COOKIE_NAME="provider_session",
        CSRF_COOKIE_NAME="provider_csrf",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": PAGE})],
                    "context_processors": ["django.template.context_processors.request"],
                },
            }
        ],
        ROOT_URLCONF="tests.openid_provider_urls",
        LOGIN_URL="/in/",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": pem,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
            "OAUTH2_VALIDATOR_CLASS": "tests.openid_provider_urls.Validator",
            "PKCE_REQUIRED": True,
            "SCOPES": {name: name for name in ("openid", "profile", "email", "groups")},
        },
    )
    django.setup()

    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.core.servers.basehttp import run
    from django.core.wsgi import get_wsgi_application
    from oauth2_provider.models import Application

    call_command("migrate", run_syncdb=True, verbosity=0)
    for name, groups in PEOPLE.items():
        person = User.objects.create_user(name, f"{name}@example.com", PASSWORD, first_name=name.title())
        person.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    Application.objects.create(
        client_id=CLIENT,
        client_secret=SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=redirect_uri,
        algorithm=Application.RS256_ALGORITHM,
        skip_authorization=True,
    )
    run("127.0.0.1", port, get_wsgi_application(), threading=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
