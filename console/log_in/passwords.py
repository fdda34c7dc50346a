"""What may be a password: long enough, and not easily guessed, by NIST SP 800-63B-4 and an estimator.

ADR 0017 says why it is an estimator and not a list. Any character may be in a password, none must be, and it is kept
and compared as it was typed. What is refused is said in one sentence that tells what to do instead.
"""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.forms import SetPasswordForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables
from zxcvbn_rs_py import Warning as Weakness
from zxcvbn_rs_py import zxcvbn

from console.models import User

MIN_LENGTH = 15
MIN_GUESSES = 10  # as a power of ten: what holds where the hashes were stolen

ESTIMATED = 40  # characters at each end: the time grows faster than the length, and 40 take up to 20 ms
MAX_WORDS = 100  # and with the words that belong to the person
OWN_WORDS = ("API keys", "API keys console", "console", "administrator", "IBM Cloud")
# Sentences that everybody knows are one guess each, and to an estimator many words.
KNOWN_SENTENCES = (
    "correcthorsebatterystaple", "thequickbrownfoxjumpsoverthelazydog", "tobeornottobethatisthequestion",
    "maytheforcebewithyou", "loremipsumdolorsitamet", "allyourbasearebelongtous", "onceuponatimetherewas",
    "twinkletwinklelittlestar", "inthebeginningwastheword", "happybirthdaytoyou",
)  # fmt: skip

_SEPARATORS = re.compile(r"[\W_]+")
_BLANKS = re.compile(r"[\s._-]+")
_RUN = re.compile(r"(.)\1+", re.DOTALL)
_UNSHIFTED = str.maketrans("!@#$%^&*()", "1234567890")
_REPEATS = (Weakness.RepeatsLikeAaaAreEasyToGuess, Weakness.RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess)
_ROWS = (
    Weakness.SequencesLikeAbcAreEasyToGuess,
    Weakness.StraightRowsOfKeysAreEasyToGuess,
    Weakness.ShortKeyboardPatternsAreEasyToGuess,
)


class PasswordValidator:
    """For AUTH_PASSWORD_VALIDATORS: whoever chooses a password, wherever, is told what `check` tells."""

    @sensitive_variables("password")
    def validate(self, password: str, user: User | None = None) -> None:
        check(password, user)

    def get_help_text(self) -> str:
        return _("Use 15 characters or more. A sentence works well. Common passwords are refused.")


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """Django's, with what is wrong with a password at the field where it is typed first, not where it is confirmed."""

    def validate_password_for_user(self, user: User, password_field_name: str = "") -> None:
        super().validate_password_for_user(user, "new_password1")


@sensitive_variables("password")
def check(password: str, person: User | None = None) -> None:
    """Raise ValidationError, with one sentence, for what can't be this person's password.

    It is the same beside a second factor: the password stays when that is taken away, and then stands alone.
    """
    if len(password) < MIN_LENGTH:
        raise ValidationError(
            ngettext(
                "Use %(number)d character or more. A sentence of several words is long and easy to remember.",
                "Use %(number)d characters or more. A sentence of several words is long and easy to remember.",
                MIN_LENGTH,
            )
            % {"number": MIN_LENGTH}
        )
    # The whole is no weaker than a part of it: one end that is good is enough.
    words = words_of(person)
    ends = dict.fromkeys((password[:ESTIMATED], password[-ESTIMATED:]))
    weaknesses = [_weakness(end, words) for end in ends]
    if all(weaknesses):
        raise ValidationError(weaknesses[0])


def words_of(person: User | None) -> list[str]:
    """Return the words that somebody who guesses tries first: the person's, this console's, and known sentences."""
    hosts = [urlsplit(settings.PUBLIC_URL).hostname or "", *settings.ALLOWED_HOSTS]
    named = [*OWN_WORDS, settings.CONSOLE_BRAND, settings.APIKEYS_PREFIX, *hosts]
    if person is not None:
        names = [person.first_name, person.last_name, person.first_name + person.last_name]
        named = [person.username, *names, person.email, *named]
    words = dict.fromkeys(word for text in named for word in _words_in(text))
    return [*list(words)[:MAX_WORDS], *KNOWN_SENTENCES]


def _words_in(text: str) -> Iterator[str]:
    """Yield a name as it is, without what separates its words, and each word that is no syllable."""
    folded = unicodedata.normalize("NFKC", text).casefold()[:ESTIMATED]
    pieces = [piece for piece in _SEPARATORS.split(folded) if piece]
    for word in (folded, "".join(pieces), *pieces):
        if len(word) > 2 or (len(word) == 2 and not word.isascii()):
            yield word


@sensitive_variables("password", "shape")
def _weakness(password: str, words: list[str]) -> str:
    """Return the sentence for a password that takes fewer guesses, "" for one that takes as many."""
    for shape in _shapes(password):
        found = zxcvbn(shape, words)
        if found.guesses_log10 >= MIN_GUESSES:
            continue
        plain = zxcvbn(shape, [*KNOWN_SENTENCES])
        if plain.guesses_log10 >= MIN_GUESSES:
            return _(
                "Others can guess this password: it is made of your names or of this console's. Use several words that "
                "have nothing to do with either."
            )
        cause = plain.feedback.warning if plain.feedback else None
        if cause in _REPEATS:
            return _("This password repeats itself, which makes it easy to guess. Use several different words.")
        if cause in _ROWS:
            return _("This password follows the rows of a keyboard or of the alphabet. Use several words instead.")
        return _("This password is easy to guess. Use several words that do not belong together.")
    return ""


@sensitive_variables("password", "typed", "bare", "shape")
def _shapes(password: str) -> Iterator[str]:
    """Yield what guessers take for the same password: without what separates words, runs and the Shift key."""
    typed = unicodedata.normalize("NFKC", password)[:ESTIMATED].encode("utf-8", "replace").decode()
    bare = _BLANKS.sub("", typed)
    yield from dict.fromkeys((typed, bare, _RUN.sub(r"\1", bare), bare.translate(_UNSHIFTED)))
