"""What a key or a token may do, as OAuth writes it: names with a space between them; no Django.

An empty text is everything, as IBM's keys are. A key that has a scope does what the scope names and nothing else: of
this API by the two names here, at services behind the console by the names that administrators define.
"""

import re
from collections.abc import Iterable

from apikeys.domain import SCOPE_MAX_LENGTH
from apikeys.exceptions import InvalidApiKey
from apikeys.exceptions import gettext_noop as _
from apikeys.values import mask_sent

FIELD = "scopes"
READ, WRITE = "apikeys:read", "apikeys:write"  # of this API: look, and everything
BUILT_IN = (READ, WRITE)
EVERYTHING = "ibm openid"  # what a token without limit has as its scope, as IBM's have
NAME_MAX_LENGTH = 64
NAME = re.compile(rf"[a-z0-9][a-z0-9._:/-]{{0,{NAME_MAX_LENGTH - 1}}}")
WHOLE = "all"  # what people write for no limit
OF_THIS_API = "apikeys:"  # begins the names of this API, those to come included
LOOKS = ("GET", "HEAD", "OPTIONS")


def clean(names: Iterable[str]) -> str:
    """Return names as their text, in alphabetical order, each once.

    Raises InvalidApiKey for what can be no name, and for more than is kept.
    """
    found = sorted({name.strip() for name in names if name.strip()})
    for name in found:
        if not NAME.fullmatch(name):
            raise unknown(name)
    text = " ".join(found)
    if len(text) > SCOPE_MAX_LENGTH:
        raise InvalidApiKey(FIELD, _("These are too many scopes."))
    return text


def clean_name(text: str) -> str:
    """Return a name that administrators can define, without surrounding white space.

    Raises InvalidApiKey for one that can be none, or means something already.
    """
    name = text.strip()
    if not name:
        raise InvalidApiKey("name", _("Enter a name."))
    if not NAME.fullmatch(name):
        told = _("Use up to %(limit)d of a-z, 0-9 and . _ : / - and begin with a letter or a digit.")
        raise InvalidApiKey("name", told, limit=NAME_MAX_LENGTH)
    if name.startswith(OF_THIS_API) or name in (WHOLE, *EVERYTHING.split()):
        raise InvalidApiKey("name", _("This console uses this name itself. Choose another one."))
    return name


def unknown(name: str) -> InvalidApiKey:
    """Return the error for a name that no scope has; it repeats no key's value."""
    return InvalidApiKey(FIELD, _("There is no scope %(name)s."), name=mask_sent(name)[:NAME_MAX_LENGTH])


def listed(scope: str) -> list[str]:
    """Return the names of a scope, one by one; none where it is everything."""
    return scope.split()


def covers(outer: str, inner: str) -> bool:
    """Tell whether all that `inner` allows is allowed by `outer`."""
    return not outer or (bool(inner) and _allowed(inner) <= _allowed(outer))


def common(one: str, other: str) -> str | None:
    """Return what both allow; None for nothing."""
    if not one or not other:
        return one or other
    both = _allowed(one) & _allowed(other)
    if WRITE in both:
        both.discard(READ)
    return " ".join(sorted(both)) or None


def _allowed(scope: str) -> set[str]:
    names = {*scope.split()}
    return names | {READ} if WRITE in names else names


def permits(scope: str, method: str) -> bool:
    """Tell whether a scope allows a request of this method to this API."""
    return not scope or needed(method) in _allowed(scope)


def needed(method: str) -> str:
    """Return the name that a limited scope needs for a request of this method to this API."""
    return READ if method in LOOKS else WRITE


def of_claim(claim: object) -> str:
    """Return the scope that the claim `scope` of a token of this server says, "" for everything."""
    return "" if claim in (None, EVERYTHING) else str(claim)


def to_claim(scope: str) -> str:
    """Return a scope as a token and the token endpoint say it."""
    return scope or EVERYTHING


def asked(text: str) -> str:
    """Return the scope that a client asks for, "" for all that it may have: IBM's clients may ask for `ibm openid`."""
    names = {*text.split()} - {*EVERYTHING.split()}
    return " ".join(sorted(names))
