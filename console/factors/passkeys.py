"""Passkeys (WebAuthn), as a second factor and in place of the password; the person is verified by the device each time.

The name of the host is the ID that they are bound to. A challenge stands in the session, and is used once.
"""

import hashlib
import ipaddress
import json
import struct
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from django.conf import settings
from django.db.models import F, Q
from django.http import HttpRequest
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from console.env import is_loopback
from console.factors.models import Passkey
from console.log_in import limiter
from console.models import User

SESSION_KEY = "passkey"
LIFETIME_SECONDS = 300
MOST = 20  # of one person
MAX_LENGTH = 16_384  # of what a browser sends
ADD, USE = "add", "use"
# What the library raises for bytes that anybody made up; errors of the database are not among them.
NO_PASSKEY = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError),
    *(InvalidSignature, UnsupportedAlgorithm, struct.error),
)


def host_of(request: HttpRequest) -> str:
    """Return the name that passkeys are bound to, "" for an address, which they can't be bound to."""
    name = _without_port(request.get_host())
    return "" if _is_address(name) else name


def offer(request: HttpRequest, path: str) -> dict[str, Any]:
    """Return whether passkeys work under the host of a request, and else where they do, for a template.

    `named_url` is the address of `path` under the name of this console, "" where none is known under which they work.
    """
    host = _without_port(request.get_host())
    return {
        "offers_passkeys": bool(host_of(request)),
        "named_url": f"{settings.PUBLIC_URL}{path}" if _has_passkeys(settings.PUBLIC_URL, host) else "",
        "named": settings.PUBLIC_URL,
        "host": host,
    }


def _has_passkeys(url: str, host: str) -> bool:
    """Tell whether passkeys work at an address for whoever has opened the console under this host."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    if is_loopback(name):  # which leads anybody else to a machine of their own
        return not _is_address(name) and is_loopback(host.strip("[]"))
    return parts.scheme == "https" and not _is_address(name)


def _without_port(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def options_to_add(request: HttpRequest, person: User, name: str) -> dict[str, Any]:
    """Return what the browser needs to make a passkey of a person; the challenge waits in the session."""
    entity = PublicKeyCredentialUserEntity(
        id=person.iam_id.encode(), name=person.username, display_name=str(person) or person.username
    )
    options, state = _server(request, name).register_begin(
        entity,
        _credentials(Passkey.objects.filter(user=person)),
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    _keep(request, ADD, state)
    return dict(options.public_key)


def options_to_use(request: HttpRequest, person: User | None = None) -> dict[str, Any]:
    """Return what the browser needs to use a passkey of a person, or of whoever it is that logs in."""
    known = _credentials(Passkey.objects.filter(user=person)) if person else None
    options, state = _server(request).authenticate_begin(known, user_verification=UserVerificationRequirement.REQUIRED)
    _keep(request, USE, state)
    return dict(options.public_key)


def add(request: HttpRequest, person: User, name: str, sent: str) -> bool:
    """Keep a passkey that a browser has made for the challenge in the session; False where it was not."""
    state, answer = _take(request, ADD), _read(sent)
    if state is None or answer is None or Passkey.objects.filter(user=person).count() >= MOST:
        return False
    try:
        made = _server(request).register_complete(state, answer)
    except NO_PASSKEY:
        return False
    credential = made.credential_data
    if credential is None:
        return False
    fields = {"user": person, "name": name, "credential": bytes(credential), "sign_count": made.counter}
    return bool(Passkey.objects.get_or_create(digest=_digest(credential.credential_id), defaults=fields)[1])


def use(request: HttpRequest, sent: str, person: User | None = None) -> User | None:
    """Return whose passkey has signed the challenge in the session, None where none has, or not one of `person`.

    The count of signatures has gone up since, where the device counts: else it is a copy. The caller has counted the
    attempt.
    """
    state, answer = _take(request, USE), _read(sent)
    if state is None or answer is None:
        return None
    try:
        response = AuthenticationResponse.from_dict(answer)
        row = (
            Passkey.objects.filter(digest=_digest(response.raw_id), user__is_active=True).select_related("user").first()
        )
        if row is None or (person is not None and row.user_id != person.pk):
            return None
        handle = response.response.user_handle
        if person is None and handle != row.user.iam_id.encode():
            return None
        _server(request).authenticate_complete(state, _credentials([row]), response)
    except NO_PASSKEY:
        return None
    count = response.response.authenticator_data.counter
    is_next = Q(sign_count__lt=count) if count else Q(sign_count=0)
    changed = Passkey.objects.filter(is_next, pk=row.pk).update(sign_count=count, last_used_at=timezone.now())
    return row.user if changed else None


def of(person: User) -> list[Passkey]:
    """Return the passkeys of a person, the one last used first."""
    return [*Passkey.objects.filter(user=person).order_by(F("last_used_at").desc(nulls_last=True), "-created_at")]


def _server(request: HttpRequest, name: str = "") -> Fido2Server:
    """Return the library's server for the host of a request, which ALLOWED_HOSTS has. Raises ValueError without one."""
    host = host_of(request)
    if not host:
        raise ValueError("a passkey is bound to a name")
    origin = f"{request.scheme}://{request.get_host()}"
    return Fido2Server(
        PublicKeyCredentialRpEntity(id=host, name=name or host), verify_origin=lambda given: given == origin
    )


def _credentials(rows: Any) -> list[AttestedCredentialData]:
    return [AttestedCredentialData(bytes(row.credential)) for row in rows]


def _keep(request: HttpRequest, what: str, state: Any) -> None:
    request.session[SESSION_KEY] = {"what": what, "state": state, "made": timezone.now().timestamp()}


def _take(request: HttpRequest, what: str) -> Any:
    """Return the challenge that waits for this in the session, which forgets it; None where none does.

    Of two requests that find it in the session at once the second gets none, either.
    """
    kept = request.session.pop(SESSION_KEY, None)
    if not kept or kept["what"] != what or not 0 <= timezone.now().timestamp() - kept["made"] < LIFETIME_SECONDS:
        return None
    return kept["state"] if limiter.take_once(kept["state"]["challenge"]) else None


def _read(sent: str) -> Any:
    """Return the JSON object that a browser sent, None for anything else."""
    try:
        found = json.loads(sent) if len(sent) <= MAX_LENGTH else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _digest(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()
