"""Everything that docs/scanning.md offers, taken from the page and used: commands, hooks, patterns, a plugin."""

import hashlib
import os
import random
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from apikeys import values
from apikeys.cli import scan
from apikeys.values import mask
from tests.documents import blocks, examples, is_as_shown
from tests.look_alikes import PREFIX, almost, surroundings, value
from tests.terminal import ROOT, Done, Terminal

pytestmark = pytest.mark.once

PAGE = ROOT / "docs" / "scanning.md"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
PLANTED = 100
LOOK_ALIKES = 3_000


def only_block(language: str) -> str:
    """Return the one block of a language that is no command and no output."""
    (found,) = [text for kind, text in blocks(PAGE) if kind == language and not text.startswith("apikeys ")]
    return found


def git_hook() -> str:
    (found,) = [text for kind, text in blocks(PAGE) if kind == "sh" and text.startswith("#!")]
    return found


class Repository(Terminal):
    """A git repository of somebody who has the command line on their PATH."""

    def __init__(self, home: Path) -> None:
        person = {"NAME": "Alice", "EMAIL": "alice@example.com"}
        super().__init__(
            home,
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_CONFIG_SYSTEM=os.devnull,
            **{f"GIT_{role}_{name}": text for role in ("AUTHOR", "COMMITTER") for name, text in person.items()},
        )
        self.environment["PATH"] = f"{ROOT / 'bin'}:{Path(sys.executable).parent}:{self.environment['PATH']}"
        self.git("init", "--quiet", ".")

    def git(self, *arguments: str) -> Done:
        done = self.try_git(*arguments)
        assert done.status == 0, mask(done.err)
        return done

    def try_git(self, *arguments: str) -> Done:
        return self.execute(["git", *arguments])

    def write(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def commit(self, subject: str, *flags: str) -> Done:
        """Try to commit all that is there."""
        self.git("add", ".")
        return self.try_git("commit", "--quiet", *flags, "-m", subject)

    def guard(self) -> None:
        """Put the hook of the page where git finds it."""
        self.write(".git/hooks/pre-commit", git_hook())
        (self.home / ".git" / "hooks" / "pre-commit").chmod(0o755)

    def subjects(self) -> list[str]:
        return self.git("log", "--format=%s").out.splitlines()


@pytest.fixture
def repository(tmp_path) -> Repository:
    return Repository(tmp_path)


# The page itself


def test_every_command_runs_and_prints_what_the_page_shows(repository):
    repository.write("old.txt", value())
    repository.commit("Add")
    (repository.home / "old.txt").unlink()
    repository.commit("Remove")
    repository.write("settings.py", f'"""Settings."""\n\nAPI_KEY = "{value()}"\n')
    repository.write("deploy/job.yaml", "\n" * 7 + f"        IBM_API_KEY: {value()}\n")
    repository.write("apikeys_console.py", only_block("python"))

    shown = 0
    for example in examples(PAGE):
        if example.code.startswith("#!"):
            continue
        done = repository.execute(["sh", "-euc", f"exec 2>&1; {example.code}"])
        assert done.status == 0, f"{example.code}\n{mask(done.out)}"
        assert is_as_shown(example.shown, done.out), f"{example.code}\nprinted\n{mask(done.out)}"
        shown += bool(example.shown)

    assert shown == 3
    assert not (repository.home / "history.patch").exists()


# The git hook


@pytest.fixture
def guarded(repository) -> Repository:
    """A repository with the hook of the page, and a commit that it let pass."""
    repository.guard()
    repository.write("fine.txt", "fine\n")
    repository.commit("Fine")
    return repository


def test_a_commit_without_a_value_passes_the_first_and_the_next(guarded):
    guarded.write("sub folder/ünï\n'more'.txt", "fine, too\n")

    guarded.commit("More")

    assert guarded.subjects() == ["More", "Fine"]


@pytest.mark.parametrize("name", ["key.json", "sub folder/ünï 'key'.txt", "-f", "a/b/c/d"])
def test_a_commit_with_a_value_is_refused(guarded, name):
    planted = value()
    guarded.write(name, f'{{"apikey": "{planted}"}}\n')

    done = guarded.commit("Leak")

    assert done.status == 1
    assert f"{name}:1:13: API key apk_…{planted[-4:]}\n" in done.out + done.err
    assert "1 API key found." in done.err
    assert planted not in done.out + done.err
    assert guarded.subjects() == ["Fine"]


def test_the_very_first_commit_is_looked_at(repository):
    repository.guard()
    repository.write("key.txt", value())

    assert repository.commit("Leak").status == 1


def test_what_is_staged_counts_and_not_what_lies_in_the_folder(guarded):
    guarded.write("key.txt", value())
    guarded.git("add", "key.txt")
    guarded.write("key.txt", "taken out again, after it was staged")
    assert guarded.try_git("commit", "--quiet", "-m", "Leak").status == 1

    guarded.git("add", "key.txt")
    guarded.write("key.txt", value())
    guarded.git("commit", "--quiet", "-m", "Taken out")

    assert guarded.subjects() == ["Taken out", "Fine"]


def test_it_looks_at_commits_of_all_changes_and_of_single_files_from_below(guarded):
    guarded.write("sub/other.txt", "fine")
    guarded.commit("Other")
    guarded.write("fine.txt", value())

    assert guarded.try_git("commit", "--quiet", "--all", "-m", "Leak").status == 1
    assert guarded.try_git("-C", "sub", "commit", "--quiet", "-m", "Leak", "--", "../fine.txt").status == 1
    guarded.write("sub/other.txt", "still fine")
    guarded.git("-C", "sub", "commit", "--quiet", "-m", "Still", "--", "other.txt")

    assert guarded.subjects() == ["Still", "Other", "Fine"]


def test_taking_a_value_out_or_away_passes(guarded):
    guarded.write("one.txt", value())
    guarded.write("two.txt", value())
    guarded.commit("Leak", "--no-verify")

    guarded.write("one.txt", "out")
    guarded.git("rm", "--quiet", "two.txt")
    guarded.git("commit", "--quiet", "--all", "-m", "Out")

    assert guarded.subjects() == ["Out", "Leak", "Fine"]


def test_it_leaves_nothing_behind(guarded):
    guarded.environment["TMPDIR"] = str(guarded.home / "temporary")
    (guarded.home / "temporary").mkdir()
    guarded.write("key.txt", value())

    assert guarded.commit("Leak").status == 1

    assert list((guarded.home / "temporary").iterdir()) == []


def test_a_hook_that_can_not_look_refuses(guarded):
    guarded.environment["TMPDIR"] = str(guarded.home / "missing")
    guarded.write("more.txt", "fine")

    assert guarded.commit("More").status == 1


# pre-commit


@pytest.fixture(scope="module")
def entry() -> list[str]:
    """The command of the hook, as pre-commit makes it: a program of the hook's repository, and its arguments."""
    (repository,) = yaml.safe_load(only_block("yaml"))["repos"]
    (wanted,) = repository["hooks"]
    (hook,) = [hook for hook in yaml.safe_load(HOOKS.read_text(encoding="utf-8")) if hook["id"] == wanted["id"]]
    assert hook["language"] == "script"
    program, *arguments = hook["entry"].split()
    return [str(ROOT / program), *arguments]


def test_the_hook_for_pre_commit_refuses_files_with_a_value_and_no_others(repository, entry):
    repository.write("fine.txt", "fine\n")
    repository.write("sub/key.txt", f"key: {value()}\n")

    assert repository.execute([*entry, "fine.txt"]) == Done(0, "", "")
    done = repository.execute([*entry, "fine.txt", "sub/key.txt"])

    assert done.status == 1
    assert done.out.startswith("sub/key.txt:1:6: API key apk_…")


def test_the_hook_for_pre_commit_needs_no_package(repository, entry):
    """A hook's repository is a bare checkout: what it imports comes from Python or from itself."""
    repository.write("key.txt", value())
    repository.environment |= {"PYTHONPATH": str(ROOT)}

    done = repository.execute([sys.executable, "-S", "-P", "-m", "apikeys", *entry[1:], "key.txt"])

    assert done.status == 1
    assert done.out.startswith("key.txt:1:1: API key apk_…")


# gitleaks and detect-secrets


@pytest.fixture(scope="module")
def haystack() -> tuple[list[str], set[str]]:
    """Lines with 100 values among look-alikes, and the values."""
    chance = random.Random(2027)
    planted = {value() for _ in range(PLANTED)}
    texts = [*planted, *(almost(chance) for _ in range(LOOK_ALIKES))]
    chance.shuffle(texts)
    return [line for text in texts for line in surroundings(chance, text).splitlines()], planted


def test_the_pattern_for_gitleaks_finds_every_value_and_nothing_malformed(haystack):
    lines, planted = haystack
    (rule,) = tomllib.loads(only_block("toml"))["rules"]
    pattern = re.compile(rule["regex"].encode())  # as bytes, because \b of RE2 knows ASCII words only

    found = [match[rule["secretGroup"]] for line in lines for match in pattern.finditer(line.encode())]

    well_formed = [match[0] for line in lines for match in scan.pattern(PREFIX).finditer(line.encode())]
    assert found == well_formed
    assert {text.decode() for text in found if values.is_genuine(text.decode(), PREFIX)} == planted
    assert PLANTED < len(found) < PLANTED + LOOK_ALIKES / 4
    for text in found:
        assert re.fullmatch(rb"apk_[A-Za-z0-9]{40}", text)
        assert any(keyword.encode() in text for keyword in rule["keywords"])


def test_the_pattern_for_gitleaks_keeps_to_the_syntax_of_re2():
    (rule,) = tomllib.loads(only_block("toml"))["rules"]

    assert not re.search(r"\(\?(?!:)|\\[1-9]|\\[ZG]|[*+?}]\+", rule["regex"])  # no look-around, no reference


def test_of_two_values_joined_by_an_underscore_the_pattern_for_gitleaks_reports_the_first():
    (rule,) = tomllib.loads(only_block("toml"))["rules"]
    first, second = value(), value()

    assert re.findall(rule["regex"], f"{first}_{second} {second}", re.ASCII) == [first, second]
    assert re.findall(rule["regex"], f"{first}_{second}", re.ASCII) == [first]


@pytest.fixture
def plugin(repository) -> Repository:
    repository.write("apikeys_console.py", only_block("python"))
    return repository


def found_by_plugin(repository: Repository) -> set[tuple[str, str]]:
    """Return file and digest of what the plugin found in the files that git knows."""
    repository.git("add", ".")
    results = repository.execute(["detect-secrets", "scan", "--no-verify", "--plugin", "apikeys_console.py"]).json
    return {
        (name, secret["hashed_secret"])
        for name, secrets in results["results"].items()
        for secret in secrets
        if secret["type"] == "API key of the console"
    }


def digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def test_the_plugin_for_detect_secrets_finds_every_value_and_nothing_else(plugin, haystack):
    lines, planted = haystack
    plugin.write("haystack.txt", "\n".join(lines))

    assert found_by_plugin(plugin) == {("haystack.txt", digest(one)) for one in planted}


def test_detect_secrets_leaves_out_what_the_page_says_and_scan_does_not(plugin):
    plugin.write("packages.lock", value())
    plugin.write("image.bin", value())
    plugin.write("call.py", f'key = get("NAME", "{value()}")\n')
    plugin.write("found.py", f'key = "{value()}"\n')

    assert {name for name, _digest in found_by_plugin(plugin)} == {"found.py"}
    assert "4 API keys found." in plugin.run("scan", ".").err


def test_a_value_looks_like_a_key_of_ibm_cloud_to_detect_secrets_as_the_page_warns(plugin):
    plugin.write("settings.py", f'apikey = "{value()}"\n')

    done = plugin.execute(["detect-secrets-hook", "--no-verify", "--plugin", "apikeys_console.py", "settings.py"])

    assert done.status == 1
    assert "Secret Type: IBM Cloud IAM Key" in done.out


def test_no_command_of_the_page_lets_detect_secrets_ask_other_services():
    commands = re.findall(r"^detect-secrets.*$", "".join(example.code for example in examples(PAGE)), re.MULTILINE)

    assert len(commands) == 2
    for command in commands:
        assert " --no-verify " in command
