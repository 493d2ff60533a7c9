"""Tests that the import contracts cover every package of the project."""

import tomllib

from tests.harness.servers.process import ROOT

# Packages that are not part of the program.
OTHERS = {"scripts", "tests"}


def test_import_contracts_cover_every_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - OTHERS

    assert packages == set(contracts["root_packages"])
    layers = next(contract for contract in contracts["contracts"] if contract["type"] == "layers")["layers"]
    named = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    assert packages <= named
