"""`make sbom`: what the console is built of (SBOM), as CycloneDX's JSON, from the lock; and that each licence is known.

The lock gives versions and hashes, the installed packages their licences and what each of them needs. The same lock
makes the same file, byte for byte: it has no time, unless SOURCE_DATE_EPOCH gives one, and no serial number.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import django_htmx
from cyclonedx.schema import SchemaVersion

ROOT = Path(__file__).parent.parent
CYCLONEDX = [str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", "--output-reproducible"]
HTMX = Path(django_htmx.__file__).parent / "static" / "django_htmx" / "htmx-2.min.js"
NPM_HTMX = "pkg:npm/htmx.org@"

# What a program under Apache-2.0 may come with. LGPL and MPL bind changes of their own files, and none are changed:
# pip installs these packages whole, and anybody can replace them.
COMPATIBLE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "PSF-2.0"),
    *("LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-2.0"),
}
# What classifiers and free texts of packages mean.
SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Of packages that say nothing: what the licence beside them is.
READ_BY_HAND = {"zxcvbn-rs-py": "MIT"}


def document() -> dict[str, Any]:
    """Return the whole list, and have CycloneDX's schema judge it. Raises ValueError."""
    made = subprocess.run(
        [*CYCLONEDX, "--no-validate", "--pyproject", "pyproject.toml", "requirements.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise ValueError(made.stderr)
    found: dict[str, Any] = json.loads(made.stdout)
    parts = found["components"]
    for part in parts:
        about = metadata.metadata(part["name"])
        part["bom-ref"], part["description"] = part["purl"], about["Summary"]
        part["licenses"] = [{"license": {"id": name}} for name in licences_of(part["name"], about)]
    parts.append(htmx())
    parts.sort(key=lambda part: part["bom-ref"])
    found["dependencies"] = needs(parts, found["metadata"]["component"]["bom-ref"])
    from cyclonedx.validation.json import JsonStrictValidator  # two seconds, which each worker of the tests would take

    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)):
        raise ValueError(str(error))
    return found


def htmx() -> dict[str, Any]:
    """Return the one script that is not the console's own; it comes within django-htmx."""
    version = re.search(r'version:"([\d.]+)"', HTMX.read_text(encoding="utf-8"))
    assert version is not None
    return {
        "bom-ref": f"{NPM_HTMX}{version[1]}",
        "type": "library",
        "name": "htmx.org",
        "version": version[1],
        "purl": f"{NPM_HTMX}{version[1]}",
        "licenses": [{"license": {"id": "0BSD"}}],
    }


def licences_of(name: str, about: Any) -> list[str]:
    """Return the SPDX ids of all licences that a package names, none where it names none that is known here."""
    said = about.get("License-Expression") or READ_BY_HAND.get(name) or ""
    if not said:
        kinds = [line.split(" :: ")[-1] for line in about.get_all("Classifier", []) if line.startswith("License ::")]
        said = " AND ".join(SPDX.get(kind, kind) for kind in kinds) or (about.get("License") or "")
    return sorted({part.strip(" ()") for part in re.split(r"\bAND\b|\bOR\b", said)} - {""})


def needs(parts: Iterable[dict[str, Any]], root: str) -> list[dict[str, Any]]:
    """Return which part needs which others, as their packages say for this Python; the console needs all it names."""
    refs: dict[str, list[str]] = {}
    for part in parts:
        refs.setdefault(part["name"], []).append(part["bom-ref"])
    named = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("dependencies = [", 1)[1].split("\n]", 1)[0]
    direct = re.findall(r'^\s*"([a-z0-9-]+)', named, re.MULTILINE)
    found = {root: {ref for name in direct for ref in refs[name]}}
    for part in parts:
        lines = [] if part["purl"].startswith(NPM_HTMX) else metadata.requires(part["name"]) or []
        names = {re.split(r"[^A-Za-z0-9._-]", line)[0].lower() for line in lines if "extra ==" not in line}
        found[part["bom-ref"]] = {ref for name in names for ref in refs.get(re.sub(r"[._]", "-", name), [])}
        if part["name"] == "django-htmx":
            found[part["bom-ref"]] |= {*refs["htmx.org"]}
    return [{"ref": ref, "dependsOn": sorted(others)} for ref, others in sorted(found.items())]


def unfit(found: dict[str, Any]) -> list[str]:
    """Return the parts that can't come with the console: without a licence, or with one that is not listed."""
    told = {
        f"{part['name']} {part['version']}": [each["license"]["id"] for each in part["licenses"]]
        for part in found["components"]
    }
    return [
        f"{part}: {', '.join(licences) or 'no licence'}"
        for part, licences in told.items()
        if not licences or not {*licences} <= COMPATIBLE
    ]


def main() -> int:
    """Write the list to the file that is named, if one is; return how many parts have no fit licence."""
    found = document()
    if sys.argv[1:]:
        path = Path(sys.argv[1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{path}: {len(found['components'])} components")
    for line in (refused := unfit(found)):
        print(f"Read its licence and decide (tests/sbom.py): {line}")
    return len(refused)


if __name__ == "__main__":
    sys.exit(main())
