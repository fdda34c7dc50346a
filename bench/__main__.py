"""Measurements as ratios within one run, because machines differ and are noisy: `make bench`."""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from bench.waiting import measure_waiting

ROUNDS = 40
FEW, MANY = 10, 10_000


def main() -> None:
    data_dir = tempfile.mkdtemp(prefix="apikeys-bench-")
    os.environ |= {"DATA_DIR": data_dir, "DJANGO_SETTINGS_MODULE": "tests.settings", "ALLOWED_HOSTS": "testserver"}
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        measure()
        measure_waiting()
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def measure() -> None:
    from bench.people import client_with_keys, deepest_page

    few, many = client_with_keys("few", FEW), client_with_keys("many", MANY)
    url = "/manage/security/apikeys/?per_page=10"
    deep = deepest_page(many, url)
    compare(f"first page, {MANY:,} keys against {FEW}", lambda: many.get(url), lambda: few.get(url))
    compare(f"last page of {MANY:,} keys against the first", lambda: many.get(deep), lambda: many.get(url))
    found, missed = f"{url}&q=key+09999", f"{url}&q=nothing+like+it"
    compare(f"search that finds one of {MANY:,} against the first page", lambda: many.get(found), lambda: many.get(url))
    compare(f"search that finds none of {MANY:,} against it", lambda: many.get(missed), lambda: many.get(url))


def compare(name: str, one: Callable[[], object], other: Callable[[], object]) -> None:
    """Time both in turn and print the median of the ratios, with their quartiles."""
    one(), other()
    ratios = sorted(seconds(one) / seconds(other) for _ in range(ROUNDS))
    low, median, high = statistics.quantiles(ratios, n=4)
    sys.stdout.write(f"{name}: {median:.2f} times the time (quartiles {low:.2f} to {high:.2f}, {ROUNDS} pairs)\n")


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
