"""What may import what: the laws of docs/architecture.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "codec" / "aecodec"
HEAVY = {"numpy", "PIL", "torch"}


def imports(source: str, module: str, package: bool) -> Iterator[str]:
    """The full names that a module imports, inside functions too, but not those that only a type checker sees.

    `from a import b` gives both a and a.b, as b may be a module.
    """
    tree = ast.parse(source)
    unseen = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for inside in block.body
        for node in ast.walk(inside)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".") if package else module.split(".")[:-1]
            base = parts[: len(parts) - node.level + 1] if node.level else []
            base += node.module.split(".") if node.module else []
            yield ".".join(base)
            yield from (".".join([*base, alias.name]) for alias in node.names)


def graph() -> dict[str, set[str]]:
    """Every module of the package, and what it imports."""
    result = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ["aecodec", *path.relative_to(PACKAGE).with_suffix("").parts]
        package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if package else parts)
        result[module] = set(imports(path.read_text(), module, package))
    return result


def inside(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in (f"aecodec.{r}" for r in rooms))


def roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


# A law: what is forbidden, said of a module and of what it imports.
LAWS = {
    "only the float network, the trainer, the benchmark, MS-SSIM and aecodec.torch import torch": lambda module, names: (
        "torch" in roots(names) and not inside(module, "network", "train", "bench", "torch", "metrics")
    ),
    "only the command line imports the trainer": lambda module, names: (
        any(inside(n, "train") for n in names) and not inside(module, "train", "cli.lab")
    ),
    "only the command line imports the benchmark": lambda module, names: (
        any(inside(n, "bench") for n in names) and not inside(module, "bench", "cli.lab")
    ),
    "the container knows no pixel": lambda module, names: (
        inside(module, "header", "fold", "chunks", "protection", "container")
        and (roots(names) & HEAVY or any(inside(n, "picture", "alpha", "lossless", "model", "_core.Network") for n in names))
    ),
    "the network knows no file": lambda module, names: (
        inside(module, "network")
        and any(inside(n, "container", "chunks", "header", "files", "picture", "encoder", "decoder", "cli") for n in names)
    ),
    "only the command line imports the command line": lambda module, names: (
        any(inside(n, "cli") for n in names) and not inside(module, "cli", "__main__")
    ),
}


def broken(law: str, modules: dict[str, set[str]]) -> list[str]:
    return [module for module, names in modules.items() if LAWS[law](module, names)]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    assert broken(law, graph()) == []


@pytest.mark.parametrize(
    ("law", "module", "source"),
    [
        (0, "aecodec.effort", "def f():\n    import torch.nn"),
        (1, "aecodec.network.refine", "from ..train import loop"),
        (2, "aecodec.cli.inspect", "from ..bench.measure import measure"),
        (3, "aecodec.container", "import numpy as np"),
        (3, "aecodec.header", "from .picture import Picture"),
        (4, "aecodec.network.network", "from .. import container"),
        (5, "aecodec.files", "from .cli import main"),
    ],
)
def test_a_broken_law_is_noticed(law, module, source):
    assert broken(list(LAWS)[law], {module: set(imports(source, module, False))}) == [module]


def test_only_a_type_checker_may_see_what_is_not_imported():
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nelse:\n    import numpy"
    assert set(imports(source, "aecodec.effort", False)) == {"typing", "typing.TYPE_CHECKING", "numpy"}


def test_there_are_no_circles():
    modules = graph()
    edges = {m: {n for n in names if n in modules and n != m and not m.startswith(f"{n}.")} for m, names in modules.items()}
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for after in sorted(edges[module]):
                visit(after, [*path, module])
            done.add(module)

    for module in sorted(modules):
        visit(module, [])


def loaded(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_efforts_that_need_the_float_network_load_nothing_of_the_trainer():
    found = loaded("import aecodec.network.refine")
    assert "torch" in found and not [m for m in found if inside(m, "train", "bench")]


def test_the_package_is_light():
    assert not HEAVY & loaded("import aecodec")
