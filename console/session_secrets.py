"""What a session keeps sealed: who reads the rows of sessions learns nothing of it, and who writes them makes none up.

It is sealed as what outlives a rotation of SECRET_KEY.
"""

import base64
from dataclasses import dataclass

from django.contrib.sessions.backends.base import SessionBase
from django.views.decorators.debug import sensitive_variables

from apikeys import sealing


@dataclass(frozen=True, slots=True)
class SessionSecret:
    """One kind of secret: its name in a session, and the purpose of its key.

    What else is sealed for that purpose with the same bond opens here, too. Only the secret of an app that is being
    set up shares its own: with that of the app which the same person has, in the row of it.
    """

    name: str
    purpose: str

    @sensitive_variables("text")
    def keep(self, session: SessionBase, text: str, *, bound_to: str = "") -> None:
        """Keep a text in a session, in place of an earlier one; it is found again with the same bond alone."""
        sealed = sealing.seal_lasting(text.encode(), self.purpose, bound_to or self.purpose)
        session[self.name] = base64.b64encode(sealed).decode()

    def find(self, session: SessionBase, *, bound_to: str = "") -> str:
        """Return the text that a session keeps, "" for none, and for what no SECRET_KEY that is known has sealed."""
        try:
            sealed = base64.b64decode(session.get(self.name, ""))
            return sealing.unseal_lasting(sealed, self.purpose, bound_to or self.purpose).decode()
        except (sealing.InvalidTag, ValueError, TypeError):
            return ""

    def forget(self, session: SessionBase) -> None:
        """Forget the text, if there is one."""
        session.pop(self.name, None)
