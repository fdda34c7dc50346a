"""Completion of commands and options in real shells."""

import re
import sys

import pytest

from tests.terminal import Conversation, Terminal

pytestmark = pytest.mark.once


def completed(terminal: Terminal, *line: str) -> list[str]:
    """Return what bash offers for the last word of the line."""
    quoted = " ".join(f"'{word}'" for word in line)
    done = terminal.shell(
        f'eval "$(apikeys completion bash)"; COMP_WORDS=({quoted}); COMP_CWORD={len(line) - 1}; '
        "$(complete -p apikeys | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p'); printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    assert (done.status, done.err) == (0, "")
    return done.out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["apikeys", ""], ["login", "api", "target", "logout", "scan", "completion", "help", "version", "config", "iam",
          "-h", "--help", "-q", "--quiet", "-v", "--version"]),
        (["apikeys", "lo"], ["login", "logout"]),
        (["apikeys", "iam", "api-key-d"], ["api-key-delete", "api-key-disable"]),
        (["apikeys", "iam", "api-key-create", "MyKey", "--"],
         ["--help", "--quiet", "--description", "--file", "--action-if-leaked", "--expires", "--lock", "--scope",
          "--network", "--decoy", "--output"]),
        (["apikeys", "iam", "api-key-delete", "MyKey", "--f"], ["--force"]),
        (["apikeys", "iam", "api-keys", "-n", "x", "--u"], ["--unused-for", "--uuid"]),
        (
            ["apikeys", "iam", "api-keys", "--status", ""],
            ["leaked", "expired", "disabled", "paused", "locked", "active"],
        ),
        (["apikeys", "iam", "api-keys", "--status", "leaked", "--sort", "cr"], ["created_at", "created_by"]),
        (["apikeys", "-q", "iam", "api-key-create", "MyKey", "--action-if-leaked", ""], ["NONE", "DISABLE", "DELETE"]),
        (["apikeys", "iam", "api-keys", "--status", "leaked", "--un"], ["--unused-for"]),
        (["apikeys", "login", "-a", "http", "--ap"], ["--api", "--apikey"]),
        (["apikeys", "completion", ""], ["-h", "--help", "-q", "--quiet", "bash", "zsh"]),
    ],
)  # fmt: skip
def test_bash_completes_commands_options_and_their_values(terminal, line, offered):
    assert sorted(completed(terminal, *line)) == sorted(offered)


def test_bash_completes_files_where_no_word_fits(terminal):
    (terminal.home / "key.json").touch()

    assert completed(terminal, "apikeys", "iam", "api-key-create", "MyKey", "-f", "ke") == ["key.json"]
    assert completed(terminal, "apikeys", "scan", "ke") == ["key.json"]


def test_bash_completes_while_somebody_types(terminal):
    """A real interactive bash: the keys of a person, the Tab key included."""
    terminal.install()
    terminal.environment["PATH"] = f"{terminal.home / 'bin'}:{terminal.environment['PATH']}"
    (terminal.home / "bashrc").write_text('PS1="ready> "; bind "set enable-bracketed-paste off"\n')
    talk = Conversation(terminal, [*bash_command(), "--noprofile", "--rcfile", "bashrc", "-i"])
    talk.wait_for("ready> ")
    talk.answer('eval "$(apikeys completion bash)"; echo is"set"')
    talk.wait_for("isset")
    talk.press(b"echo apikeys | cat; apikeys ia\tapi-key-cr\t--he\t\n")
    talk.wait_for("usage: apikeys iam api-key-create")
    talk.answer("exit")

    assert talk.end() == 0


def bash_command() -> list[str]:
    """`Conversation` runs a Python; this one becomes bash."""
    return [sys.executable, "-c", "import os, sys; os.execvp('bash', ['bash', *sys.argv[1:]])"]


def test_the_completion_for_zsh_is_the_one_for_bash_through_zshs_own_bridge(terminal):
    bash = terminal.run("completion", "bash").out
    zsh = terminal.run("completion", "zsh").out

    assert zsh == "autoload -Uz bashcompinit && bashcompinit\n" + bash


def test_every_command_and_option_is_completed(terminal):
    script = terminal.run("completion", "bash").out
    for command in ("login", "target", "iam api-keys", "iam api-key-create", "iam api-key-update", "scan"):
        options = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", terminal.run(*command.split(), "--help").out))
        line = next(line for line in script.splitlines() if line.strip().startswith(f'"{command}")'))
        assert options <= set(re.findall(r"--?[a-z][a-z-]*", line.partition("words=")[2]))
