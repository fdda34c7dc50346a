"""Text that somebody typed, as a mail may have it: one line, in no other direction, and nothing that becomes a link."""

import re
import unicodedata

from django.utils.translation import gettext as _

from apikeys import values

LONGEST = 80
# Mail programs make links of these; a dot before a digit, as in v1.2, is none.
_LINKS = re.compile(r"://|@|(?<=\w)\.(?=[^\W\d])")


def quoted(text: str) -> str:
    """Return text in quotation marks, made harmless by `plain`."""
    # Translators: a name that somebody typed, in quotation marks.
    return _("“%(text)s”") % {"text": plain(text)}


def plain(text: str) -> str:
    """Return text without control characters, marks of direction and links, shortened, with values masked."""
    shown = "".join(c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in " ".join(values.mask(text).split()))
    short = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
    return _LINKS.sub(lambda found: f"[{found[0]}]", short)
