"""Loaded by Schemathesis: what it can't know.

It signs the reports of leaks that it makes up, for no random signature is ever a good one; and it takes a key that was
deleted and restored for one that is there.
"""

import base64
import os
from typing import Any

import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from schemathesis.openapi.checks import UseAfterFree
from schemathesis.specs.openapi.checks import use_after_free

REPORTER = "reporter"
TO_BE_SIGNED = "to-be-signed"
HEADER = "Github-Public-Key-Signature"


def signature(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Put the signature of the very bytes that are sent where the description for the test asks for it."""
    if request.headers.get(HEADER) == TO_BE_SIGNED:
        key = load_pem_private_key(os.environ["REPORTER_KEY"].encode(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        body = request.body or b""
        signed = key.sign(body if isinstance(body, bytes) else body.encode(), ECDSA(SHA256()))
        request.headers[HEADER] = base64.b64encode(signed).decode()
    return request


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    if case.path == "/v1/leaks":
        kwargs["auth"] = signature


@schemathesis.check
def what_is_deleted_is_gone(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """Check as `use_after_free` does, which knows only creations to bring something back."""
    try:
        use_after_free(ctx, response, case)
    except UseAfterFree as exc:
        if not was_restored(ctx, exc.deleted_case_id, case):
            raise


def was_restored(ctx: schemathesis.CheckContext, deleted_by: str, case: schemathesis.Case) -> bool:
    """Tell whether a key that one case deleted was restored before another one."""
    cases = list(ctx.internals.find_all_cases())
    ids = [found.id for found in cases]
    between = cases[ids.index(deleted_by) + 1 : ids.index(case.id)]
    key_id = (case.path_parameters or {}).get("id")
    for found in between:
        answer = ctx.internals.find_response(case_id=found.id)
        is_of_key = found.path == "/v1/apikeys/{id}/restore" and (found.path_parameters or {}).get("id") == key_id
        if is_of_key and answer is not None and answer.status_code == 200:
            return True
    return False
