"""`apikeys scan` finds every value in files and folders and nothing else, without asking anybody or printing one."""

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apikeys import values
from apikeys.cli import scan
from tests.look_alikes import PREFIX, almost, surroundings, value
from tests.terminal import Terminal

pytestmark = pytest.mark.once

PLANTED = 100
LOOK_ALIKES = 10_000

# Takes from root what lets it read what is forbidden, so that the test is the same for root and for anybody else.
WITHOUT_PRIVILEGES = (
    "import ctypes, os, sys; libc = ctypes.CDLL(None); [libc.prctl(24, capability, 0, 0, 0) for capability in (1, 2)]; "
    "os.execv(sys.executable, sys.argv[1:])"
)


@pytest.fixture
def path(tmp_path) -> Path:
    """A file to be scanned, which is not there yet."""
    return tmp_path / "file"


def places_in(path: Path) -> list[tuple[int, int]]:
    """Return line and column of each value that is found in a file."""
    return [(one.line, one.column) for one in scan.scan([str(path)], PREFIX)]


def found_by(done) -> list[tuple[str, int, int]]:
    """Return path, line and column of each line that scan printed, and check what else is on it."""
    places = []
    for text in done.out.splitlines():
        place = re.fullmatch(r"(.+):(\d+):(\d+): API key apk_…[A-Za-z0-9]{4}", text)
        assert place, text
        places.append((place[1], int(place[2]), int(place[3])))
    return places


# A hundred among ten thousand


def kinds_of_file(chance: random.Random, text: str) -> tuple[str, bytes]:
    """Return a suffix and the bytes in which the text is kept."""
    kind = chance.randrange(6)
    if kind == 0:
        return ".txt", b"\xef\xbb\xbf" + text.encode()
    if kind == 1:
        return ".cfg", text.replace("\n", "\r\n").encode()
    if kind == 2:
        return ".bin", bytes(chance.choices(range(128, 256), k=999)) + b"\n\0" + text.encode() + b"\0\xff"
    if kind == 3:
        return ".ps1.txt", text.encode("utf-16")
    return ".py", text.encode()


@pytest.fixture
def forest(tmp_path) -> tuple[Path, set[tuple[str, int, int]]]:
    """A tree of files with 100 values among 10,000 look-alikes, and where the values are."""
    chance = random.Random(2026)
    texts = [(almost(chance), False) for _ in range(LOOK_ALIKES)] + [(value(), True) for _ in range(PLANTED)]
    chance.shuffle(texts)
    root, planted = tmp_path / "forest", set()
    for number in range(0, len(texts), 50):
        lines: list[str] = []
        for text, is_value in texts[number : number + 50]:
            line = surroundings(chance, text)
            lines += ["", *line.split("\n")]
            if is_value:
                planted.add((number, len(lines), line.index(text) + 1))
        suffix, content = kinds_of_file(chance, "\n".join(lines))
        folder = root.joinpath(*(f"folder {chance.randrange(4)}" for _ in range(chance.randrange(5))))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"file {number}{suffix}"
        path.write_bytes(content)
        extra = 1 if suffix == ".bin" else 0
        planted = {
            (str(path), line + extra, column) if place == number else (place, line, column)
            for place, line, column in planted
        }
    return root, planted


def test_a_hundred_values_among_ten_thousand_look_alikes(terminal, forest):
    root, planted = forest
    assert len(planted) == PLANTED

    done = terminal.run("scan", str(root))

    found = found_by(done)
    assert len(found) == PLANTED
    assert set(found) == planted
    assert done.status == 1
    assert done.err == "FAILED\n100 API keys found. Delete them in the console, then create new ones.\n"


def test_no_value_is_ever_printed(terminal, tmp_path):
    planted = [value() for _ in range(5)]
    (tmp_path / "keys.txt").write_text("\n".join(planted))

    done = terminal.run("scan", str(tmp_path / "keys.txt"))

    for one in planted:
        assert f"…{one[-4:]}\n" in done.out
        assert one[4:-4] not in done.out + done.err


# Where pieces meet


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(scan, "CHUNK_BYTES", 64)


@pytest.mark.parametrize("front", range(140))
@pytest.mark.usefixtures("small_pieces")
def test_a_value_is_found_once_wherever_a_piece_of_the_file_ends(path, front):
    genuine = value()
    for behind in ("", "\n", "\n" + "y" * 150):
        path.write_text(f"é\n{'x' * front}.{genuine}{behind}", encoding="utf-8")

        assert places_in(path) == [(2, front + 2)]


@pytest.mark.parametrize("front", range(70))
@pytest.mark.usefixtures("small_pieces")
def test_a_longer_word_is_none_wherever_a_piece_of_the_file_ends(path, front):
    for word in (f"z{value()}", f"{value()}z", value()[:-1]):
        path.write_text(f"{'.' * front}{word}{'.' * 100}")

        assert places_in(path) == []


@pytest.mark.parametrize("length", range(44, 180))
@pytest.mark.usefixtures("small_pieces")
def test_a_value_at_the_very_beginning_is_found_once_in_a_file_of_any_length(path, length):
    path.write_text(value() + "." * (length - 44))

    assert places_in(path) == [(1, 1)]


@pytest.mark.usefixtures("small_pieces")
def test_lines_and_columns_stay_right_over_many_pieces(path):
    chance = random.Random(7)
    lines = []
    expected = []
    for number in range(1, 300):
        before = "".join(chance.choices("aé金🔑 .", k=chance.randrange(100)))
        before += "."
        if chance.random() < 0.3:
            expected.append((number, len(before) + 1))
            before += value() + "."
        lines.append(before)
    path.write_text("\n".join(lines), encoding="utf-8")

    assert places_in(path) == expected


def test_real_pieces_are_as_good_as_small_ones(terminal, tmp_path):
    path = tmp_path / "large.log"
    ends = [scan.CHUNK_BYTES * n for n in (1, 2, 3)]
    content = bytearray(b"." * (scan.CHUNK_BYTES * 4))
    for end, shift in zip(ends, (-44, -20, 0), strict=True):
        content[end + shift : end + shift + 44] = value().encode()
    path.write_bytes(content)

    found = found_by(terminal.run("scan", str(path)))

    assert found == [(str(path), 1, end + shift + 1) for end, shift in zip(ends, (-44, -20, 0), strict=True)]


def test_several_values_on_a_line(path):
    path.write_text(f"{value()} {value()}-{value()}_{value()}")

    assert places_in(path) == [(1, 1), (1, 46), (1, 91), (1, 136)]


# What is scanned


def test_files_and_folders_are_named_as_they_were_given(terminal, tmp_path):
    for name in ("a/one.txt", "a/b/two.txt", "three.txt"):
        path = terminal.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value())

    done = terminal.run("scan", "three.txt", "a", "a/b/two.txt")

    assert [path for path, _line, _column in found_by(done)] == [
        "three.txt", "a/one.txt", "a/b/two.txt", "a/b/two.txt",
    ]  # fmt: skip


def test_a_clean_tree_is_status_0_without_a_word(terminal):
    (terminal.home / "file").write_text("nothing")

    done = terminal.run("scan", ".")

    assert (done.status, done.out, done.err) == (0, "", "")


def test_the_stores_of_version_control_are_left_out(terminal):
    for folder in (".git", ".hg", ".svn"):
        (terminal.home / folder).mkdir()
        (terminal.home / folder / "file").write_text(value())
    (terminal.home / ".github").mkdir()
    (terminal.home / ".github" / "file").write_text(value())

    assert found_by(terminal.run("scan", ".")) == [(".github/file", 1, 1)]


def test_links_in_a_tree_are_not_followed_and_loops_end(terminal, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text(value())
    folder = terminal.home / "folder"
    folder.mkdir()
    (folder / "file").write_text(value())
    (folder / "up").symlink_to("..")
    (folder / "itself").symlink_to("itself")
    (folder / "nowhere").symlink_to("no such file")
    (folder / "away").symlink_to(outside)
    (folder / "other name").symlink_to("file")

    done = terminal.run("scan", "folder")

    assert found_by(done) == [("folder/file", 1, 1)]
    assert done.status == 1


def test_a_link_that_is_named_is_followed(terminal, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text(value())
    (terminal.home / "folder").symlink_to(outside)
    (terminal.home / "link").symlink_to(outside / "file")

    assert found_by(terminal.run("scan", "folder", "link")) == [("folder/file", 1, 1), ("link", 1, 1)]


def test_what_is_no_file_is_not_waited_for(terminal):
    os.mkfifo(terminal.home / "pipe")

    assert terminal.run("scan", ".", "pipe", "/dev/null").status == 0


def test_a_name_that_is_no_text_is_printed_anyway(terminal):
    path = os.fsencode(terminal.home) + b"/\xff\xfe.txt"
    Path(os.fsdecode(path)).write_text(value())

    done = terminal.run("scan", ".")

    assert found_by(done) == [("\\udcff\\udcfe.txt", 1, 1)]
    assert done.status == 1


@pytest.mark.parametrize("prefix", ["ibm", "key_", "a_b_c_"])
def test_another_prefix_is_looked_for_when_told_so(terminal, prefix):
    (terminal.home / "file").write_text(f"{values.generate(prefix)}\n{value()}")

    done = terminal.run("scan", "file", APIKEYS_PREFIX=prefix)

    assert done.out.startswith(f"file:1:1: API key {prefix}…")
    assert len(done.out.splitlines()) == 1


def test_one_key_is_spoken_of_as_one(terminal):
    (terminal.home / "file").write_text(value())

    done = terminal.run("scan", "file")

    assert done.err == "FAILED\n1 API key found. Delete it in the console, then create a new one.\n"


# What can't be read


@pytest.mark.parametrize("name", ["missing", "missing/file", "loop", "nowhere", "file/below"])
def test_a_path_that_leads_nowhere_is_status_2(terminal, name):
    (terminal.home / "loop").symlink_to("loop")
    (terminal.home / "nowhere").symlink_to("no such file")
    (terminal.home / "file").write_text("x")

    done = terminal.run("scan", name)

    assert done.status == 2
    assert done.out == ""
    assert re.fullmatch(rf"{name}: .+\n", done.err)


@pytest.fixture
def forbidden(terminal) -> Iterator[Path]:
    """A tree with a key, a file and two folders that nobody may read."""
    tree = terminal.home / "tree"
    for folder, mode in (("closed", 0o000), ("names only", 0o444)):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "file").write_text(value())
        (tree / folder).chmod(mode)
    (tree / "secret").write_text(value())
    (tree / "secret").chmod(0o000)
    (tree / "open").write_text(value())
    yield tree
    for folder in ("closed", "names only"):
        (tree / folder).chmod(0o700)


def without_privileges(terminal: Terminal, *arguments: str):
    command = [sys.executable, "-P", "-m", "apikeys", *arguments]
    return terminal.execute([sys.executable, "-c", WITHOUT_PRIVILEGES, *command])


def test_what_can_not_be_read_is_told_and_the_rest_is_scanned(terminal, forbidden):
    done = without_privileges(terminal, "scan", "tree")

    assert found_by(done) == [("tree/open", 1, 1)]
    assert sorted(done.err.splitlines()) == [
        "tree/closed: Permission denied",
        "tree/names only/file: Permission denied",
        "tree/secret: Permission denied",
    ]
    assert done.status == 2


@pytest.mark.parametrize("name", ["tree/closed", "tree/closed/file", "tree/secret", "tree/names only/file"])
def test_a_path_that_may_not_be_read_is_status_2(terminal, forbidden, name):
    done = without_privileges(terminal, "scan", name)

    assert (done.status, done.out, done.err) == (2, "", f"{name}: Permission denied\n")


def test_a_file_that_breaks_while_it_is_read_is_named(terminal):
    """A process's memory has nothing at its beginning: reading there is an input/output error."""
    done = terminal.run("scan", "/proc/self/mem")

    assert (done.status, done.out, done.err) == (2, "", "/proc/self/mem: Input/output error\n")


# As a hook


def test_it_stops_a_commit_as_a_plain_git_hook(terminal):
    terminal.install()
    hook = terminal.home / ".git" / "hooks" / "pre-commit"
    script = "git diff --cached --name-only --diff-filter=ACMR -z | xargs -0 -r apikeys scan"
    done = terminal.shell(
        "git init --quiet . && git config user.email a@example.com && git config user.name Alice && "
        f"mkdir -p .git/hooks && printf '%s\\n' '#!/bin/sh' '{script}' > {hook} && chmod +x {hook} && "
        "echo bin > .git/info/exclude && echo fine > fine && git add fine && git commit --quiet -m Fine && "
        f"echo {value()} > key && git add key && git commit --quiet -m Leak"
    )

    assert done.status == 1
    assert found_by(done) == [] or "key:1:1" in done.out
    assert "1 API key found." in done.err
    assert terminal.shell("git log --format=%s").out == "Fine\n"


def test_a_key_file_of_the_command_line_is_found(terminal):
    (terminal.home / "key.json").write_text(json.dumps({"name": "x", "apikey": value()}, indent="\t"))

    assert found_by(terminal.run("scan", ".")) == [("key.json", 3, 13)]


def test_scanning_needs_no_network_and_no_log_in(terminal):
    (terminal.home / "file").write_text("nothing")

    done = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-m", "apikeys", "scan", "."],
        cwd=terminal.home,
        env=terminal.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0
    assert not re.search(r"\| +(socket|ssl|requests|http)\b", done.stderr)
    assert not (terminal.home / ".config").exists()
