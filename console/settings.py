"""Settings, top to bottom, from the environment. docs/configuration.md explains each name."""

import ipaddress
import os
import secrets
import warnings
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from apikeys.domain import MAX_DAYS, MAX_PER_IDENTITY, Creators
from apikeys.iam import IBM_CLOUD_URL
from apikeys.values import DEFAULT_PREFIX, PREFIX_HELP, Peppers, is_prefix
from console.database import database, refuse_misplaced
from console.env import (
    default_url,
    env_bool,
    env_choice,
    env_hosts,
    env_int,
    env_issuer,
    env_lines_to,
    env_list,
    env_networks,
    env_optional,
    env_public_keys,
    env_public_url,
    env_secret,
    env_secrets,
    env_str,
    env_url,
    env_word,
    is_every_address,
    is_loopback,
    stored_secret,
)
from console.env_file import read_env_file
from console.mails.server import mailer, sender
from console.secret_keys import SecretKeys, fault_of

BASE_DIR = Path(__file__).resolve().parent.parent
for _name, _text in read_env_file(BASE_DIR / ".env", os.environ).items():
    os.environ.setdefault(_name, _text)


# Where it runs

DEBUG = env_bool("DEBUG", False)
HOST = env_str("HOST", "127.0.0.1")
if HOST == "localhost":
    HOST = "127.0.0.1"  # the server takes addresses, not names
PORT = env_int("PORT", 8000, low=1, high=65535)
HTTPS = env_bool("HTTPS", False)
WORKERS = env_int("WORKERS", 2, low=1, high=64)
APIKEYS_BACKEND = env_choice("APIKEYS_BACKEND", "embedded", ("embedded", "ibm-cloud"))
_is_upstream = APIKEYS_BACKEND != "embedded"  # the store itself, which says so to everybody else, is not loaded yet
# Requests served at once by each worker. One that waits for IAM holds a thread and a database connection.
THREADS = env_int("THREADS", 32 if _is_upstream else 4, low=1, high=256)
CONNECTIONS = env_int("CONNECTIONS", 1024, low=16, high=16_384)  # of each worker, idle ones included
IDLE_SECONDS = env_int("IDLE_SECONDS", 30, low=1, high=3600)  # what a connection has until its next head is complete
BODY_SECONDS = 20  # what a client has to send a body of at most 128 KiB
ANSWER_SECONDS = 60  # what a client has to take what it was sent
WORKER_END_SECONDS = 10  # what a worker that is to end has for the requests that it began
TRUSTED_PROXIES = env_int("TRUSTED_PROXIES", 1 if HTTPS else 0, low=0, high=8)

try:
    ipaddress.ip_address(HOST)
except ValueError:
    raise ImproperlyConfigured(f"HOST={HOST!r}: use an address such as 127.0.0.1 or 0.0.0.0.") from None
OWN_NAMES = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env_hosts(
    "ALLOWED_HOSTS", OWN_NAMES if is_loopback(HOST) or is_every_address(HOST) else [*OWN_NAMES, HOST]
)
if HTTPS and not TRUSTED_PROXIES:
    raise ImproperlyConfigured("HTTPS=true needs a proxy in front that ends TLS: TRUSTED_PROXIES=1 or more.")
if DEBUG and not is_loopback(HOST):
    raise ImproperlyConfigured(f"DEBUG=true with HOST={HOST!r}: debug pages show secrets, use it on 127.0.0.1 only.")
if DEBUG and (TRUSTED_PROXIES or not all(is_loopback(name.strip("[]")) for name in ALLOWED_HOSTS)):
    raise ImproperlyConfigured(
        "DEBUG=true behind a proxy, or with ALLOWED_HOSTS of others than this machine: debug pages show secrets, use "
        "it without HTTPS, TRUSTED_PROXIES and ALLOWED_HOSTS."
    )

DATA_DIR = Path(env_str("DATA_DIR", str(BASE_DIR / "data"))).expanduser().absolute()
try:
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as exc:
    raise ImproperlyConfigured(f"DATA_DIR={str(DATA_DIR)!r} can't be made: {exc.strerror}.") from exc

SQLITE_FILE = DATA_DIR / "console.sqlite3"
DATABASES = {"default": database(env_secret("DATABASE_URL"), SQLITE_FILE)}
if DATABASES["default"]["NAME"] == str(SQLITE_FILE):
    refuse_misplaced(SQLITE_FILE)
# How long a start waits for a database server that does not answer.
DATABASE_WAIT_SECONDS = env_int("DATABASE_WAIT_SECONDS", 60, low=0, high=3600)
FAILOVER_SECONDS = env_int("FAILOVER_SECONDS", 8, low=0, high=60)  # what requests wait for the next server
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Secrets

SECRET_KEY_FILE = DATA_DIR / "secret_key"
SECRET_KEY_IS_GENERATED = not (SECRET_KEY := env_secret("SECRET_KEY", may_be_quoted=True))
# Keys that open and verify what they made, or will make, beside SECRET_KEY: manage.py rotate_secret_key.
SECRET_KEY_FALLBACKS = env_secrets("SECRET_KEY_FALLBACKS")
if SECRET_KEY_IS_GENERATED:
    SECRET_KEY = stored_secret(SECRET_KEY_FILE, lambda: secrets.token_urlsafe(64))
    SECRET_KEY_FALLBACKS += SecretKeys.read(SECRET_KEY_FILE).fallbacks
if _fault := fault_of(SECRET_KEY):
    raise ImproperlyConfigured(f"SECRET_KEY {_fault}")
for _former in SECRET_KEY_FALLBACKS:  # whoever knows one can make what they open
    if _fault := fault_of(_former):
        raise ImproperlyConfigured(f"SECRET_KEY_FALLBACKS has one that {_fault}")

# Keys

APIKEYS_PREFIX = env_str("APIKEYS_PREFIX", DEFAULT_PREFIX)
if not is_prefix(APIKEYS_PREFIX):
    raise ImproperlyConfigured(f"APIKEYS_PREFIX={APIKEYS_PREFIX!r}: use {PREFIX_HELP}.")
APIKEYS_ACTION_WHEN_LEAKED = env_choice("APIKEYS_ACTION_WHEN_LEAKED", "none", ("none", "disable", "delete"))
APIKEYS_RESTORE_HOURS = env_int("APIKEYS_RESTORE_HOURS", 24, low=0, high=720)
# Rules: None leaves each to the administrators, and to what domain.Rules has where they set nothing.
APIKEYS_MAX_LIFETIME_DAYS = env_optional("APIKEYS_MAX_LIFETIME_DAYS", partial(env_int, default=0, low=0, high=MAX_DAYS))
APIKEYS_MUST_EXPIRE = env_optional("APIKEYS_MUST_EXPIRE", partial(env_bool, default=False))
APIKEYS_CREATORS = env_optional("APIKEYS_CREATORS", partial(env_choice, default="", choices=tuple(Creators)))
APIKEYS_NETWORKS = env_optional("APIKEYS_NETWORKS", env_networks)
APIKEYS_PER_IDENTITY = env_optional("APIKEYS_PER_IDENTITY", partial(env_int, default=0, low=0, high=MAX_PER_IDENTITY))
PEPPERS_FILE = DATA_DIR / "peppers"
PEPPERS_ARE_GENERATED = not (_peppers := env_secret("APIKEYS_PEPPERS"))
try:
    APIKEYS_PEPPERS = Peppers.parse(
        _peppers
        or stored_secret(
            PEPPERS_FILE,
            lambda: f"1:{secrets.token_hex(32)}",
            may_make=not SQLITE_FILE.exists(),  # new peppers beside old keys would make every key useless
        )
    )
except ValueError as exc:
    raise ImproperlyConfigured(f"APIKEYS_PEPPERS: {exc}") from exc

# Public keys, by identifier, that sign reports of leaked keys: {"identifier": "-----BEGIN PUBLIC KEY-----…"}
LEAK_REPORT_KEYS = env_public_keys("LEAK_REPORT_KEYS")

# The upstream IAM, where the store is ibm-cloud

IAM_URL = env_url("IAM_URL", IBM_CLOUD_URL)
IAM_HOST = urlsplit(IAM_URL).netloc
# Where IBM Cloud lists the accounts of a person; nobody is asked where it is empty.
ACCOUNTS_URL = env_url("ACCOUNTS_URL", "https://accounts.cloud.ibm.com" if IAM_URL == IBM_CLOUD_URL else "")
# Slots: requests that may wait for upstream at once in each process, and how many of them for one person, for all
# log-ins, and for the log-ins from one address. The other threads stay free.
IAM_SLOTS = max(1, THREADS * 3 // 4)
IAM_SLOTS_PER_PERSON = max(1, IAM_SLOTS // 3)
IAM_SLOTS_OF_LOG_INS = max(1, IAM_SLOTS // 4)
IAM_SLOTS_PER_ADDRESS = max(1, IAM_SLOTS_OF_LOG_INS // 2)

# Access tokens

PUBLIC_URL = env_public_url("PUBLIC_URL", default_url(HOST, PORT, ALLOWED_HOSTS, https=HTTPS))
ADDRESS_IS_GIVEN = bool(env_str("PUBLIC_URL") or env_str("PORT"))  # else commands ask the server that runs
PROGRAMS_URL = IAM_URL if _is_upstream else PUBLIC_URL  # where programs use the keys that are made here
TOKEN_ALGORITHM = env_choice("TOKEN_ALGORITHM", "RS256", ("RS256", "ES256"))
TOKEN_AUDIENCE = env_word("TOKEN_AUDIENCE")  # `aud` of access tokens; "" for none, as IAM's tokens
# Values that are no key's, from one address in a minute, which each process counts; then 429.
BAD_VALUES_PER_MINUTE = env_int("BAD_VALUES_PER_MINUTE", 300, low=1, high=1_000_000)

# People

CONSOLE_BRAND = env_str("CONSOLE_BRAND", "IBM Cloud" if _is_upstream else "")
AUTH_USER_MODEL = "console.User"
AUTHENTICATION_BACKENDS = (
    ["console.auth.IAMBackend"]
    if _is_upstream
    else ["console.auth.LimitedModelBackend", "console.factors.backends.PasscodeBackend"]
)
SIGN_ON_BACKEND = "console.single_sign_on.backends.SignOnBackend"
# Single sign-on: the provider, what people are asked for there, and what is made of the answer. Off without an issuer.
OIDC_ISSUER = env_issuer("OIDC_ISSUER")
OIDC_CLIENT_ID = env_str("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env_secret("OIDC_CLIENT_SECRET")
OIDC_NAME = env_str("OIDC_NAME", urlsplit(OIDC_ISSUER).hostname or "")  # what the button says
OIDC_SCOPES = env_str("OIDC_SCOPES", "openid profile email").split()
OIDC_USER_ID_CLAIM = env_str("OIDC_USER_ID_CLAIM", "preferred_username")
OIDC_GROUPS_CLAIM = env_str("OIDC_GROUPS_CLAIM", "groups")
OIDC_ADMINISTRATORS = env_str("OIDC_ADMINISTRATORS")  # a group; without one the console says who is administrator
OIDC_CREATE_USERS = env_bool("OIDC_CREATE_USERS", False)
OIDC_TWO_FACTOR_ACR = env_list("OIDC_TWO_FACTOR_ACR", [])  # what a provider calls a log-in with two factors
OIDC_ONLY = env_bool("OIDC_ONLY", False)  # no log-in with a password or a passkey
PASSWORD_GRANT = env_bool("PASSWORD_GRANT", True) and not OIDC_ONLY
OIDC_SLOTS = max(1, THREADS // 4)  # requests of each process that may wait for the provider; the others stay free
if OIDC_ISSUER:
    AUTHENTICATION_BACKENDS.append(SIGN_ON_BACKEND)
    if _is_upstream:
        raise ImproperlyConfigured("OIDC_ISSUER: with APIKEYS_BACKEND=ibm-cloud people log in at the upstream IAM.")
    if not OIDC_CLIENT_ID:
        raise ImproperlyConfigured("OIDC_ISSUER needs OIDC_CLIENT_ID: what the provider calls this console.")
    if "openid" not in OIDC_SCOPES:
        raise ImproperlyConfigured("OIDC_SCOPES: use scopes with blanks between them, openid among them.")
    _public = urlsplit(PUBLIC_URL)
    if _public.scheme != "https" and not is_loopback(_public.hostname or ""):
        raise ImproperlyConfigured("OIDC_ISSUER needs a PUBLIC_URL with https://, because codes come there.")
elif _meant := next((name for name in sorted(os.environ) if name.startswith("OIDC_") and os.environ[name].strip()), ""):
    raise ImproperlyConfigured(f"{_meant} is set, and OIDC_ISSUER is not: single sign-on needs both, or none.")
PASSWORD_HASHERS = ["console.log_in.auth.Argon2idHasher"]
AUTH_PASSWORD_VALIDATORS = [{"NAME": "console.log_in.passwords.PasswordValidator"}]
# Who must have a second factor, and after how many minutes a change asks again who somebody is; 0 for never.
SECOND_FACTOR = env_choice("SECOND_FACTOR", "optional", ("optional", "administrators", "everybody"))
REAUTHENTICATE_MINUTES = env_int("REAUTHENTICATE_MINUTES", 15, low=0, high=720)
if _is_upstream and SECOND_FACTOR != "optional":
    raise ImproperlyConfigured(
        f"SECOND_FACTOR={SECOND_FACTOR!r}: with APIKEYS_BACKEND=ibm-cloud the upstream IAM asks for second factors."
    )
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
CHOOSE_ACCOUNT_URL = "account"  # where a person with several accounts chooses one

# Log-in limits: attempts in a window of seconds, refused with 429 beyond.
LOGIN_WINDOW_SECONDS = 900
LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS = env_int("LOGIN_ATTEMPTS_PER_USER_AND_ADDRESS", 5, low=1, high=1000)
FACTOR_ATTEMPTS = 5  # for one person and factor
LOGIN_ATTEMPTS_PER_ADDRESS = env_int("LOGIN_ATTEMPTS_PER_ADDRESS", 50, low=1, high=100_000)
LOGIN_ATTEMPTS_PER_USER = env_int("LOGIN_ATTEMPTS_PER_USER", 100, low=1, high=100_000)  # in a row, from anywhere

# Application

INSTALLED_APPS = [
    "console",
    "apikeys",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
]

MIDDLEWARE = [
    "console.doors.by_address",  # programs go another way, everybody else passes what follows
    "console.middleware.security_headers",  # above WhiteNoise, which answers by itself
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "console.middleware.request_gate",
    "console.middleware.bfcache_cookie",
    "django.middleware.security.SecurityMiddleware",
    "console.middleware.StaticFiles",
    "console.cookies.prefixed_cookies",
    "console.middleware.Sessions",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",  # get_host(): ALLOWED_HOSTS holds on every route
    "django.middleware.csrf.CsrfViewMiddleware",
    "console.authentication.Authentication",
    "django_htmx.middleware.HtmxMiddleware",
    "console.middleware.LoginRequired",
    "console.factors.middleware.Enrolment",
    "console.middleware.ReaderZone",
    "django.contrib.messages.middleware.MessageMiddleware",
    "console.factors.asked_again.AskedAgain",
    "apikeys.web.middleware.ApiKeyErrors",
]

ROOT_URLCONF = "console.urls"
WSGI_APPLICATION = "console.wsgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.context_processors.shell",
            ],
        },
    }
]
CSRF_FAILURE_VIEW = "console.views.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # a cookie is signed, not sealed
DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 150  # 100 keys of a page, or as many scopes, are ticked at once

# Sessions and cookies

SESSION_ENGINE = "console.sessions"
SESSION_COOKIE_AGE = env_int("SESSION_HOURS", 12, low=1, high=168) * 60 * 60  # from the log-in
SESSION_IDLE = timedelta(minutes=env_int("SESSION_IDLE_MINUTES", 60, low=2, high=1440))  # from the last use
SESSIONS_PER_PERSON = env_int("SESSIONS_PER_PERSON", 0, low=0, high=1000)  # of browsers; 0 for no limit
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
# On plain http WebKit drops Secure cookies and the prefix, also those of this machine itself.
SECURE_COOKIES = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_COOKIES
SECURE_COOKIE_PREFIX = "__Host-"
COOKIE_PREFIX = SECURE_COOKIE_PREFIX if SECURE_COOKIES else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}session"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrf"
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}language"
THEME_COOKIE_NAME = f"{COOKIE_PREFIX}theme"
DEVICE_COOKIE_NAME = f"{COOKIE_PREFIX}device"
BFCACHE_COOKIE_NAME = f"{COOKIE_PREFIX}shown"  # the name that browsers have it under
if not HTTPS and not is_loopback(HOST):
    warnings.warn(
        f"HOST={HOST} without HTTPS=true: passwords and session cookies cross the network in clear.",
        stacklevel=1,
    )

# Transport

if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = 63_072_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Static files

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
try:
    STATIC_ROOT.mkdir(exist_ok=True)
except OSError as exc:
    raise ImproperlyConfigured(
        f"{STATIC_ROOT} can't be made: {exc.strerror}. The console writes to DATA_DIR with DATABASE_URL, too."
    ) from exc
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {"staticfiles": {"BACKEND": "console.static_files.Storage"}}
WHITENOISE_ALLOW_ALL_ORIGINS = False

# Languages and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hant", _("Traditional Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# Audit events

AUDIT_LOG = env_lines_to("AUDIT_LOG")  # where each event is a line of JSON, too
AUDIT_DAYS = env_int("AUDIT_DAYS", 0, low=0, high=36_500)  # 0: for ever
AUDIT_EXCHANGES = env_bool("AUDIT_EXCHANGES", False)
if AUDIT_EXCHANGES and not AUDIT_LOG:
    raise ImproperlyConfigured("AUDIT_EXCHANGES=true needs AUDIT_LOG: exchanges are lines there, and no rows.")

# Webhooks: where they may go beside public addresses, whether without TLS, and whom they trust

WEBHOOKS_ALLOWED_NETWORKS = env_networks("WEBHOOKS_ALLOWED_NETWORKS")
WEBHOOKS_HTTP = env_bool("WEBHOOKS_HTTP", False)
WEBHOOKS_CA_FILE = env_str("WEBHOOKS_CA_FILE")  # of authorities of one's own, in place of the public ones
if WEBHOOKS_CA_FILE and not Path(WEBHOOKS_CA_FILE).is_file():
    raise ImproperlyConfigured(f"WEBHOOKS_CA_FILE={WEBHOOKS_CA_FILE!r}: there is no such file.")

# Mails

_mail_url = env_secret("EMAIL_URL")
MAILS_ARE_SENT = bool(_mail_url)
if MAILS_ARE_SENT and _is_upstream:
    raise ImproperlyConfigured("EMAIL_URL: with APIKEYS_BACKEND=ibm-cloud the upstream IAM tells people of their keys.")
MAILER = mailer(_mail_url)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = sender(env_str("EMAIL_FROM"), _mail_url, urlsplit(PUBLIC_URL).hostname or "")
if django.VERSION >= (6, 1):
    MAILERS = {"default": MAILER}
else:
    EMAIL_BACKEND = "console.mails.server.backend"

# Figures

METRICS_TOKEN = env_secret("METRICS_TOKEN")
if METRICS_TOKEN and (fault_of(METRICS_TOKEN, least=32) or not METRICS_TOKEN.isascii()):
    raise ImproperlyConfigured("METRICS_TOKEN: use 32 random characters or more, letters and digits.")

# Logs

LOG_LEVEL = env_choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env_choice("LOG_FORMAT", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"fault": {"()": "console.logs.FaultFilter"}, "mask": {"()": "console.logs.MaskFilter"}},
    "formatters": {"line": {"()": f"console.logs.{'Json' if LOG_FORMAT == 'json' else 'Line'}Formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "filters": ["fault", "mask"], "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "_granian": {"handlers": [], "level": "WARNING", "propagate": True},  # as everything else, and not on its own
        "fido2": {"handlers": [], "level": "WARNING"},  # it writes the ID of each passkey that is used
        "django.security.csrf": {"handlers": [], "level": "ERROR"},  # console.csrf says it in one line, with the cause
        # At DEBUG it writes a page's whole context, the nonce included, for each variable that is not there.
        "django.template": {"handlers": [], "level": "INFO" if LOG_LEVEL == "DEBUG" else LOG_LEVEL},
    },
}
DEFAULT_EXCEPTION_REPORTER = "console.logs.MaskedExceptionReporter"

os.umask(0o077)  # the database and its journals belong to the owner alone
