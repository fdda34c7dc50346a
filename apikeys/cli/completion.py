"""Completion of commands, options and their values for bash and zsh, made from the parser itself."""

import argparse


def words(parser: argparse.ArgumentParser, path: str = "") -> dict[str, list[str]]:
    """Return the options and commands that may follow each command; "" is `apikeys` itself."""
    found: dict[str, list[str]] = {path: []}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found[path] += list(action.choices)
            for name, command in action.choices.items():
                found |= words(command, f"{path} {name}".strip())
        else:
            found[path] += action.option_strings or map(str, action.choices or ())
    return found


def choices(parser: argparse.ArgumentParser, path: str = "") -> dict[str, list[str]]:
    """Return what may follow each option that takes one of a few words, by its command and the option."""
    found: dict[str, list[str]] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found |= choices(command, f"{path} {name}".strip())
        elif action.choices:
            found |= {f"{path} {option}": list(map(str, action.choices)) for option in action.option_strings}
    return found


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Return the script that the shell is to source."""
    cases = "\n".join(f'    "{path}") words="{" ".join(options)}" ;;' for path, options in words(parser).items())
    values = "\n".join(
        f'  "{command}"*" {option}") words="{" ".join(allowed)}" ;;'
        for path, allowed in choices(parser).items()
        for command, option in [path.rsplit(" ", 1)]
    )
    bash = f"""_apikeys() {{
  local path="" line word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) ;; *) path="${{path:+$path }}$word" ;; esac
  done
  line="$path ${{COMP_WORDS[COMP_CWORD-1]}}"
  while :; do
    case "$path" in
{cases}
    *) words="" ;;
    esac
    [ -n "$words" ] || [ -z "$path" ] && break
    case "$path" in *" "*) path="${{path% *}}" ;; *) path="" ;; esac
  done
  case "$line" in
{values}
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -F _apikeys apikeys"""
    return bash if shell == "bash" else f"autoload -Uz bashcompinit && bashcompinit\n{bash}"
