"""The format of a key's value, and its digest under a pepper; no Django.

A value has 44 characters: a prefix, random base62 characters, and 6 base62 characters of CRC-32 over all
that precedes. It fits IBM's `[A-Za-z0-9_-]{44}`, a double click selects it whole, it never begins with "-",
and a scanner can tell a real one from a look-alike without asking anybody.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from itertools import pairwise

from apikeys.domain import API_KEY_ID, HINT_LENGTH, SERVICE_ID

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 44
CHECKSUM_LENGTH = 6  # 62**6 > 2**32
MIN_RANDOM = 32  # 190 bits: 32 * log2(62)
MAX_PREFIX = LENGTH - CHECKSUM_LENGTH - MIN_RANDOM
DEFAULT_PREFIX = "apk_"
PREFIX_HELP = f"a letter, then up to {MAX_PREFIX - 1} more letters, digits or underscores"
MIN_PEPPER_BYTES = 32

# A run as long as a value, with small and capital letters; what stands next to a value may be part of the run.
VALUE_LIKE = re.compile(
    rf"(?<![A-Za-z0-9_-])(?!(?:iam-)?ServiceId-[0-9a-f-]{{36}}(?![A-Za-z0-9_-]))"
    rf"(?=[A-Za-z0-9_-]*[a-z])(?=[A-Za-z0-9_-]*[A-Z])[A-Za-z0-9_-]{{{LENGTH},}}"
)
# Only at the start of a run: tried at each "eyJ" of a long one, it would take the square of the time.
_JWT_LIKE = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
MASK = "[masked]"
_AROUND = f"{string.whitespace}\u0085\u00a0\u200b\u2028\u2029\u3000\ufeff\"'`“”„‘’‚«»"

# The length of a value that a program may bring, and the variety that it needs. It may have any characters.
MIN_OWN_VALUE, MAX_OWN_VALUE = 32, 1000
MIN_CHARACTERS, MIN_RUNS, MIN_STEPS = 8, 24, 8
_ID = re.compile(rf"{API_KEY_ID.pattern}|(?:iam-)?{SERVICE_ID.pattern}")
# What stands in an address of the console for certain: an id, or a word of its own.
_OF_ADDRESSES = re.compile(
    rf"{_ID.pattern}|IBMid-[A-Z0-9]{{10}}|\.well-known|accounts|activate|activity|alarm-seen|api|apikeys|bulk|choose|create"
    r"|deactivate|delete|deleted|details|disable|docs|done|download|edit|enable|end|end-previous|export|extend-previous"
    r"|favicon\.ico|found|healthz|identity|introspect|keys|language|leaks|limits|link|lock|login|logout|manage|metrics|more"
    r"|more-time|oauth-authorization-server|oidc|openapi\.json|openid-configuration|password|pause|previous|readyz|receipt"
    r"|refusals|restore|resume|review|revoke|rotate|rules|scopes|security|serviceids|settle|static|take-over|theme"
    r"|time-zone|token|unlock|usage|userinfo|users|v1"
)
_LONG_WORD = re.compile(rf"(?<![\w-])(?!(?:{_ID.pattern})(?![\w-]))[\w-]{{{MIN_OWN_VALUE},}}")
_MASKS = re.compile(r"\[masked\](?:/+\[masked\])+")
_AGENT = re.compile(r"[A-Za-z][\w.+-]*/\d")
_ORIGIN = re.compile(r"(?:https?://)?(?P<host>[A-Za-z0-9:.\[\]_-]*)")
_CORRELATION_ID = re.compile(
    rf"[\w.-]{{1,{MIN_OWN_VALUE - 1}}}|[0-9A-Fa-f]{{8}}(?:-?[0-9A-Fa-f]{{4}}){{3}}-?[0-9A-Fa-f]{{12}}", re.ASCII
)


def is_prefix(prefix: str) -> bool:
    """Tell whether values may begin with `prefix` and still hold 190 random bits."""
    return re.fullmatch(rf"[A-Za-z][A-Za-z0-9_]{{0,{MAX_PREFIX - 1}}}", prefix) is not None


def checksum(body: str) -> str:
    """Return the 6 base62 characters, most significant first, of CRC-32 over `body`."""
    number = zlib.crc32(body.encode("ascii"))
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def generate(prefix: str) -> str:
    """Return a new value from the system's random source: 202 random bits with a prefix of 4 characters."""
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH - CHECKSUM_LENGTH - len(prefix)))
    return body + checksum(body)


def is_genuine(value: str, prefix: str) -> bool:
    """Tell, offline, whether `value` has the length, the prefix and the checksum of a value made here."""
    return (
        len(value) == LENGTH
        and value.isascii()
        and value.startswith(prefix)
        and hmac.compare_digest(checksum(value[:-CHECKSUM_LENGTH]), value[-CHECKSUM_LENGTH:])
    )


def hint(value: str, prefix: str) -> str:
    """Return what people recognise a key by: the prefix if it has it, and its last characters."""
    return f"{prefix if value.startswith(prefix) else ''}…{value[-HINT_LENGTH:]}"


def hinted(text: str, prefix: str) -> str:
    """Return `text` with the hint of a value wherever something looks like one."""
    return VALUE_LIKE.sub(lambda found: hint(found[0], prefix), text)


def trimmed(text: str) -> str:
    """Return a value without the white space, byte order marks and quotation marks that files and shells add."""
    return text.strip(_AROUND)


def is_guessable(value: str) -> bool:
    """Tell whether a value that somebody brings is one that a guesser would try: a word over and over, a sequence.

    The floor is one of variety: 8 different characters, 24 different runs of three characters, 8 different steps from
    one character to the next. One in 700 texts of 32 random digits is below it, and none of a larger alphabet. It does
    not measure how random a value is; docs/adr/0002-one-fast-keyed-hash.md.
    """
    runs = {value[place : place + 3] for place in range(len(value) - 2)}
    steps = {ord(after) - ord(before) for before, after in pairwise(value)}
    return len(set(value)) < MIN_CHARACTERS or len(runs) < MIN_RUNS or len(steps) < MIN_STEPS


def mask(text: str) -> str:
    """Return `text` with everything that looks like a value or a signed token replaced."""
    return VALUE_LIKE.sub(MASK, _JWT_LIKE.sub(MASK, text))


def mask_sent(text: str) -> str:
    """Return text that a client chose, with every word masked that is long enough to be a value of somebody's own."""
    return _LONG_WORD.sub(MASK, mask(text))


def mask_path(path: str) -> str:
    """Return an address in which all is masked but ids and words of its own, once the rest is as long as a value.

    A value of somebody's own may have any characters, slashes too.
    """
    pieces = path.split("/")
    foreign = [piece for piece in pieces if not _OF_ADDRESSES.fullmatch(piece)]
    if len("/".join(foreign).strip("/")) < MIN_OWN_VALUE:
        return mask(path)
    masked = "/".join(MASK if piece and not _OF_ADDRESSES.fullmatch(piece) else piece for piece in pieces)
    return _MASKS.sub(MASK, masked)


def mask_agent(text: str) -> str:
    """Return the name of a client's software where it begins like one, `name/1`, or is short; else the mask."""
    return mask_sent(text) if len(text) < MIN_OWN_VALUE or _AGENT.match(text) else MASK


def mask_origin(text: str) -> str:
    """Return a host or an origin that a client sent; the mask where it is none, or as long as a value may be."""
    found = _ORIGIN.fullmatch(text)
    return mask_sent(text) if found and len(found["host"]) < MIN_OWN_VALUE else MASK


def mask_correlation_id(text: str) -> str:
    """Return a client's name for its request where that is a UUID or short, else the mask."""
    return text if _CORRELATION_ID.fullmatch(text) else MASK


NEXT_PEPPER = "next:"  # before the number of one that is to come


@dataclass(frozen=True, slots=True)
class Peppers:
    """Numbered secrets of the server, kept outside the database.

    The newest has the highest number of those that are not `coming`: under one that is to come values are found, so
    that processes which store under it already have no secrets from the others.
    """

    by_number: dict[int, bytes] = field(repr=False)
    coming: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, text: str) -> "Peppers":
        """Read `1:hex,2:hex,next:3:hex`. Raises ValueError, without repeating the text, when it is not of that form."""
        by_number: dict[int, bytes] = {}
        coming: set[int] = set()
        for part in text.split(","):
            is_coming = part.strip().startswith(NEXT_PEPPER)
            number, colon, secret = part.strip().removeprefix(NEXT_PEPPER).partition(":")
            if not colon or not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= 32_767:
                raise ValueError("write each pepper as NUMBER:HEX, numbers from 1 to 32767, separated by commas.")
            if int(number) in by_number:
                raise ValueError(f"pepper {int(number)} is given twice.")
            try:
                by_number[int(number)] = bytes.fromhex(secret)
            except ValueError:
                raise ValueError(f"pepper {int(number)} is not hexadecimal.") from None
            if len(by_number[int(number)]) < MIN_PEPPER_BYTES:
                raise ValueError(f"pepper {int(number)} is too short: use 64 hexadecimal digits or more.")
            if is_coming:
                coming.add(int(number))
        if max(coming, default=0) and min(coming) <= max(by_number.keys() - coming, default=32_767):
            raise ValueError("the pepper that is to come has the highest number, and there is one before it.")
        return cls(by_number, frozenset(coming))

    def line(self) -> str:
        """Return what `parse` reads, which holds the secrets themselves: for the file of them alone."""
        numbers = sorted(self.by_number)
        marks = [NEXT_PEPPER if number in self.coming else "" for number in numbers]
        return ",".join(f"{mark}{n}:{self.by_number[n].hex()}" for mark, n in zip(marks, numbers, strict=True))

    @property
    def newest(self) -> int:
        return max(self.by_number.keys() - self.coming)

    def digest(self, value: str, number: int) -> str:
        """Return HMAC-SHA256 of a value under pepper `number`, 64 hex digits. Raises KeyError without that pepper."""
        return hmac.new(self.by_number[number], value.encode("utf-8"), hashlib.sha256).hexdigest()

    def digests(self, value: str) -> list[tuple[str, int]]:
        """Return the digest of a value under each pepper, together with the pepper's number."""
        return [(self.digest(value, number), number) for number in self.by_number]

    def fingerprint(self, number: int) -> str:
        """Return 16 hex digits that tell one pepper from another and reveal nothing of it."""
        return hmac.new(self.by_number[number], b"fingerprint of this pepper", hashlib.sha256).hexdigest()[:16]
