"""Tests of README, CONTRIBUTING and docs: all commands, files, variables and links that they mention exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.harness.servers.process import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# A text in backticks that begins with one of these folders is taken for a path.
FOLDERS = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and path.name[0] not in "._")


@pytest.fixture(params=NAMES)
def page(request: pytest.FixtureRequest) -> Path:
    return ROOT / str(request.param)


def test_page_names_only_existing_make_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|\$ |=\d+ )make ([a-z0-9]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


def test_page_names_only_existing_management_commands(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", page.read_text()))
    assert named <= set(get_commands())


def test_page_names_only_existing_paths(page: Path) -> None:
    text = page.read_text()
    named = {path for path in re.findall(r"`([\w./-]+)`", text) if path.startswith(FOLDERS)}
    # URL paths, and folders that are created at run time, look like paths of files, but do not exist in the repository.
    named -= {path for path in named if path.startswith(("var/", "console/login", "node_modules/"))}
    missing = {path for path in named if not (ROOT / path).exists() and not list(ROOT.glob(f"{path}*"))}
    assert missing == set()


def test_page_links_only_to_existing_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = {link for link in links if "://" not in link and not link.startswith("mailto:")}
    assert {link for link in local if not (page.parent / link).exists()} == set()


def test_page_names_only_settings_that_exist(page: Path) -> None:
    known = set(re.findall(r"`(LIANXIN_\w+)`", (ROOT / "docs/settings.md").read_text()))
    named = {name.removesuffix("_FILE") for name in re.findall(r"LIANXIN_[A-Z_]+[A-Z]", page.read_text())}
    assert named <= known


def test_readme_shows_how_to_start_test_and_embed() -> None:
    text = (ROOT / "README.md").read_text()
    for part in ("make demo", "make test", "data-site=", "docs/settings.md"):
        assert part in text
