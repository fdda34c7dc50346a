"""What a session keeps sealed opens for who sealed it, after an upgrade and a rotation too, and for nothing else."""

import base64

import pytest

from apikeys import sealing
from console.factors import second_step
from console.factors.views import ENROLLING
from console.session_secrets import SessionSecret
from console.single_sign_on import trips

pytestmark = pytest.mark.once
ALICES, BOBS = "IBMid-ALICE00000", "IBMid-BOB0000000"
OF_BEFORE = (
    (ENROLLING, "enrolling", "console second factor", ALICES),
    (second_step.KEPT, "second_step", "console second step", ""),
    (trips.KEPT, "single_sign_on", "console single sign-on", ""),
)


def test_a_secret_is_found_by_its_bond_alone_until_it_is_forgotten_and_stands_nowhere_in_clear():
    session, secret = {}, SessionSecret("app", "an app")

    secret.keep(session, "JBSWY3DP", bound_to=ALICES)

    assert secret.find(session, bound_to=ALICES) == "JBSWY3DP"
    assert "JBSWY3DP" not in session["app"]
    assert b"JBSWY3DP" not in base64.b64decode(session["app"])
    assert [secret.find(session, bound_to=BOBS), secret.find(session)] == ["", ""]
    assert SessionSecret("app", "another").find(session, bound_to=ALICES) == ""
    secret.forget(session)
    secret.forget(session)
    assert session == {}


@pytest.mark.parametrize("kept", ["", "x", "AAAA", "é", 7, None])
def test_what_nobody_has_sealed_is_none(kept):
    assert SessionSecret("app", "an app").find({"app": kept}) == ""


@pytest.mark.parametrize(("secret", "name", "purpose", "bond"), OF_BEFORE)
def test_what_the_release_before_kept_is_found(settings, secret, name, purpose, bond):
    sealed = sealing.seal(sealing.cipher(settings.SECRET_KEY, purpose), b"kept", bond or purpose)
    session = {name: base64.b64encode(sealed).decode()}

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "present " * 8, [settings.SECRET_KEY]

    assert secret.find(session, bound_to=bond) == "kept"
