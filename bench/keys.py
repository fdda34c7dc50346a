"""The people and keys of the measurements, without Django: the same ones each time, any number of them."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apikeys.values import ALPHABET, CHECKSUM_LENGTH, DEFAULT_PREFIX, LENGTH, checksum

PASSWORD = "a password for the measurements"  # noqa: S105
MANY, HUNDRED, NONE, ADMINISTRATOR = "mara", "hugo", "nora", "ada"
MAKERS = tuple(f"maker{number}" for number in range(1, 9))
OTHERS = tuple(f"person{number:02}" for number in range(40))
PEOPLE = (MANY, HUNDRED, NONE, ADMINISTRATOR, *MAKERS, *OTHERS)
SHARE_OF_MANY = 0.9869
LEAST_OF_OTHERS = 300
KNOWN = 2000  # keys of MANY whose value can be told

SERVICES = (
    "accounting", "archive", "audit", "backup", "billing", "booking", "catalogue", "checkout", "crawler", "delivery",
    "discovery", "dispatch", "export", "fraud", "gateway", "grafana", "identity", "import", "ingest", "inventory",
    "invoice", "jenkins", "ledger", "loyalty", "mailer", "metrics", "migration", "monitor", "notify", "orders",
    "payments", "planner", "pricing", "printing", "profile", "promotion", "prometheus", "queue", "reader", "recommend",
    "replica", "reporting", "returns", "rollout", "scheduler", "search", "settlement", "shipping", "snapshot",
    "storefront", "support", "telemetry", "terraform", "tickets", "tracing", "translate", "uploads", "vault",
    "warehouse", "webhook",
)  # fmt: skip
ENVIRONMENTS = ("prod", "prod", "prod", "staging", "test", "dev", "sandbox")
REGIONS = ("eu-de", "eu-gb", "eu-es", "us-south", "us-east", "ca-tor", "jp-tok", "jp-osa", "au-syd", "br-sao")
TEAMS = ("Platform", "Data", "Commerce", "Finance", "Logistics", "Security", "Research", "Support", "Web", "Mobile")
PURPOSES = (
    "Nightly export of {service} to object storage", "Reads {service} for the dashboard of team {team}",
    "Deploys {service} from the pipeline", "Used by {service} in {region}; ask {team} before you delete it",
    "Rotated each quarter by {team}", "Health checks of {service}", "Temporary, for the move of {service} to {region}",
    "", "",
)  # fmt: skip
COMMON_WORD, RARE_WORD, ABSENT_WORD = "prod", "zanzibar", "no-such-key-anywhere"
RARE = 3  # keys of MANY with the rare word in their name

FIRST = datetime(2023, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=1000)


@dataclass(frozen=True)
class Key:
    """One key. `value` is empty where nobody will use it."""

    id: str
    owner: str
    name: str
    description: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    use_count: int
    disabled: bool
    entity_tag: str
    digest: str
    hint: str
    value: str = ""


def value_of(owner: str, place: int) -> str:
    """Return the value of a person's key; those that `knows` names are in the data set."""
    chosen = random.Random(f"{owner} {place}")  # noqa: S311 (opens nothing but a database of measurements)
    body = DEFAULT_PREFIX + "".join(chosen.choices(ALPHABET, k=LENGTH - CHECKSUM_LENGTH - len(DEFAULT_PREFIX)))
    return body + checksum(body)


def known_values(owner: str, count: int, keys: int) -> list[str]:
    """Return `count` values of a person who has `keys` keys, at most KNOWN, from all over the list."""
    places = range(0, keys, step_of(keys))
    return [value_of(owner, place) for place in places[:: max(1, len(places) // count)][:count]]


def step_of(keys: int) -> int:
    return max(1, keys // KNOWN)


def owners(count: int) -> list[str]:
    """Return the owner of each of `count` keys, in order of creation."""
    chosen = random.Random("owners")  # noqa: S311
    others = max(LEAST_OF_OTHERS, count - round(count * SHARE_OF_MANY))
    rest = others - 200
    found = [HUNDRED] * 100 + [ADMINISTRATOR] * 100 + chosen.choices(OTHERS, weights=range(1, len(OTHERS) + 1), k=rest)
    found += [MANY] * (count - others)
    chosen.shuffle(found)
    return found


def keys(count: int) -> Iterator[Key]:
    """Make `count` keys, the oldest first."""
    chosen = random.Random("keys")  # noqa: S311
    whose = owners(count)
    held = {owner: whose.count(owner) for owner in PEOPLE}
    places = dict.fromkeys(PEOPLE, 0)
    for number, owner in enumerate(whose):
        place = places[owner]
        places[owner] += 1
        created_at = FIRST + SPAN * (number / count)
        is_known = place % step_of(held[owner]) == 0
        is_rare = owner == MANY and place % (held[MANY] // RARE) == held[MANY] // (2 * RARE)
        service, region = chosen.choice(SERVICES), chosen.choice(REGIONS)
        environment = chosen.choice(ENVIRONMENTS)
        about = chosen.choice(PURPOSES).format(service=service, region=region, team=chosen.choice(TEAMS))
        draw = chosen.random()
        value = value_of(owner, place) if is_known else ""
        yield Key(
            id=f"ApiKey-{uuid.UUID(int=chosen.getrandbits(128), version=4)}",
            owner=owner,
            name=f"{RARE_WORD if is_rare else service}-{environment}-{region}-{number:06}",
            description=about,
            created_at=created_at,
            expires_at=None if is_known or draw < 0.7 else created_at + timedelta(days=3000),
            last_used_at=created_at + timedelta(days=chosen.randrange(1, 60)) if draw > 0.25 else None,
            use_count=chosen.randrange(1, 5000) if draw > 0.25 else 0,
            disabled=not is_known and draw < 0.02,
            entity_tag=f"1-{chosen.getrandbits(128):032x}",
            digest=f"{chosen.getrandbits(256):064x}",
            hint=f"{DEFAULT_PREFIX}…{value[-4:] or f'{chosen.getrandbits(16):04x}'}",
            value=value,
        )
