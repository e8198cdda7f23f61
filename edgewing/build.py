"""A TensorRT engine from an exported ONNX file, on the board that will run it: `python -m edgewing.build FILE.onnx`.

An engine belongs to one TensorRT version and one chip, so it is built where it runs: on a Jetson through the
``tensorrt`` package or ``trtexec``, both part of JetPack (docs/tensorrt.md). Needs numpy besides. The engine lies
behind our header (edgewing.tensorrt.engines), with the contract of the file it was built from and what it was built
for.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from edgewing import containers, files, hints, models
from edgewing.commands import Parser, command
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.outputs import Output
from edgewing.tensorrt import builders, cuda, engines
from edgewing.tensorrt.builders import FLAGS, Built, Plan
from edgewing.words import counted

TRTEXEC = "/usr/src/tensorrt/bin/trtexec"  # where JetPack puts it, outside PATH
DLA_CORES = (0, 1)  # Orin and Xavier have two; Orin Nano has none


def build(contract: Contract, plan: Plan) -> tuple[Path, Built]:
    """Build the engine beside the file: its path, and what TensorRT made.

    Raises InputError: no TensorRT here, or TensorRT refuses the file.
    """
    package, trtexec = _package(), _trtexec()
    if package is None and trtexec is None:
        raise InputError(_nothing_here())
    with tempfile.TemporaryDirectory() as folder:
        if _takes_bytes(contract):
            plan = dataclasses.replace(plan, given=Path(folder, plan.path.name))
            files.write(plan.given, builders.of_floats(plan.path))
        try:
            if package is not None:
                built = builders.with_package(package, plan, cuda.driver().chip())
            else:
                built = builders.with_trtexec(trtexec, plan)
        except InputError as error:
            if plan.given is None:
                raise
            hint = f"; or give it one that is made for TensorRT: python -m targets {plan.path.stem} --to tensorrt"
            raise InputError(f"{error}{hint}") from None
    if built.cache:
        files.write(plan.cache, built.cache)
    out = _beside(plan.path, ".engine")
    where = built.chip.name, built.chip.capability, plan.dla, plan.path.name
    write(out, _about(contract, plan.precision), engines.Build(built.tensorrt, *where, len(built.engine)), built.engine)
    return out, built


def write(out: Path, contract: Contract, build: engines.Build, engine: bytes) -> None:
    """The .engine file, sealed, under its name whole or not at all; the version of TensorRT goes into the contract."""
    known = contract.provenance
    provenance = type(known)(known.commit, {**known.versions, "tensorrt": build.tensorrt}, known.weights_sha256)
    with files.workshop(out) as beside:
        files.write(beside, engines.pack(contract.replace(provenance=provenance), build, engine))
        containers.seal(beside)
        beside.replace(out)


def planned(path: Path, precision: str = "", dla: int = -1, cache: str | None = None) -> tuple[Contract, Plan]:
    """The file's contract and what is to be built, or an InputError that says why they do not go together.

    path: of a file that was made for TensorRT, or of another ONNX file of edgewing; or the name of a shipped model.
    precision: '' for the file's own. cache: None for one beside the engine.
    """
    path = _found(path)
    contract = containers.read_contract(path)
    inside = contract.model.precision
    if containers.format_of(path) != "onnx" or contract.model.format not in ("tensorrt", "onnx"):
        run = path if path.suffix == ".safetensors" else "RUN"
        raise InputError(f"{path}: is no ONNX file; export one with: python -m targets {run} --to tensorrt")
    if precision and (precision == "int8") != (inside == "int8"):
        raise InputError(
            f"{path}: is {inside} inside, which cannot be built as {precision}; "
            f"export that with: python -m targets RUN --to tensorrt --precision {precision}"
        )
    precision = precision or inside
    if dla >= 0 and precision == "fp32":
        raise InputError(f"{path}: the DLA computes in fp16 and int8 only; add --precision fp16, or leave --dla out")
    if dla >= 0 and precision == "int8":
        raise InputError(
            f"{path}: TensorRT's DLA takes no explicit scales (QDQ), and all of it would run on the GPU; "
            "leave --dla out, or build the fp16 file with it: python -m targets RUN --to tensorrt --precision fp16"
        )
    return contract, Plan(path, precision, dla, Path(cache) if cache else _beside(path, ".timing"))


def steps(contract: Contract, plan: Plan) -> list[str]:
    """What ``build`` does, a line each, by every road."""
    package, trtexec = _package(), _trtexec()
    bytes_in = _takes_bytes(contract)
    read = dataclasses.replace(plan, given=Path(f"{plan.path.stem}-floats.onnx")) if bytes_in else plan
    words = builders.arguments(trtexec or "trtexec", read, Path("ENGINE"), plan.cache)
    flags = ", ".join(FLAGS[plan.precision]) or "none"
    dla = f", DLA core {plan.dla} with GPU fallback" if plan.dla >= 0 else ""
    return [
        f"1. read {plan.path} and its contract" + f"; make {read.source}, which takes the picture as floats" * bytes_in,
        f"2. read the timing cache {plan.cache}{'' if plan.cache.exists() else ' (not there yet: starts empty)'}",
        f"3. with the tensorrt package ({package.__version__ if package else 'not here'}): parse the ONNX, "
        f"flags {flags}, workspace {builders.WORKSPACE >> 20} MiB{dla}, build",
        f"   or with trtexec ({trtexec or 'not here'}): {shlex.join(words)}",
        f"   or, with neither, torch_tensorrt ({'here' if _torch() else 'not here'}): builds from the run, "
        "not from this file: python -m targets.engine RUN",
        f"4. write the timing cache {plan.cache}",
        f"5. write {_beside(plan.path, '.engine')}: header (TensorRT version, compute capability, device, DLA core), "
        f"contract ({plan.precision}), engine; seal it",
    ]


def _found(typed: Path) -> Path:
    """The file itself, or the ONNX file of the shipped model that is named, with or without .onnx."""
    if str(typed.with_suffix("")) in models.SHIPPED and typed.suffix in ("", ".onnx") and not typed.is_file():
        return models.path(typed.stem, "onnx")
    return typed


def _beside(path: Path, suffix: str) -> Path:
    """What belongs to the ONNX file; of one that came with the package, in the current folder."""
    out = path.with_suffix(suffix)
    return Path(out.name) if path.parent == models.FOLDER else out


def _takes_bytes(contract: Contract) -> bool:
    return contract.input.dtype == "uint8"


def _about(contract: Contract, precision: str) -> Contract:
    """The engine's contract: its parity is not that of the ONNX file, and has not been measured."""
    model = dataclasses.replace(contract.model, format="tensorrt", precision=precision)
    dtype = "float32" if _takes_bytes(contract) else contract.input.dtype
    return contract.replace(model=model, input=dataclasses.replace(contract.input, dtype=dtype), parity=None)


def _package() -> ModuleType | None:
    try:
        return importlib.import_module("tensorrt")
    except ImportError:
        return None


def _trtexec() -> str | None:
    return shutil.which("trtexec") or shutil.which(TRTEXEC)


def _torch() -> bool:
    return importlib.util.find_spec("torch_tensorrt") is not None


def _nothing_here() -> str:
    if _torch():
        return (
            "neither the tensorrt package nor trtexec is here, but torch_tensorrt is, which builds from the run: "
            "python -m targets.engine RUN"
        )
    return (
        "no TensorRT here: neither the tensorrt package nor trtexec; run this on the board (JetPack has both), "
        "or see the steps with --dry-run"
    )


def main(argv: list[str] | None = None) -> None:
    parser = Parser(
        prog="python -m edgewing.build",
        description="Build a TensorRT engine from an exported ONNX file, on the board that will run it.",
        epilog="example: python -m edgewing.build demo-s-tensorrt-int8.onnx",
    )
    parser.add_argument(
        "file", metavar="FILE.onnx", type=Path, help="of python -m targets RUN --to tensorrt; or edgewing-m"
    )
    parser.add_argument("--precision", choices=FLAGS, default="", help="of the engine (default: the file's own)")
    parser.add_argument(
        "--dla", type=int, choices=DLA_CORES, default=-1, metavar="CORE",
        help="run on this DLA core what it can take, fp16 only, and the rest on the GPU (default: all on the GPU)",
    )  # fmt: skip
    parser.add_argument(
        "--timing-cache", type=Output, metavar="FILE",
        help="kernel timings, read and written: a second build is quick (default: beside the engine, .timing)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="print every step and do nothing; needs no TensorRT")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    with command(parser, argv) as typed:
        contract, plan = planned(typed.file, typed.precision, typed.dla, typed.timing_cache)
        if contract.parity is None or not contract.parity.accepted:
            was = "has no parity" if contract.parity is None else "was rejected by its parity gate"
            print(f"notice: {plan.path} {was}; the engine will be no better", file=sys.stderr)
        if typed.dry_run:
            print("\n".join(steps(contract, plan)))
            print("nothing was written (--dry-run)")
            words = ["python", "-m", "edgewing.build", str(typed.file), "--precision", plan.precision]
            words += ["--dla", str(plan.dla)] if plan.dla >= 0 else []
            words += ["--timing-cache", str(plan.cache)] if typed.timing_cache else []
            print(f"next, on the board: {shlex.join(words)}")
            return
        out, built = build(contract, plan)
        print(f"built for TensorRT {built.tensorrt}, {built.chip}")
        if plan.dla >= 0:
            pieces, layers = counted(built.on_dla, "pieces"), counted(built.on_gpu, "layers")
            print(f"DLA core {plan.dla}: {pieces} on it, {layers} on the GPU")
        print("not gated: the parity in the ONNX file is that file's; nobody compared this engine's landmarks with it")
        print(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB, {plan.precision})")
        print(hints.next_line("edgewing info", out))


if __name__ == "__main__":
    main()
