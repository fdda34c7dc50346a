"""What pytest does beside its own in the process of each mutant, so that one costs a second and no more."""

import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

TEMPLATE = Path(os.environ["MUTATION_FOLDER"]) / "migrated.sqlite3"
KILLERS = Path(os.environ["MUTATION_FOLDER"]) / "killers.txt"
# Fixtures that start a process, and what a test that starts one itself names.
SERVERS = {"console_server", "https_console", "pair", "site", "postgres", "database_url"}
STARTING = {"ConsoleServer", "Popen", "subprocess"}
AT_ONCE = {"at_once", "ThreadPoolExecutor"}  # what waits for locks may fail by itself where the machine is busy
OF_MUTMUT = {"", "fail", "list_all_tests", "mutant_generation", "stats"}


def mutated() -> str:
    """Return the function that is another one in this process, blank for none."""
    name = os.environ.get("MUTANT_UNDER_TEST", "")
    return "" if name in OF_MUTMUT else name.partition("__mutmut_")[0]


class Databases:
    """The test database is migrated once and copied for each mutant."""

    @pytest.fixture(scope="session")
    @classmethod
    def django_db_setup(
        cls, django_test_environment: None, django_db_blocker, django_db_modify_db_settings: None
    ) -> Iterator[None]:
        from django.db import connection
        from django.test.utils import setup_databases

        settings, original = connection.settings_dict, connection.settings_dict["NAME"]
        path = settings["TEST"]["NAME"]
        with django_db_blocker.unblock():
            if TEMPLATE.exists():
                connection.close()
                shutil.copyfile(TEMPLATE, path)
                settings["NAME"] = path
            else:
                setup_databases(verbosity=0, interactive=False)
                connection.close()
                with sqlite3.connect(path) as made:
                    made.execute("VACUUM INTO ?", [str(TEMPLATE)])
        yield
        with django_db_blocker.unblock():
            connection.close()
        settings["NAME"] = original
        for file in (path, f"{path}-wal", f"{path}-shm"):
            Path(file).unlink(missing_ok=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Databases())  # after pytest-django, so that this fixture is the one


def pytest_runtest_setup() -> None:
    """Forget what functions answered in other tests while it is learned which functions a test reaches."""
    if os.environ.get("MUTANT_UNDER_TEST") == "stats":
        pytest_sessionstart()


def pytest_sessionstart() -> None:
    """Forget what the unchanged functions answered: a mutant begins as a copy of a process that ran all tests."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("apikeys.", "console.")):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def is_left_out(item: pytest.Item) -> bool:
    names = getattr(getattr(item, "function", None), "__code__", mutated.__code__).co_names
    return bool(SERVERS & {*getattr(item, "fixturenames", ())} or (STARTING | AT_ONCE) & {*names})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what starts servers or many threads, and try first what noticed other changes of the same function."""
    out = [item for item in items if is_left_out(item)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]
    if os.environ.get("MUTANT_UNDER_TEST") == "":
        # mutmut looks whether all pass without a change, which they did when it learned what they reach.
        items[:] = items[:1]
    if (function := mutated()) and KILLERS.exists():
        lines = (line.split(" ", 1) for line in KILLERS.read_text().splitlines())
        noticed = Counter(test for name, test in lines if name == function)
        items.sort(key=lambda item: -noticed[item.nodeid])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed and (function := mutated()):
        with KILLERS.open("a") as file:
            file.write(f"{function} {report.nodeid}\n")
