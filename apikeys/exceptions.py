"""Everything that can go wrong with keys. Only this module knows HTTP statuses and IAM's codes.

ApiKeyError
├── InvalidApiKey           a field of a request is not acceptable
├── ApiKeyNotFound          no such key, or somebody else's
├── ApiKeyConflict          the key changed since it was read
├── ApiKeyLocked            the key must be unlocked first
├── ApiKeyLimitReached      the owner has as many keys as allowed
├── HandoverError
│   ├── AlreadyReceived     the value was delivered
│   └── HandoverExpired     the value waited too long for its receipt
└── BackendUnavailable      the store did not answer

Messages are sentences for people: what happened and what to do next. They are never formatted with a
key's value. `message` is a msgid of the translation catalogues; `params` are filled in after translation.
"""


def gettext_noop(message: str) -> str:
    """Mark a message for the catalogues without translating it here."""
    return message


_ = gettext_noop


class ApiKeyError(Exception):
    """The root. `status` is the HTTP status, `code` IAM's code (iam-contract, section 3)."""

    status = 500
    code = "internal_error"
    message = _("Something went wrong. Nothing was changed.")

    def __init__(self, message: str = "", **params: object) -> None:
        self.message = message or self.message
        self.params = params
        super().__init__(self.message % params if params else self.message)


class InvalidApiKey(ApiKeyError):
    """`field` names the offending field of the request."""

    status = 400
    code = "BXNIM0113E"
    message = _("The request is not valid.")

    def __init__(self, field: str, message: str, **params: object) -> None:
        self.field = field
        super().__init__(message, **params)


class ApiKeyNotFound(ApiKeyError):
    status = 404
    code = "BXNIM0102E"
    message = _("This API key does not exist. It may have been deleted.")


class ApiKeyConflict(ApiKeyError):
    status = 409
    code = "conflict"
    message = _("Someone changed this API key while you were editing it. Compare, then save again.")


class ApiKeyLocked(ApiKeyError):
    status = 409
    code = "conflict"
    message = _("This API key is locked. Unlock it first.")


class ApiKeyLimitReached(ApiKeyError):
    status = 422
    code = "BXNIM0151E"
    message = _(
        "You have reached the limit of %(limit)d API keys. Delete a key that you no longer need, then try again."
    )


class HandoverError(ApiKeyError):
    """The form was sent before and its key exists; the value is not available again. `key_id` is that key."""

    status = 409
    code = "conflict"

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        super().__init__()


class AlreadyReceived(HandoverError):
    message = _("This API key was created and shown. Its value is never shown a second time.")


class HandoverExpired(HandoverError):
    message = _("This API key was created, but the time to show its value has run out.")


class BackendUnavailable(ApiKeyError):
    status = 503
    code = "unavailable"
    message = _("The key store did not answer. Try again shortly.")
