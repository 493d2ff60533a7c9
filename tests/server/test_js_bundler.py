"""Tests of the JavaScript bundler: a bundle behaves like its modules, and unsupported syntax is refused."""

from __future__ import annotations

import subprocess

import pytest

from server.js_bundler import BundleError, bundle, minified
from tests.harness.servers.process import ROOT

MODULES = {
    "a/main.js": (
        '/** Prints. */\nimport { twice } from "../b/twice.js";\nimport {\n  one,\n} from "./one.js";\n\n'
        "// A comment.\nconst size = 3;\nconsole.log(twice(one), size);\n"
    ),
    "a/private.js": (
        "class Counter {\n  #count = 0;\n  add() {\n    return this.#next();\n  }\n"
        '  async #wait() {\n    return "#count";\n  }\n  #next() {\n    void this.#wait();\n    this.#count += 1;\n'
        "    return this.#count;\n  }\n}\nconst counter = new Counter();\ncounter.add();\nconsole.log(counter.add());\n"
    ),
    "a/one.js": "const size = 1;\n/** @type {number} */\nexport const one = size;\n",
    "b/twice.js": 'import { one } from "../a/one.js";\nexport function twice(n) {\n  return n * 2 + one - one;\n}\n',
}


def test_bundle_behaves_like_its_modules() -> None:
    script = bundle("a/main.js", MODULES.__getitem__)
    result = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert result.stdout == "2 3\n"
    assert "/*" not in script
    assert "//" not in script


def test_bundle_shortens_private_names_without_changing_behaviour() -> None:
    script = bundle("a/private.js", MODULES.__getitem__)
    result = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert result.stdout == "2\n"
    assert '"#count"' in script
    assert ".#count" not in script


@pytest.mark.parametrize(
    "text",
    [
        'import main from "./one.js";\n',
        'import { one as two } from "./one.js";\n',
        'const one = await import("./one.js");\n',
        "export default 1;\n",
        "export { one };\n",
    ],
)
def test_unsupported_import_or_export_is_refused(text: str) -> None:
    with pytest.raises(BundleError):
        bundle("a/x.js", {**MODULES, "a/x.js": text}.__getitem__)


@pytest.mark.parametrize("body", ["const two = 3;", "console.log(two);", "export function twice(two) {}"])
def test_name_declared_in_two_modules_is_refused(body: str) -> None:
    """Check that the bundler refuses a name that one module uses without an import and another module declares.

    All modules share the one scope of the bundle, so the name would refer to the other module's declaration.
    """
    modules = {
        "main.js": 'import { one } from "./a.js";\nimport { twice } from "./b.js";\ntwice(one);\n',
        "a.js": "const two = 2;\nexport const one = two - 1;\n",
        "b.js": f"export function twice() {{}}\n{body}\n",
    }
    with pytest.raises(BundleError, match=r"b\.js uses two without importing it, and a\.js declares it"):
        bundle("main.js", modules.__getitem__)


def test_script_may_declare_a_name_of_an_imported_module() -> None:
    modules = {
        "main.js": 'import { one } from "./a.js";\nconst two = 5;\nconsole.log(one, two);\n',
        "a.js": "const two = 2;\nexport const one = two - 1;\n",
    }
    script = minified(bundle("main.js", modules.__getitem__))
    result = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert result.stdout == "1 5\n"


def test_circular_imports_are_refused() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";\n',
        "b.js": 'import { a } from "./a.js";\nexport const b = 1;\n',
    }
    with pytest.raises(BundleError, match="imports itself"):
        bundle("a.js", modules.__getitem__)


def test_widget_can_be_bundled() -> None:
    static = ROOT / "static"
    script = bundle("widget/main.js", lambda name: (static / name).read_text(encoding="utf-8"))
    subprocess.run(
        ["node", "--input-type=module", "--check"], input=script, text=True, check=True, capture_output=True
    )
