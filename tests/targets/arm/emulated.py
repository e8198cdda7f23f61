"""An ARM core without the hardware: the real aarch64 wheels under qemu's user emulation.

    emulated.install()                                  # once, a minute, 750 MB in cache/arm
    emulated.run(path, crops, "cortex-a53")             # outputs of an artefact by name, and what executed it

Nothing is installed on the machine: Debian's packages are fetched by apt into folders of their own and unpacked there,
wheels likewise. XNNPACK and ONNX Runtime choose their kernels by /proc/cpuinfo, and an x86 host's makes them crash
under qemu; so the emulated root has one of its own, where qemu looks first. What it takes says nothing of a phone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np

from tests import debian

REPOSITORY = Path(__file__).parents[3]
ROOT = REPOSITORY / "cache" / "arm"
WHEELS = ("numpy", "ai-edge-litert", "onnxruntime")
GUEST = ("python3.11-minimal", "libpython3.11-stdlib", "libstdc++6", "libgomp1", "zlib1g")
QEMU = "qemu-user-static"
BASELINE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
# qemu's -cpu -> ARM's part number and what the core has over ARMv8.0: the A76 half precision and dot products
CPUS = {
    "cortex-a53": ("0xd03", ""),
    "cortex-a76": ("0xd0b", " atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"),
}


def install() -> None:
    """Fetch and unpack everything, unless it is there with the versions that are pinned. Raises debian.Unavailable."""
    wanted = [*GUEST, QEMU, *_pins()]
    stamp = ROOT / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return
    shutil.rmtree(ROOT, ignore_errors=True)
    debian.unpack(GUEST, ROOT / "root", "arm64")
    debian.unpack([QEMU], ROOT / "qemu", alone=True)  # it is linked statically
    _fetch_wheels()
    stamp.write_text(json.dumps(wanted))


def _pins() -> list[str]:
    """Our own versions of the wheels: ``numpy==...``."""
    text = (REPOSITORY / "requirements" / "constraints.txt").read_text()
    return [re.search(rf"^{re.escape(name)}==\S+", text, re.MULTILINE)[0] for name in WHEELS]


def _fetch_wheels() -> None:
    platforms = [f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28, 34)] + ["manylinux2014_aarch64"]
    words = [word for name in platforms for word in ("--platform", name)]
    folder = ROOT / "wheels"
    debian.output(
        sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", *words, "--python-version", "3.11", "-d", str(folder), *_pins(),
    )  # fmt: skip
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(ROOT / "packages")
    shutil.rmtree(folder)


def run(path: Path, crops: np.ndarray, cpu: str, threads: int = 1) -> tuple[dict[str, np.ndarray], str]:
    """An artefact's outputs by name for (B, S, S, 3) uint8 RGB crops, and its runtime's description, on that core.

    Our own edgewing.runtimes runs there. RuntimeError with the last lines where that ends badly.
    """
    part, features = CPUS[cpu]
    root = ROOT / "root"
    cores = root / "sys/devices/system/cpu"
    for folder in (root / "proc", cores, ROOT / "exchange"):
        folder.mkdir(parents=True, exist_ok=True)
    blocks = [
        f"processor\t: {i}\nBogoMIPS\t: 50.00\nFeatures\t: {BASELINE}{features}\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: {part}\nCPU revision\t: 1\n\n"
        for i in range(threads)
    ]
    (root / "proc/cpuinfo").write_text("".join(blocks))
    for name in ("possible", "present", "online"):
        (cores / name).write_text("0\n" if threads == 1 else f"0-{threads - 1}\n")
    given, made = (ROOT / "exchange" / name for name in ("crops.npy", "outputs.npz"))
    np.save(given, crops)
    made.unlink(missing_ok=True)
    qemu = ROOT / "qemu/usr/bin/qemu-aarch64-static"
    words = [qemu, "-L", root, "-cpu", cpu, root / "usr/bin/python3.11", Path(__file__).with_name("guest.py")]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'packages'}:{REPOSITORY}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*map(str, words), str(path), str(given), str(made), str(threads)],
        capture_output=True, text=True, timeout=1800, env=environment,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{path.name} on {cpu}: code {done.returncode}: {done.stderr[-500:]}")
    with np.load(made) as file:
        outputs = {name: file[name] for name in file.files}
    return outputs, str(outputs.pop("description"))
