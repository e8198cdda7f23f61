"""The two roads from an ONNX file to a TensorRT engine: the ``tensorrt`` package of Python, and ``trtexec``.

For TensorRT 8.5 and 8.6 (JetPack 5) and 10 (JetPack 6). Names are those of its Python API
(https://docs.nvidia.com/deeplearning/tensorrt, IBuilderConfig) and of ``trtexec --help``.
"""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from edgewing import files
from edgewing.errors import InputError
from edgewing.protobuf import Message
from edgewing.tensorrt.cuda import Chip

# Builder flags. int8 alone would mean int8 and fp32: layers without a scale, the decode among them, then run slowly.
FLAGS = {"fp32": (), "fp16": ("FP16",), "int8": ("INT8", "FP16")}
HALF = b".float16"  # how names of weights end in a file of targets.tensorrt11, whose types are those of the engine
FIRST_TYPED = 11_00_00  # the TensorRT from which on files decide; trtexec has no switches there
WORKSPACE = 1 << 30  # bytes the builder may use while it tries kernels
# Fields of ONNX's protobuf (onnx.proto): of the model, of its graph, of a value, of its type; the type of elements is
# the first field of the last, as every writer in use has it.
GRAPH, INPUT, VALUE, TYPE, TENSOR_TYPE = 7, 11, 13, 2, 1
UINT8, FLOAT = b"\x08\x02", 1
LARGEST_CACHE = 64 * files.MIB
# What trtexec prints of itself and its device (samples/trtexec/trtexec.cpp, samples/common/sampleDevice.cpp).
SAYS = {
    "tensorrt": r"TensorRT version: (\d+\.\d+\.\d+)",
    "name": r"Selected Device: (.*\S)",
    "capability": r"Compute Capability: (\d+\.\d+)",
}


@dataclass(frozen=True)
class Plan:
    """path: of the ONNX file. precision: a key of FLAGS. dla: the DLA core, -1 for none. cache: of the timing cache.

    given: what TensorRT reads in place of the file.
    """

    path: Path
    precision: str
    dla: int
    cache: Path
    given: Path | None = None

    @property
    def source(self) -> Path:
        return self.given or self.path


@dataclass(frozen=True)
class Built:
    """engine: as TensorRT serialised it, by which version and on which chip. cache: the timing cache afterwards.

    on_dla, on_gpu: pieces of the network that the builder placed there; both 0 where no DLA was asked for.
    """

    engine: bytes
    tensorrt: str
    chip: Chip
    cache: bytes
    on_dla: int
    on_gpu: int


def with_package(trt: ModuleType, plan: Plan, chip: Chip) -> Built:
    """The engine through TensorRT's Python package, for the chip of this machine."""
    log = listener(trt)
    builder, network = parsed(trt, plan, log)
    config = configured(trt, builder, plan)
    return compiled(trt, builder, network, config, plan, chip, log)


def of_floats(path: Path) -> bytes:
    """An ONNX file that takes a picture of bytes, as one that takes the same values as floats: TensorRT moves no bytes
    around. The file's own cast to float, and what stands before it, then do nothing to the values."""
    data = bytearray(files.read(path, files.LARGEST_MODEL))
    for graph in Message(io.BytesIO(data), 0, len(data)).messages(GRAPH):
        for number, value in graph.fields():
            for tensor in _tensor_types(value) if number in (INPUT, VALUE) else ():
                if data[tensor.start : tensor.start + 2] == UINT8:
                    data[tensor.start + 1] = FLOAT
    return bytes(data)


def _tensor_types(value: Message) -> Iterator[Message]:
    for kind in value.messages(TYPE):
        yield from kind.messages(TENSOR_TYPE)


def listener(trt: ModuleType):
    """A logger that keeps ``lines``, as trtexec prints them: what went wrong, and what runs on the DLA."""

    class Listener(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.lines: list[str] = []

        def log(self, severity, text):
            if severity != trt.ILogger.VERBOSE:
                failed = severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR)
                self.lines.append(f"{'[E]' if failed else '[I]'} {text}")

    return Listener()


def parsed(trt: ModuleType, plan: Plan, log) -> tuple:
    """Builder and network; InputError where TensorRT's parser refuses the file."""
    builder = trt.Builder(log)
    # TensorRT 8 wants this flag; in 10 every network is so, and the flag goes away.
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(files.read(plan.source, files.LARGEST_MODEL)):
        raise InputError(f"{plan.path}: TensorRT {trt.__version__} cannot parse it ({parser.get_error(0).desc()})")
    return builder, network


def configured(trt: ModuleType, builder, plan: Plan):
    """The builder's configuration: precision, workspace, timing cache, DLA.

    Raises InputError where TensorRT or the chip does not have them."""
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    known = [name for name in FLAGS[plan.precision] if hasattr(trt.BuilderFlag, name)]
    if len(known) < len(FLAGS[plan.precision]):
        _refuse_untyped(plan, trt.__version__)
    for name in known:
        config.set_flag(getattr(trt.BuilderFlag, name))
    # A cache of another version or chip is not taken (ignore_mismatch False): then an empty one, which is filled.
    old = config.create_timing_cache(files.read(plan.cache, LARGEST_CACHE)) if plan.cache.exists() else None
    if old is None or not config.set_timing_cache(old, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)
    if plan.dla >= 0:
        if plan.dla >= builder.num_DLA_cores:
            raise InputError(f"--dla {plan.dla}: this chip has {builder.num_DLA_cores} DLA cores; leave --dla out")
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = plan.dla
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    return config


def has_types(path: Path) -> bool:
    """Whether an ONNX file was made for TensorRT 11 and later: its network is in half."""
    return HALF in files.read(path, files.LARGEST_MODEL)


def _refuse_untyped(plan: Plan, version: str) -> None:
    """InputError where fp16 is asked for, of a file that does not have it inside and a TensorRT without a switch."""
    if plan.precision == "fp16" and not has_types(plan.source):
        raise InputError(
            f"{plan.path}: TensorRT {version} builds what the file says and has no fp16 switch; build --precision "
            "fp32, or the file that has it inside: python -m targets RUN --to tensorrt11"
        )


def compiled(trt: ModuleType, builder, network, config, plan: Plan, chip: Chip, log) -> Built:
    """The engine; InputError with TensorRT's first complaint where it makes none."""
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise InputError(f"{plan.path}: TensorRT {trt.__version__} cannot build it ({_complaint(log.lines)})")
    cache = bytes(config.get_timing_cache().serialize())
    return Built(bytes(engine), trt.__version__, chip, cache, *_placed(plan, log.lines))


def arguments(trtexec: str, plan: Plan, engine: Path, cache: Path, flags: bool = True) -> list[str]:
    """The command line of trtexec; without ``flags`` that of TensorRT 11 and later."""
    words = [trtexec, f"--onnx={plan.source}", f"--saveEngine={engine}"]
    words += [f"--{name.lower()}" for name in FLAGS[plan.precision] if flags]
    words += [f"--memPoolSize=workspace:{WORKSPACE >> 20}", f"--timingCacheFile={cache}"]
    return words + ([f"--useDLACore={plan.dla}", "--allowGPUFallback"] if plan.dla >= 0 else [])


def with_trtexec(trtexec: str, plan: Plan) -> Built:
    """The engine through trtexec, which also runs it for some seconds; InputError where it does not end well."""
    with tempfile.TemporaryDirectory() as folder:
        engine, cache = Path(folder, "engine"), Path(folder, "cache")
        if plan.cache.exists():
            cache.write_bytes(files.read(plan.cache, LARGEST_CACHE))
        for flags in (True, False):
            words = arguments(trtexec, plan, engine, cache, flags)
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
            lines = (done.stdout + done.stderr).splitlines()
            version = re.search(r"\[TensorRT v(\d+)\]", done.stdout + done.stderr)
            if not (done.returncode and version and int(version[1]) >= FIRST_TYPED and FLAGS[plan.precision] and flags):
                break
            _refuse_untyped(plan, version[1])
        if done.returncode or not engine.exists():
            log = plan.path.with_suffix(".trtexec.log")
            files.write(log, "\n".join([*lines, ""]).encode())
            raise InputError(
                f"{plan.path}: {trtexec} ended with {done.returncode} ({_complaint(lines)}); all it said: {log}"
            )
        said = {key: re.search(pattern, "\n".join(lines)) for key, pattern in SAYS.items()}
        if silent := [key for key, found in said.items() if not found]:
            raise InputError(
                f"{trtexec}: says nothing of {', '.join(silent)}, so nobody could tell where its engine runs"
            )
        chip = Chip(said["name"][1], said["capability"][1])
        after = files.read(cache, LARGEST_CACHE) if cache.exists() else b""
        data = files.read(engine, files.LARGEST_MODEL)
    return Built(data, said["tensorrt"][1], chip, after, *_placed(plan, lines))


def _complaint(lines: list[str]) -> str:
    """The first error: those that follow say that the whole failed."""
    found = next((line for line in lines if "[E]" in line), "no error line")
    return found[found.find("[E]") :].strip()[:300]


def _placed(plan: Plan, lines: list[str]) -> tuple[int, int]:
    """Pieces on the DLA and on the GPU, by the builder's own list.
    Raises InputError where the DLA, asked for, has none."""
    if plan.dla < 0:
        return 0, 0
    on_dla, on_gpu = (sum(mark in line for line in lines) for mark in ("[DlaLayer]", "[GpuLayer]"))
    if not on_dla:
        raise InputError(
            f"{plan.path}: no layer of it can run on the DLA; leave --dla out, the engine would be the same"
        )
    return on_dla, on_gpu
