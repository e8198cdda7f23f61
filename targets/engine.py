"""The other road to a TensorRT engine: `python -m targets.engine RUN`, from the run itself, through torch_tensorrt.

For a machine with an NVIDIA GPU and this repository, where torch_tensorrt imports; a board has
`python -m edgewing.build`. fp32, or fp16: the network in half precision, the decode in float. int8 has its scales in
the ONNX file, which torch_tensorrt does not read.

NOT RUN YET beyond the program that torch_tensorrt is given: no machine of this project had a GPU.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from edgewing import build, containers, files, hints
from edgewing.commands import Parser, command
from edgewing.contract import Contract
from edgewing.errors import InputError, reason
from edgewing.tensorrt import cuda, engines
from targets import gate, graph, parity, table
from targets.tensorrt import FORMAT, INTERFACE
from train import runs

PRECISIONS = ("fp16", "fp32")


class Half(nn.Module):
    """A network in half precision with a float image and float heatmaps: TensorRT keeps to the types of the graph."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network.half()

    def forward(self, image: Tensor) -> list[Tensor]:
        return [heatmaps.float() for heatmaps in self.network(image.half())]


def program(network: nn.Module, run: Contract, precision: str, device: str) -> torch.export.ExportedProgram:
    """What torch_tensorrt compiles: the graph that every target has, its network in that precision."""
    deployable = graph.build(network, run, INTERFACE)
    if precision == "fp16":
        deployable.network = Half(deployable.network)
    image = INTERFACE.image(run.crop.size).to(device)
    return torch.export.export(deployable.to(device), (image,))


def main(argv: list[str] | None = None) -> None:
    parser = Parser(
        prog="python -m targets.engine",
        description="Build a TensorRT engine from a run through torch_tensorrt, on the machine that will run it.",
        epilog="example: python -m targets.engine runs/demo-s",
    )
    parser.add_argument("run", metavar="RUN", help=runs.ABOUT)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp16", help="of the network (default: fp16)")
    parser.add_argument("--data", metavar="DIR", help=f"{table.ABOUT_DATA} (default: the run's own)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    with command(parser, argv) as typed:
        path, made_for, result = build_engine(runs.find(typed.run), typed.precision, typed.data)
        print(f"built for {made_for}")
        print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB, {typed.precision})\n  {result}")
        if result.reasons:
            print(f"rejected: {'; '.join(result.reasons)}; try --precision fp32")
            sys.exit(1)
        print(hints.next_line("edgewing info", path))


def build_engine(run: Path, precision: str, data: str | None = None) -> tuple[Path, engines.Build, parity.Result]:
    """Build RUN/export/NAME-torch-PRECISION.engine and hold it against the network, on this GPU, as all files are.

    data: as ``parity.of_run``. InputError where there is no run, torch_tensorrt or GPU.
    """
    from train import checkpoint

    network, _, contract = checkpoint.load_model(run)
    faces, _ = parity.of_run(run, contract, data)
    try:
        import torch_tensorrt  # isort: skip  it knows where the libraries of tensorrt lie
        import tensorrt as trt
    except (ImportError, OSError) as error:
        raise InputError(
            f"needs torch_tensorrt, which does not import here ({reason(error)}); "
            "on a board build the ONNX file: python -m edgewing.build FILE.onnx"
        ) from None
    chip = cuda.driver().chip()
    compiler = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine
    # Until 2.8 (JetPack 6) types of the graph count only when asked to; later they always do.
    asked = {"use_explicit_typing": True} if "use_explicit_typing" in inspect.signature(compiler).parameters else {}
    compiled = program(network, contract, precision, "cuda")
    engine = bytes(compiler(compiled, arg_inputs=[INTERFACE.image(contract.crop.size).cuda()], **asked))
    about = graph.artefact_contract(
        contract, INTERFACE, FORMAT, precision, {"torch_tensorrt": torch_tensorrt.__version__}
    )
    path = run / "export" / f"{run.resolve().name}-torch-{precision}.engine"
    path.parent.mkdir(exist_ok=True)
    made_for = engines.Build(trt.__version__, chip.name, chip.capability, -1, "", len(engine))
    reference = graph.reference(network, contract, faces.crops)
    with files.workshop(path) as beside:
        build.write(beside, _named(about, trt, engine), made_for, engine)
        named, result = gate.passed(beside, path, embed, reference, faces)
    return named, made_for, result


def embed(path: Path, about: Contract) -> None:
    """Replace the contract of an engine."""
    _, made_for, data = containers.built(path)
    files.write(path, engines.pack(about, made_for, data))


def _named(about: Contract, trt, engine: bytes) -> Contract:
    """The contract with the names that torch_tensorrt gave: the order of outputs is that of the graph."""
    found = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(engine)
    names = [found.get_tensor_name(i) for i in range(found.num_io_tensors)]
    inputs = [name for name in names if found.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    outputs = [name for name in names if name not in inputs]
    return about.replace(
        input=dataclasses.replace(about.input, name=inputs[0]),
        outputs=[dataclasses.replace(part, name=name) for part, name in zip(about.outputs, outputs)],
    )


if __name__ == "__main__":
    main()
