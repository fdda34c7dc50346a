"""Known devices: a cookie says who logged in on this browser before, so that strangers' guesses don't keep them out.

It opens nothing and holds no name: it only chooses the counter that attempts are counted by. What is in it is signed,
bound to the person's user ID by a keyed hash, and random for each device.
"""

import secrets
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from console.cookies import set_cookie
from console.log_in.limiter import person_tags

REMEMBERED = timedelta(days=180)  # after the last log-in
PEOPLE = 5  # who can share a browser; the one who logged in longest ago is forgotten
SALT = "console.log_in.devices"


def known_device(request: HttpRequest, user_id: str) -> str:
    """Return the random name of the device, "" unless this person has logged in on it before."""
    people = _people_of(request)
    return next((people[tag] for tag in person_tags(user_id) if tag in people), "")


def device_of_anybody(request: HttpRequest) -> str:
    """Return the random name of the device, as of whoever logged in on it last, "" where nobody has before."""
    return next(reversed(_people_of(request).values()), "")


def remember(request: HttpRequest, response: HttpResponse, user_id: str) -> None:
    """Let the browser that gets this answer be a device that the person has logged in on."""
    device = known_device(request, user_id) or secrets.token_urlsafe(16)
    tag, *older = person_tags(user_id)
    others = [(name, kept) for name, kept in _people_of(request).items() if name not in (tag, *older)]
    kept = dict([*others, (tag, device)][-PEOPLE:])
    text = signing.dumps(kept, salt=SALT)
    set_cookie(response, settings.DEVICE_COOKIE_NAME, text, int(REMEMBERED.total_seconds()))


def _people_of(request: HttpRequest) -> dict[str, str]:
    """Return the devices' names by person, of the cookie that this console signed, none of any other."""
    try:
        found = signing.loads(request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""), salt=SALT, max_age=REMEMBERED)
    except signing.BadSignature:
        return {}
    return dict(found)
