"""Completion of commands and options for bash and zsh, made from the parser itself."""

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


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Return the script that the shell is to source."""
    cases = "\n".join(f'    "{path}") words="{" ".join(options)}" ;;' for path, options in words(parser).items())
    bash = f"""_apikeys() {{
  local path="" word words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in -*) ;; *) path="${{path:+$path }}$word" ;; esac
  done
  while :; do
    case "$path" in
{cases}
    *) words="" ;;
    esac
    [ -n "$words" ] || [ -z "$path" ] && break
    case "$path" in *" "*) path="${{path% *}}" ;; *) path="" ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -F _apikeys apikeys"""
    return bash if shell == "bash" else f"autoload -Uz bashcompinit && bashcompinit\n{bash}"
