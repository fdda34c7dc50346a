"""Tries a sample of the changes of each module and prints what the tests noticed: `make mutants`, or see `--help`.

It works in `build/mutation`, on a copy for each group, with the tool's own environment. What was tried is kept there.
"""

import argparse
import fnmatch
import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name

from tests.mutation.decorators import applied_below
from tests.mutation.groups import GROUPS, Group

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "build" / "mutation"
KILLED = {"killed", "timeout", "segfault", "suspicious"}
MANY, SEED = 60, "2026"


@dataclass(frozen=True)
class Module:
    """A module in the copy of a group, and the names of all its changes."""

    path: str
    group: Group
    mutants: list[str]

    def sample(self, many: int) -> list[str]:
        """Return that many of the mutants, the same ones each time, and of more of them these first."""
        shuffled = list(self.mutants)
        random.Random(f"{SEED} {self.path}").shuffle(shuffled)
        return shuffled[:many]

    def verdicts(self) -> dict[str, str]:
        """Return what came of those that were tried."""
        try:
            text = (FOLDER / self.group.name / "mutants" / f"{self.path}.meta").read_text()
        except FileNotFoundError:
            return {}
        codes = json.loads(text)["exit_code_by_key"]
        return {name: status_by_exit_code[code] for name, code in codes.items() if code is not None}


def main() -> None:
    names = [group.name for group in GROUPS]
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="pattern", help="such as apikeys.values.* (all)")
    parser.add_argument("--group", action="append", choices=names, help="one group of modules (all of them)")
    parser.add_argument("--many", type=int, default=MANY, help="how many of each module are tried (%(default)s)")
    parser.add_argument("--children", type=int, default=os.cpu_count(), help="how many at once (%(default)s)")
    parser.add_argument("--again", action="store_true", help="try those again that nothing noticed")
    parser.add_argument("--table", action="store_true", help="only print what is known")
    options = parser.parse_args()

    modules = []
    for group in GROUPS:
        if options.group and group.name not in options.group:
            continue
        found = copied(group)
        modules += found
        tried = []
        for module in found:
            known = module.verdicts()
            for name in module.sample(options.many):
                is_asked_for = not options.patterns or any(fnmatch.fnmatch(name, one) for one in options.patterns)
                if is_asked_for and (name not in known or (options.again and known[name] not in KILLED)):
                    tried.append(name)
        if tried and not options.table:
            run(group, tried, options.children)
    table(modules, options.many)


def copied(group: Group) -> list[Module]:
    """Bring the copy of a group up to date and return the modules that are changed there."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    folder, found = FOLDER / group.name, []
    for name in listed:
        source, target = ROOT / name, folder / name
        if not source.is_file():
            target.unlink(missing_ok=True)
            continue
        content = source.read_bytes()
        if name in group.paths:
            text = applied_below(content.decode())
            content = text.encode()
            found.append(Module(name, group, mutants_of(name, text)))
        elif name == "pyproject.toml":
            content = configured(content.decode(), group).encode()
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            if name not in group.paths:
                (folder / "mutants" / name).unlink(missing_ok=True)  # mutmut copies it once
    return sorted(found, key=lambda module: group.paths.index(module.path))


def configured(text: str, group: Group) -> str:
    lists = f"only_mutate = {group.paths}\npytest_add_cli_args_test_selection = {group.test_paths}\n"
    return text.replace("[tool.mutmut]\n", f"[tool.mutmut]\n{lists}")


def mutants_of(path: str, source: str) -> list[str]:
    """Return the names of a module's mutants. To find them takes seconds: they are kept beside the copy."""
    kept = FOLDER / "names" / f"{hashlib.sha256(source.encode()).hexdigest()}.json"
    if not kept.exists():
        names = [get_mutant_name(Path(path), name) for name in mutate_file_contents(path, source).mutant_names]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(names))
    found: list[str] = json.loads(kept.read_text())
    return found


def run(group: Group, names: list[str], children: int) -> None:
    folder = FOLDER / group.name
    (folder / "migrated.sqlite3").unlink(missing_ok=True)
    environment = os.environ | {"MUTATION_FOLDER": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    mutmut = Path(sys.executable).with_name("mutmut")
    subprocess.run([mutmut, "run", "--max-children", str(children), *names], cwd=folder, env=environment, check=True)


def table(modules: list[Module], many: int) -> None:
    total, left = Counter[str](), []
    print("| module | changes | tried | killed | survived |\n|---|---|---|---|---|")
    for module in modules:
        sample, known = module.sample(many), module.verdicts()
        verdicts = {name: known[name] for name in sample if name in known}
        killed = sum(verdict in KILLED for verdict in verdicts.values())
        # A time limit may be the machine's fault: such a change is counted as killed, and listed to be looked at.
        left += [f"{verdict}: {name}" for name, verdict in verdicts.items() if verdict != "killed"]
        total += Counter(mutants=len(module.mutants), tried=len(verdicts), killed=killed)
        print(f"| `{module.path}` | {len(module.mutants)} | {len(verdicts)} | {killed} | {len(verdicts) - killed} |")
    tried, killed = total["tried"], total["killed"]
    share = f"{killed} ({killed / tried:.1%})" if tried else "0"
    print(f"| all | {total['mutants']} | {tried} | {share} | {tried - killed} |")
    print("\n".join(left))


if __name__ == "__main__":
    main()
