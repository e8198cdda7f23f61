"""A TensorRT engine from an exported ONNX file, on the board that will run it: `python -m edgewing.build FILE.onnx`.

An engine belongs to one TensorRT version and one chip, so it is built where it runs: on a Jetson through the
``tensorrt`` package or ``trtexec``, both part of JetPack. Needs numpy besides. The engine lies behind our header
(edgewing.containers), with the contract of the file it was built from.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from edgewing import containers, files
from edgewing.contract import Contract
from edgewing.errors import InputError, command

# Builder flags. int8 alone would mean int8 and fp32: layers without a scale, the decode among them, then run slowly.
FLAGS = {"fp32": (), "fp16": ("FP16",), "int8": ("INT8", "FP16")}
TRTEXEC = "/usr/src/tensorrt/bin/trtexec"  # where JetPack puts it, outside PATH
WORKSPACE = 1 << 30  # bytes the builder may use while it tries kernels


def build(path: Path, precision: str = "") -> Path:
    """Build the engine beside the file; its path. precision: '' for the file's own.

    InputError: not a file for TensorRT, a precision it cannot have, no TensorRT here, or TensorRT refuses it.
    """
    contract, precision = checked(path, precision)
    package, trtexec = _package(), _trtexec()
    if package is not None:
        engine, version = _with_package(package, path, precision), package.__version__
    elif trtexec is not None:
        engine, version = _with_trtexec(trtexec, path, precision), "trtexec"
    else:
        raise InputError(
            "no TensorRT here: neither the tensorrt package nor trtexec; run this on the board (JetPack has both), "
            "or see the steps with --dry-run"
        )
    out = path.with_suffix(".engine")
    files.write(out, containers.with_engine_header(_about(contract, precision, version), engine))
    return out


def checked(path: Path, precision: str) -> tuple[Contract, str]:
    """The file's contract and the precision to build, or an InputError that says why they do not go together."""
    contract = containers.read(path)
    inside = contract.model.precision
    if containers.format_of(path) != "onnx" or contract.model.format != "tensorrt":
        raise InputError(f"{path}: was not made for TensorRT; export it with: python -m targets RUN --to tensorrt")
    if precision and (precision == "int8") != (inside == "int8"):
        raise InputError(
            f"{path}: is {inside} inside, which cannot be built as {precision}; "
            f"export that with: python -m targets RUN --to tensorrt --precision {precision}"
        )
    return contract, precision or inside


def steps(path: Path, precision: str) -> list[str]:
    """What ``build`` does, a line each, by either road; ``checked`` has passed."""
    out = path.with_suffix(".engine")
    flags = ", ".join(FLAGS[precision]) or "none"
    package, trtexec = _package(), _trtexec()
    return [
        f"1. read {path} and its contract",
        f"2. with the tensorrt package ({package.__version__ if package else 'not here'}): "
        f"parse the ONNX, flags {flags}, workspace {WORKSPACE >> 20} MiB, build",
        f"   or with trtexec ({trtexec or 'not here'}): "
        + shlex.join(_arguments(trtexec or "trtexec", path, Path("ENGINE"), precision)),
        f"3. write {out}: {containers.ENGINE_MAGIC.decode()} header, contract ({precision}, its versions), engine",
    ]


def _about(contract: Contract, precision: str, version: str) -> Contract:
    """The engine's contract: its parity is not that of the ONNX file, and has not been measured."""
    model = type(contract.model)(**{**vars(contract.model), "precision": precision})
    known = contract.provenance
    provenance = type(known)(known.commit, {**known.versions, "tensorrt": version}, known.weights_sha256)
    return contract.replace(model=model, provenance=provenance, parity=None)


def _package() -> ModuleType | None:
    try:
        return importlib.import_module("tensorrt")
    except ImportError:
        return None


def _trtexec() -> str | None:
    return shutil.which("trtexec") or shutil.which(TRTEXEC)


def _with_package(trt: ModuleType, path: Path, precision: str) -> bytes:
    """The serialised engine, through TensorRT's Python package (8, JetPack 5; 10, JetPack 6)."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    # TensorRT 8 wants this flag; in 10 every network is so, and the flag goes away.
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(files.read(path, containers.LARGEST_FILE)):
        raise InputError(f"{path}: TensorRT {trt.__version__} cannot parse it ({parser.get_error(0).desc()})")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    known = [name for name in FLAGS[precision] if hasattr(trt.BuilderFlag, name)]
    if precision == "fp16" and not known:
        raise InputError(
            f"TensorRT {trt.__version__} builds what the file says and has no fp16 switch; "
            "build --precision fp32, or the int8 file, which has its scales inside"
        )
    for name in known:
        config.set_flag(getattr(trt.BuilderFlag, name))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise InputError(f"{path}: TensorRT {trt.__version__} cannot build it; its own message is above")
    return bytes(engine)


def _arguments(trtexec: str, path: Path, out: Path, precision: str) -> list[str]:
    flags = [f"--{name.lower()}" for name in FLAGS[precision]]
    workspace = f"--memPoolSize=workspace:{WORKSPACE >> 20}"
    return [trtexec, f"--onnx={path}", f"--saveEngine={out}", *flags, workspace]


def _with_trtexec(trtexec: str, path: Path, precision: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "engine")
        done = subprocess.run(_arguments(trtexec, path, out, precision), capture_output=True, text=True)
        if done.returncode or not out.exists():
            said = [line for line in (done.stdout + done.stderr).splitlines() if "[E]" in line] or ["no error line"]
            raise InputError(f"{path}: {trtexec} failed with {done.returncode} ({said[-1].strip()[:300]})")
        return files.read(out, containers.LARGEST_FILE)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m edgewing.build",
        description="Build a TensorRT engine from an exported ONNX file, on the board that will run it.",
        epilog="example: python -m edgewing.build demo-s-tensorrt-int8.onnx",
    )
    parser.add_argument("file", metavar="FILE.onnx", type=Path, help="from: python -m targets RUN --to tensorrt")
    parser.add_argument("--precision", choices=FLAGS, default="", help="of the engine (default: the file's own)")
    parser.add_argument("--dry-run", action="store_true", help="print every step and do nothing; needs no TensorRT")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    arguments = parser.parse_args(argv)
    with command(arguments.debug):
        contract, precision = checked(arguments.file, arguments.precision)
        if contract.parity is not None and not contract.parity.accepted:
            print(f"note: {arguments.file} was rejected by its parity gate", file=sys.stderr)
        if arguments.dry_run:
            print("\n".join(steps(arguments.file, precision)))
            print("nothing was written (--dry-run)")
            print(f"next, on the board: python -m edgewing.build {arguments.file} --precision {precision}")
            return
        out = build(arguments.file, precision)
        print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB, {precision})")
        print(f"next: edgewing info {out}")


if __name__ == "__main__":
    main()
