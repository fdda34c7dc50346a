"""Why single sign-on let nobody in: a sentence for the person, and a word for URLs and audit events.

The word stands in the URL of the page that shows the sentence: nothing has to be kept for a stranger, and the page has
not the URL of the callback, whose code and state no Referer may hold.
"""

from django.conf import settings
from django.http import HttpRequest

from apikeys.exceptions import ApiKeyError
from apikeys.exceptions import gettext_noop as _
from apikeys.services.messages import sentence

PARAMETER = "refused"


class SignOnRefused(ApiKeyError, status=403, code="forbidden"):
    """Nobody is logged in, linked or proved to be who they are. `word` tells which refusal it is."""

    word = ""

    def __init__(self) -> None:
        super().__init__(name=settings.OIDC_NAME)


class TripUnknown(SignOnRefused):
    """No trip to the provider that this browser began has this state: forged, used, foreign or too old."""

    word = "unknown"
    message = _(
        "This log-in was used already, is more than ten minutes old, or was begun in another browser. Log in again."
    )


class ProviderRefused(SignOnRefused):
    """The provider sent the person back with an error."""

    word = "refused"
    message = _("%(name)s did not log you in. Try again, or ask who runs %(name)s.")


class ProviderUnavailable(SignOnRefused):
    """The provider did not answer in time, or not with what a provider answers."""

    word = "unavailable"
    message = _("%(name)s does not answer. Try again in a minute.")


class ProviderBusy(SignOnRefused):
    """As many requests as may wait for the provider are waiting."""

    word = "busy"
    message = _("Too many people are logging in at this moment. Try again in a minute.")


class AnswerRefused(SignOnRefused):
    """A check of what the provider sent has failed; the log says which."""

    word = "answer"
    message = _("What %(name)s sent is not valid. Try again, or ask the operator of this console.")

    def __init__(self, check: str = "") -> None:
        self.check = check
        super().__init__()


class TooManySignOns(SignOnRefused):
    """As many log-ins were begun from an address, or on a known device, as the limit on attempts allows."""

    word = "limit"
    message = _("Too many log-ins were begun. Wait a few minutes, then try again.")


class Stranger(SignOnRefused):
    """The provider knows the person; the console does not."""

    word = "stranger"
    message = _("%(name)s knows you, but you are no user of this console. Ask an administrator.")


class UserIdTaken(SignOnRefused):
    """A person would be made whose user ID somebody has, or nobody may have."""

    word = "taken"
    message = _(
        "Your user ID at %(name)s can't be yours here: somebody has it, or it is not allowed. If that is you, log in "
        "with your password and connect the two under Second factors; else ask an administrator."
    )


class Deactivated(SignOnRefused):
    """The person is a user who was deactivated."""

    word = "deactivated"
    message = _("Your user was deactivated in this console. Ask an administrator.")


class SomebodyElse(SignOnRefused):
    """Who came back from the provider is not who is logged in, or belongs to another user."""

    word = "other"
    message = _("You came back from %(name)s as somebody else. Log in there as yourself.")


class NotAskedAgain(SignOnRefused):
    """The provider did not ask the person, or does not tell when it did."""

    word = "old"
    message = _(
        "%(name)s did not ask you to log in again, so it proves nothing. Use another way, or log out and log in."
    )


def _all(kind: type[SignOnRefused]) -> list[type[SignOnRefused]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _all(child))]


BY_WORD = {kind.word: kind for kind in _all(SignOnRefused) if kind.word}


def told(request: HttpRequest) -> str:
    """Return the sentence of the refusal that the page's URL names, "" for none."""
    kind = BY_WORD.get(request.GET.get(PARAMETER, ""))
    return sentence(kind()) if kind and settings.OIDC_ISSUER else ""
