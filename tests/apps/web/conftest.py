"""Node and the page's modules, which Python's are compared with; Chromium."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgewing import web

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
APP = ROOT / "apps/web"
NODE = 18  # the oldest version that the packages take; Debian 12 has it
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages that package-lock.json pins."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs Node (Debian package nodejs) and: make web")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < NODE:
        pytest.skip(f"needs Node {NODE} or newer, not {version.strip()}")
    if not (APP / "node_modules/esbuild").is_dir():
        pytest.skip("needs the npm packages of apps/web: make web")
    return found


class Asked:
    """The page's modules in a Node process: ``ask("pixels.sample", picture, crop)``."""

    def __init__(self, process: subprocess.Popen):
        self.process = process

    def __call__(self, call: str, *arguments):
        self.process.stdin.write(json.dumps({"call": call, "arguments": pack(arguments)}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return unpack(answer.get("result"))


@pytest.fixture(scope="session")
def ask(node, tmp_path_factory):
    parts = tmp_path_factory.mktemp("parts") / "parts.mjs"
    subprocess.run([node, APP / "build.mjs", "--parts", parts], check=True)
    command = [node, HERE / "ask.mjs", parts]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Asked(process)
        process.stdin.close()


def pack(value):
    """For ask.mjs: uint8 and float32 arrays as bytes, (H, W, 3) RGB pictures as RGBA."""
    if isinstance(value, np.ndarray):
        if value.ndim == 3 and value.dtype == np.uint8 and value.shape[2] == 3:
            rgba = np.dstack([value, np.full(value.shape[:2], 255, np.uint8)])
            return {"width": value.shape[1], "height": value.shape[0], "rgba": pack(rgba.ravel())}
        assert value.dtype in (np.uint8, np.float32), value.dtype
        return {"type": value.dtype.name, "data": base64.b64encode(np.ascontiguousarray(value)).decode()}
    if isinstance(value, (list, tuple)):
        return [pack(inner) for inner in value]
    if isinstance(value, dict):
        return {name: pack(inner) for name, inner in value.items()}
    return value


def unpack(value):
    """Arrays come back flat."""
    if isinstance(value, list):
        return [unpack(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"type", "data"}:
        return np.frombuffer(base64.b64decode(value["data"]), value["type"])
    return {name: unpack(inner) for name, inner in value.items()}


@pytest.fixture(scope="session")
def page(node):
    """The page as it stands in the source now, built."""
    subprocess.run([node, APP / "build.mjs"], check=True)
    return web.PAGE


@pytest.fixture(scope="session")
def shots(tmp_path_factory):
    """Screenshots stay here; `pytest --basetemp DIR` says where, for those who want to look at them."""
    return tmp_path_factory.mktemp("shots")


def drive(node: str, plan: dict, timeout: int = 240) -> dict:
    """What drive.mjs found when it went through a plan."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    command = [node, HERE / "drive.mjs", json.dumps({"chromium": CHROMIUM, **plan})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return unpack(json.loads(done.stdout.splitlines()[-1]))
