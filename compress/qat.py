"""`python -m compress qat`: a run in, a run out whose weights have seen int8.

The network is fine-tuned while it is computed as the TFLite file will compute it (compress.fakequant), for 300 steps at
a twentieth of its rate. Its float self is the only teacher: what the labels had to say was learnt before, and both see
the same crops. Ranges are measured before the first step and stay; they are kept in the new run (ranges.json), and an
interrupted run goes on with the same. The result is an ordinary run with float weights, quantized by the targets' own
tools like any other; `quantize` chooses how, and exit code 1 says that nothing passes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from compress import quantize
from compress.fakequant import FakeQuantized, Ranges
from compress.finetune import add_run_arguments, changes, in_words, opened
from compress.quantize import RANGES
from edgewing import files, hints
from edgewing.errors import InputError
from edgewing.words import counted
from targets import graph, parity, ranges
from targets.export import quantization
from targets.progress import silence
from train import checkpoint, runs
from train.blocks import StackedHourglass
from train.checkpoint import Loaded, load_model, run_folder
from train.evaluate import CALIBRATION
from train.options import add_fields
from train.recipes import Recipe
from train.weights import refuse_strange

STEPS, RATE = 300, 1 / 20  # of the source's rate: far from where the network is, its float self has nothing to say

EXAMPLE = "runs/demo-s --run demo-s-qat --limit 1 --nme 0.5"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "--ranges",
        metavar="NAME",
        help=f"of activations: {', '.join(ranges.TABLE)} (default: those that `quantize` chose for RUN, "
        f"{ranges.DEFAULT} before it has)",
    )
    quantize.add_limits(parser)
    add_fields(parser)


def main(
    source: str, run: str, cache: Path, ranges: str | None, limit: float | None, nme: float | None, debug: bool,
    **fields,
) -> int:  # fmt: skip
    reach, folder = quantize.limit_of(limit, nme), run_folder(run)
    return tune(runs.find(source), folder, ranges, reach, cache, changes(fields), debug)


def tune(
    source: Path, folder: Path, name: str | None, limit: quantize.Limit, root: Path,
    recipe_of: Callable[[Recipe], Recipe], debug: bool = False,
) -> int:  # fmt: skip
    """Fine-tune the run ``source`` in int8 with ranges of that name (None: its own), write and quantize ``folder``.

    root: of the caches. recipe_of: what the command line changes in the recipe. Returns the exit code.
    """
    from train.loop import Workers, fit
    from train.preview import draw_run
    from train.sources import open_cache
    from train.teacher import Teacher

    loaded, recipe = opened(source, folder, lambda own: recipe_of(shortened(own)), "int8")
    name = name or quantization(source)["ranges"]
    with Workers.join() as workers:
        say = print if workers.rank == 0 else (lambda text: None)
        if workers.rank == 0:
            start(source, folder, loaded, name, say)
        workers.wait()
        cache = open_cache(recipe, root, workers, say)
        measured, points = read_ranges(folder / RANGES), loaded.contract.layout.points

        def rounded(network: StackedHourglass) -> FakeQuantized:
            return FakeQuantized(network, points, measured)

        say(f"fine-tuning in int8 {in_words(recipe)}, teacher {source}; on {workers.device}")
        fit(recipe, cache, folder, workers, loaded.network, Teacher(source, recipe), say, wrap=rounded)
        if workers.rank != 0:
            return 0
        for path in draw_run(folder, cache):
            say(f"wrote {path}")
        say(f"wrote {folder / checkpoint.MODEL}")
    return _quantized(source, folder, limit, debug)


def shortened(recipe: Recipe) -> Recipe:
    """The source's recipe for fine-tuning in int8. Rounding to 8 bits leaves no room for half precision."""
    taught = {"distillation": 1.0, "coordinate_loss": 0.0}
    # A teacher sees crops before they are disturbed (train.augment); here it must see what the student does.
    same = dict.fromkeys(("light", "grey", "blur", "low_resolution", "noise", "occlusion"), 0.0)
    return dataclasses.replace(
        recipe, steps=STEPS, warmup=10, learning_rate=recipe.learning_rate * RATE, schedule="cosine", precision="fp32",
        compile=False, **taught, **same,
    )  # fmt: skip


def start(source: Path, folder: Path, loaded: Loaded, name: str, say: Callable[[str], None]) -> None:
    """Write the ranges that fine-tuning keeps to, unless an interrupted run has left them."""
    path = folder / RANGES
    how = {"source": checkpoint.digest(loaded.network), "ranges": name}
    if path.exists():
        if {key: _record(path)[key] for key in how} != how:
            raise InputError(
                f"{path}: was measured on other weights or in another way; choose another --run, or delete it"
            )
        say(f"{path}: measured already")
        return
    refuse_strange(folder)
    if (folder / "recipe.json").exists():
        raise InputError(f"{folder}: is a run that was not fine-tuned in int8; choose another --run")
    contract = loaded.contract
    stored = parity.stored(source / CALIBRATION, contract.layout.points, contract.crop.size)
    crops = ranges.choose(stored.crops)
    say(f"measuring ranges ({name}) on {counted(len(crops), 'crops')}")
    fake = FakeQuantized(loaded.network, contract.layout.points)
    measured = ranges.measure(name, fake.activations(crops))
    folder.mkdir(parents=True, exist_ok=True)
    files.write(path, (json.dumps({**how, "measured": measured}, indent=1) + "\n").encode())


def read_ranges(path: Path) -> Ranges:
    """The ranges of a run's ranges.json by site. InputError where it is broken."""
    try:
        return {str(site): (float(low), float(high)) for site, (low, high) in _record(path)["measured"].items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read ({error!r}); delete it and start again") from None


def _record(path: Path) -> dict:
    try:
        record = json.loads(files.read(path, files.MIB))
        if not isinstance(record, dict) or not {"source", "ranges", "measured"} <= record.keys():
            raise ValueError("not the ranges of a run")
        return record
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error!r}); delete it and start again") from None


def _quantized(source: Path, folder: Path, limit: quantize.Limit, debug: bool) -> int:
    """Choose ranges for the new run, and hold all there is against the source's float network: what was gained."""
    bench = quantize.Bench(folder, "tflite")
    code, choice = quantize.decide(bench, limit, debug=debug)
    best, before = choice.best, load_model(source)
    own, bench.reference = bench.reference, graph.reference(before.network, before.contract, bench.faces.crops)
    with bench.saying():
        bench.job.say(f"against {source}")
        with silence(debug):
            converted = bench.measure(best.ranges, best.float_layers)
            fake = bench.fake(best.ranges, best.float_layers)
        about = bench.job.contract("tflite", graph.Interface("NHWC", "uint8"), "fp32", ())
    rows = {
        "float": parity.compare(about, "torch", own, bench.reference, bench.faces),
        "fake": fake,
        "converted": converted,
    }
    path = folder / quantize.QUANTIZATION
    record = json.loads(path.read_bytes())
    record["against"] = {"run": source.name} | {key: quantize.figures(result) for key, result in rows.items()}
    files.write(path, (json.dumps(record, indent=1) + "\n").encode())
    print(f"against the float network of {source}:")
    for key, text in (("float", "this run, float"), ("fake", "fake-quantized, torch"), ("converted", "converted file")):
        print(quantize.line(f"  {text}", rows[key]))
    print(f"wrote {path}")
    print(hints.next_line("python -m targets", folder, "--to", "onnx", "tflite", "coreml", "tensorrt"))
    return code
