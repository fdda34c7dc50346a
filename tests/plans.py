"""Many keys, made fast, and what a database does for a statement about them."""

import json
import re
from collections.abc import Callable, Iterator

from django.db import connection, reset_queries
from django.test.utils import CaptureQueriesContext

KEYS = "apikeys_apikeyrecord"
ROWS = {"sqlite": 5_000, "postgresql": 100_000}  # that are there; both plan as for a million
MILLION = 1_000_000
MOST_READ = 12_000  # rows: the next ones of a list that are looked through for a page of what is common
COLUMNS = {
    "id": "'ApiKey-' || {id}",
    "account_id": "'{account}'",
    "iam_id": "CASE WHEN n % 40 > 0 THEN '{owner}' WHEN n % 80 = 0 THEN '{service}' ELSE 'IBMid-' || n % 7000 END",
    "created_by": "CASE WHEN n % 10 > 0 THEN '{owner}' ELSE 'IBMid-' || n % 70 END",
    "created_at": "{created}",
    "modified_at": "{created}",
    "revision": "1",
    "entity_tag": "'1-x'",
    "name": "{name}",
    "name_folded": "{name}",
    "description": "{description}",
    "description_folded": "{description}",
    "locked": "n % 997 = 0",
    "pepper": "1",
    "digest": "'digest ' || n",
    "hint": "'apk_…' || substr('000' || n % 7919, -4)",
    "disabled": "n % 53 = 0",
    "leaked": "n % 991 = 0",
    "expires_at": "CASE WHEN n % 7 < 2 THEN {expires} END",
    "support_sessions": "false",
    "action_when_leaked": "'none'",
    "last_used_at": "CASE WHEN n % 11 > 2 THEN {used} END",
    "use_count": "n % 13",
}
WORDS = {
    "name": "'deploy-' || n * 7919 % 1000003 || CASE WHEN n % 1931 = 0 THEN '-zanzibar' ELSE '-prod' END",
    "description": "CASE WHEN n % 5 > 0 THEN 'used by team ' || n % 101 ELSE '' END",
}
# The newest key of a million was made now, one each minute; they expire within years, and were used within months.
SQLITE = {
    "id": "printf('%08x-0000-4000-8000-%012x', (n * 2654435761) % 4294967296, n)",
    "created": "datetime('now', (n - {rows}) || ' minutes')",
    "expires": "datetime('now', (n % 4001 - 300) || ' days')",
    "used": "datetime('now', (- n % 401) || ' days')",
}
POSTGRESQL = {
    "id": "md5(n::text)::uuid",
    "created": "now() + (n - {rows}) * interval '1 minute'",
    "expires": "now() + (n % 4001 - 300) * interval '1 day'",
    "used": "now() - n % 401 * interval '1 day'",
}


def fill_keys(account: str, owner: str, service: str) -> None:
    """Make the keys of an account, most of them one owner's; the transaction of the test takes them back."""
    dialect, rows = (SQLITE if connection.vendor == "sqlite" else POSTGRESQL), ROWS[connection.vendor]
    known = {name: text.replace("{rows}", str(rows)) for name, text in (dialect | WORDS).items()}
    selected = ", ".join(
        expression.format(**known, account=account, owner=owner, service=service) for expression in COLUMNS.values()
    )
    if connection.vendor == "postgresql":
        selected = selected.replace("substr('000' || n % 7919, -4)", "right('000' || n % 7919, 4)")
        numbers = f"generate_series(1, {rows}) n"
    else:
        numbers = (
            f"(WITH RECURSIVE c(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) SELECT * FROM c)"  # noqa: S608
        )
    insert = f"INSERT INTO {KEYS} ({', '.join(COLUMNS)}) SELECT {selected} FROM {numbers}"  # noqa: S608
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(insert)
        else:
            _fill_postgresql(cursor, insert)


def _fill_postgresql(cursor: object, insert: str) -> None:
    """Fill the table without its indexes, which are then made faster, and call its rows a million."""
    cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
    cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = %s::regclass AND NOT indisunique",
        [KEYS],
    )
    indexes = cursor.fetchall()
    for name, _definition in indexes:
        cursor.execute(f"DROP INDEX {name}")
    cursor.execute(insert)
    for _name, definition in indexes:
        cursor.execute(definition)
    cursor.execute(f"ANALYZE {KEYS}")
    cursor.execute(
        "UPDATE pg_class SET reltuples = reltuples * %s WHERE oid = %s::regclass"
        " OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = %s::regclass)",
        [MILLION / ROWS["postgresql"], KEYS, KEYS],
    )


def statements_of(act: Callable[[], object]) -> list[str]:
    """Return what is asked about tables of the console, other than changes; settings of it stay as then."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = on")  # as it is where nothing else was set before
    reset_queries()  # only so many are kept
    with CaptureQueriesContext(connection) as context:
        act()
    return [query["sql"] for query in context if query["sql"].startswith("SELECT") and " FROM " in query["sql"]]


def faults_of(sql: str) -> list[str]:
    """Return what is wrong with the plan of a statement: rows that it reads or sorts for nothing."""
    return list(_of_sqlite(sql) if connection.vendor == "sqlite" else _of_postgresql(sql))


# What has one row or a few, whatever there is besides; of owners there are less than of their keys.
FEW = (
    r"subquery|one\b|owner\b|apikeys_reviewrule\b|console_account\b|CONSTANT ROW|sqlite_master"
    r"|apikeys_keytext VIRTUAL TABLE|.* USING INDEX (?:sealed_handovers_by_age|alarms_by_key)"
)
SCANNED = re.compile(rf"SCAN (?!{FEW})")
# Sorted are what a list of ids names, and what is looked for beside the index of its list.
SORTED = re.compile(r'ORDER BY COALESCE\((.+?), \1\)|"id" IN \(')


def _of_sqlite(sql: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = [str(row[-1]) for row in cursor.fetchall()]
    for line in plan:
        if SCANNED.match(line) or (line.startswith("USE TEMP B-TREE") and not SORTED.search(sql)):
            yield f"{line} in {plan}"


def _of_postgresql(sql: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, FORMAT JSON) {sql}")
        (found,) = cursor.fetchone()
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    nodes = list(_nodes(plan))
    yield from (
        f"Seq Scan in {plan}" for node in nodes if (node["Node Type"], node.get("Relation Name")) == ("Seq Scan", KEYS)
    )
    read = sum(_read(node) for node in nodes)
    if read > MOST_READ:
        yield f"{read} rows are read in {plan}"


def _nodes(plan: dict) -> Iterator[dict]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _read(node: dict) -> float:
    """Return how many rows a node found in the table of keys, those included that it then left out."""
    if node.get("Relation Name") != KEYS:
        return 0
    found = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return found * node["Actual Loops"]
