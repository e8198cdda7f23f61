"""Imports go one way: a room uses those below it, edgewing < train < targets < compress < bench. Checked in every
import statement, also those inside functions."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("edgewing", "train", "targets", "compress", "bench")  # from the lowest
HEAVY = {
    "torch",
    "torchvision",
    "onnx",
    "coremltools",
    "litert_torch",
    "ai_edge_quantizer",
    "tensorboard",
    "matplotlib",
}


def imported(path):
    """(line, module) of every import in a file, relative ones left out: there are none."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_the_right_way(room):
    files, above = sorted((ROOT / room).rglob("*.py")), ROOMS[ROOMS.index(room) + 1 :]
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {room} may not import {module}"
        for path in files
        for line, module in imported(path)
        if module.split(".")[0] in above
    ]
    assert files and not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_no_imports_go_round(room):
    """Also those inside functions, which only put off the trouble."""
    files = sorted((ROOT / room).rglob("*.py"))
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}
    graph = {}
    for name, path in modules.items():
        graph[name] = set()
        for node in (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)):
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            graph[name] |= (named & set(modules)) or ({node.module} & set(modules))
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_what_imports_onnx_runtime_imports_edgewing_first():
    """edgewing/__init__.py turns its telemetry off, which has to be done before."""
    found = []
    for path in (path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))):
        modules = {module.split(".")[0] for _, module in imported(path)}
        if "onnxruntime" in modules:
            found.append(path)
            assert "edgewing" in modules, path
    assert found


def test_edgewing_imports_no_training_or_conversion_library():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in sorted((ROOT / "edgewing").rglob("*.py"))
        for line, module in imported(path)
        if module.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_readers_of_faces_need_no_torch():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in sorted((ROOT / "train" / "data").rglob("*.py"))
        for line, module in imported(path)
        if module.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)
