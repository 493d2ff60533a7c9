"""One file of many modules: it says the same, and refuses what it does not understand."""

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


def test_modules_run_in_one_file_as_they_did_in_many() -> None:
    script = bundle("a/main.js", MODULES.__getitem__)
    result = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert result.stdout == "2 3\n"
    assert "/*" not in script
    assert "//" not in script


def test_private_names_are_shortened_and_mean_the_same() -> None:
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
def test_a_form_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BundleError):
        bundle("a/x.js", {**MODULES, "a/x.js": text}.__getitem__)


@pytest.mark.parametrize("body", ["const two = 3;", "console.log(two);", "export function twice(two) {}"])
def test_a_name_that_means_something_else_in_another_module_is_refused(body: str) -> None:
    """In one function it would be the other's."""
    modules = {
        "main.js": 'import { one } from "./a.js";\nimport { twice } from "./b.js";\ntwice(one);\n',
        "a.js": "const two = 2;\nexport const one = two - 1;\n",
        "b.js": f"export function twice() {{}}\n{body}\n",
    }
    with pytest.raises(BundleError, match="declares: two"):
        bundle("main.js", modules.__getitem__)


def test_what_the_script_itself_declares_is_its_own() -> None:
    modules = {
        "main.js": 'import { one } from "./a.js";\nconst two = 5;\nconsole.log(one, two);\n',
        "a.js": "const two = 2;\nexport const one = two - 1;\n",
    }
    script = minified(bundle("main.js", modules.__getitem__))
    result = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    assert result.stdout == "1 5\n"


def test_modules_that_import_each_other_are_refused() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";\n',
        "b.js": 'import { a } from "./a.js";\nexport const b = 1;\n',
    }
    with pytest.raises(BundleError, match="imports itself"):
        bundle("a.js", modules.__getitem__)


def test_the_box_itself_can_be_gathered() -> None:
    static = ROOT / "static"
    script = bundle("widget/main.js", lambda name: (static / name).read_text(encoding="utf-8"))
    subprocess.run(
        ["node", "--input-type=module", "--check"], input=script, text=True, check=True, capture_output=True
    )
