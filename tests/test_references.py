"""No document, comment or docstring sends its reader to something that is not there."""

import pytest

from tests import references

pytestmark = pytest.mark.once


def test_every_reference_leads_somewhere():
    dead_ends = {str(path): found for path in references.texts() if (found := references.dead_ends(path))}

    assert dead_ends == {}


def test_what_leads_nowhere_is_told(tmp_path):
    page, module = tmp_path / "page.md", tmp_path / "module.py"
    there = "[a](page.md#a-heading) [b](#a-heading) `cli.md` `backends/base.py` `templates/*.html` `adr/` ADR 0001"
    gone = ["gone.md", "page.md#gone", "#gone", "docs/gone.md", "gone/base.py", "gone/*.html", "`gone/`", "ADR 9999"]
    links, names = gone[:3], gone[3:]
    page.write_text(f"# A heading\n{there}\n{' '.join(f'[x]({link})' for link in links)}\n{' '.join(names)}\n")
    module.write_text(
        '"""Docstrings: console.csrf, console.gone."""\n\nNAME = "docs/only-a-string.md"  # apikeys/gone.py\n'
    )

    assert references.dead_ends(page) == [*links, *(name.strip("`") for name in names)]
    assert references.dead_ends(module) == ["apikeys/gone.py", "console.gone"]
