"""Our artefacts beside landmark models of others: the same faces, one core, one run, the points that all of them have.

A peer is a file that ships here by name, an artefact, a .tflite or .onnx of others, a folder of those, or the word
``dlib`` (bench.peers.dlib68). What models of others need around them (crop, colours, what their numbers mean, which of
their points are the 68 of 300-W) is bench.peers.adapters'; a file that nothing is known of, or that cannot run here,
costs its row, which says why. Nothing of others is part of this project.

Each sees every face in its own documented crop, made from the box of the true landmarks (dlib: of its own detector).
``nme`` is over the points of 300-W that every peer of the run has; ``inner`` is without the contour, which some models
mean in three dimensions; ``aligned`` is with the constant mean offset of each of a model's points taken away, learnt
from faces of --offsets: points of WFLW or of MediaPipe's mesh are not where 300-W's are, and that is no mistake. Time
is as in `bench race`: processor time, in turn; for models of others the graph alone, neither what prepares their input
nor what reads their output.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.accuracy import groups
from bench.accuracy.scored_faces import PhotographFaces
from bench.accuracy.scoring import cumulative_curve
from bench.peers import adapters, dlib68
from bench.report.columns import progress
from bench.time import graphs, latency, race
from edgewing import containers, geometry, hints, layouts, measure, metrics, models, rows, runtimes
from edgewing.contract import Contract, crop_part
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from train.data import Sample, load_image, read_samples
from train.data.crops import square

LAYOUT = "300w-68"
CONTOUR = 17  # of its points, the first, are the face's contour
CORNERS = 36, 45  # outer eye corners
OFFSET_FACES = 120
CLOCK = (
    "process time, and wall clock; ours: uint8 crop in, landmarks and scores out, decode included; others: the graph "
    "alone; dlib: the predictor, picture and rectangle in; batch 1"
)

EXAMPLE = "edgewing-s edgewing-m FOLDER --data lfpw/testset --to rows.jsonl --plot peers.svg"
BOXES = "true landmarks, each peer's own documented crop of that box; dlib: its own detector, missed faces fail"


@dataclass(frozen=True)
class Peer:
    """One model in the run. has: (68,) which points it gives. look: an (H, W, 3) uint8 RGB picture and its sample to
    what ``call`` takes and what ``read`` needs besides, or None where it finds no face. read: what ``call`` gave, and
    that, to (68, 2) image px."""

    about: dict
    model: dict
    runtime: str
    has: np.ndarray
    look: Callable[[np.ndarray, Sample], tuple[object, object] | None]
    call: Callable[[object], object]
    read: Callable[[object, object], np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="PEER", help="shipped names, files, folders of files, or dlib")
    parser.add_argument("--reference", metavar="FILE", help="what the others' time is divided by (default: the first)")
    parser.add_argument("--data", required=True, metavar="DIR", help="photographs with landmarks")
    parser.add_argument("--layout", default=LAYOUT, metavar="NAME", help="layout of the data (default: %(default)s)")
    parser.add_argument("--offsets", metavar="DIR", help="faces of a training set to learn each model's offsets from")
    parser.add_argument("--rounds", type=int, default=race.ROUNDS, help="of five recorded calls (default: %(default)s)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each peer to this JSON-lines file")
    parser.add_argument("--plot", type=Output, metavar="SVG", help="draw NME against time, with bytes as area")
    parser.add_argument("--table", type=Output, metavar="MD", help="write the table as a Markdown page")


def main(plot: str | None, table: str | None, to: str | None, **how) -> None:
    from bench.peers import plane

    made = peer_rows(**how)
    plane.print_table(made)
    rows.keep(made, to)
    for path in plane.write_plane(made, plot, table):
        print(f"wrote {path}")
    print(hints.next_line("python -m bench report RUN --peers", to or "ROWS"))


def peer_rows(
    files: Sequence[str], data: str, *, layout: str = LAYOUT, reference: str | None = None, offsets: str | None = None,
    rounds: int = race.ROUNDS, command: str = "",
) -> list[dict]:  # fmt: skip
    """A row per peer, the reference first, those without figures last. InputError: no face, no peer that runs."""
    if rounds < 1:
        raise InputError(f"--rounds {rounds}: give 1 or more")
    given = [reference, *files] if reference else files
    names = list(dict.fromkeys(name for one in given for name in _files(one)))
    to_shared = layouts.get(layout).map_to(LAYOUT)
    faces = PhotographFaces(Path(data), layout, crop_part(1))
    peers, refused = _entered(names, reference)
    print("\n".join(faces.protocol["list"]), flush=True)
    predicted, true, inputs = see(peers, faces.samples, to_shared, faces.problems)
    moves = _offsets(peers, offsets, layout, to_shared) if offsets else [None] * len(peers)
    cpu, wall = race.take_turns(
        [race.Entrant(p.about, p.model, p.runtime, views, p.call) for p, views in zip(peers, inputs)], rounds
    )
    normaliser = metrics.normaliser_of_all(true, layouts.get(LAYOUT))
    distance = metrics.normaliser(true, layouts.get(LAYOUT), normaliser)
    shared = np.all([peer.has for peer in peers], axis=0)
    protocol = {
        **{name: value for name, value in faces.protocol.items() if name not in ("factor", "least")},
        "crop": "each peer's own",
        "box_source": BOXES,
        "layout": layout,
        "scored_points": LAYOUT,
        "left_out_points": np.flatnonzero(~shared).tolist(),
        "normaliser": normaliser,
        "faces": len(true),
        "skipped": len(faces.problems),
        "offsets": offsets and f"first {OFFSET_FACES} faces of {offsets}",
        "clock": CLOCK,
        **race.turns(rounds),
        "input": f"the first {race.INPUTS} faces",
        "interval": f"{race.INTERVAL:.0%} bootstrap: of NME over faces, of the ratio over rounds",
        "in_turn": [peer.about["path"] for peer in peers],
    }
    made = []
    for i, peer in enumerate(peers):
        row = rows.header("peer", peer.about, protocol, command) | {"model": peer.model, "runtime": peer.runtime}
        row |= _accuracy(peer, predicted[i], true, distance, shared, moves[i])
        row |= {"calls": int(cpu[i].size), **race.times(cpu, wall, i)}
        made.append(rows.finite({**row, "reference": {name: peers[0].about[name] for name in ("path", "sha256")}}))
    return made + [_not_run(name, reason, protocol, command) for name, reason in refused]


def _entered(names: list[str], reference: str | None) -> tuple[list[Peer], list[tuple[str, str]]]:
    """The peers that run here, and of the others name and reason. InputError where there is nothing to divide by."""
    peers, refused = [], []
    for name in names:
        try:
            peers.append(enter(name))
        except InputError as error:
            if name in (reference, names[0]):
                raise
            refused.append((name, str(error)))
    return peers, refused


def _accuracy(
    peer: Peer, predicted: np.ndarray, true: np.ndarray, distance: np.ndarray, shared: np.ndarray,
    offset: np.ndarray | None,
) -> dict:  # fmt: skip
    """What a row says of a peer's points: over those that all have, its own, those inside, and moved by ``offset``."""
    errors = metrics.errors(predicted[:, shared], true[:, shared], distance)
    inner = shared & (np.arange(len(shared)) >= CONTOUR)
    return {
        "points": int(shared.sum()),
        **groups.nme_figures(errors),
        "own": _part(predicted, true, distance, peer.has),
        "inner": _part(predicted, true, distance, inner),
        "aligned": None if offset is None else _part(aligned(predicted, offset), true, distance, shared),
        "ced": cumulative_curve(errors),
    }


def _not_run(name: str, reason: str, protocol: dict, command: str) -> dict:
    about = measure.artefact(name) if Path(name).exists() else {"path": name, "sha256": "", "bytes": 0}
    model = {"name": Path(name).stem, "file": Path(name).name}
    return {**rows.header("peer", about, protocol, command), "model": model, "not_run": f"unsupported: {reason}"}


def enter(name: str) -> Peer:
    """Open one peer. InputError: nothing is known of it, or it cannot be run here."""
    if name == "dlib":
        return _dlib()
    path = models.find(name)
    contract = containers.carried(path)
    return _ours(path, contract) if contract else _other(path)


def see(
    peers: list[Peer], samples: Sequence[Sample], to_shared: np.ndarray, problems: list[str]
) -> tuple[np.ndarray, np.ndarray, list[list]]:
    """What every peer finds on every face: (E, F, 68, 2) image px, NaN where nothing; the true points (F, 68, 2); and
    of each peer the first few inputs, to time it on. problems: pictures that cannot be read, one is added for each."""
    predicted, true, inputs = [], [], [[] for _ in peers]
    for sample in progress(samples, "faces"):
        try:
            image = load_image(sample)
        except InputError as error:
            problems.append(str(error))
            continue
        found = np.full((len(peers), len(to_shared), 2), np.nan)
        for i, peer in enumerate(peers):
            if (view := peer.look(image, sample)) is None:
                continue
            found[i] = peer.read(peer.call(view[0]), view[1])
            inputs[i] += [view[0]] if len(inputs[i]) < race.INPUTS else []
        predicted.append(found)
        true.append(sample.landmarks[to_shared])
    blind = [peer.model["name"] for peer, views in zip(peers, inputs) if not views]
    if blind:
        raise InputError(f"{', '.join(blind)}: no face seen in {len(true)} photographs; check --data")
    return np.stack(predicted, axis=1), np.array(true, np.float64), inputs


def mean_offset(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(68, 2): how far the true points lie from the predicted ones (F, 68, 2) on average, along and across the line
    between the predicted outer eye corners, in lengths of it. Faces without a prediction are left out."""
    seen = np.isfinite(predicted[:, CORNERS]).all(axis=(1, 2))
    along, across = _axes(predicted[seen])
    moves, length = (true - predicted)[seen], (along**2).sum(axis=-1)
    return np.stack([np.nanmean((moves * axis).sum(axis=-1) / length, axis=0) for axis in (along, across)], axis=-1)


def aligned(predicted: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(F, 68, 2) predictions moved by a model's mean_offset."""
    along, across = _axes(predicted)
    return predicted + offset[:, :1] * along + offset[:, 1:] * across


def _axes(predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, 1, 2): from one outer eye corner to the other, and the same turned by 90 degrees."""
    along = (predicted[:, CORNERS[1]] - predicted[:, CORNERS[0]])[:, None]
    return along, np.stack([-along[..., 1], along[..., 0]], axis=-1)


def _offsets(peers: list[Peer], folder: str, layout: str, to_shared: np.ndarray) -> list[np.ndarray]:
    learnt = read_samples(folder, layout, split="train")
    samples = [learnt.samples[i] for i in range(min(OFFSET_FACES, len(learnt.samples)))]
    predicted, true, _ = see(peers, samples, to_shared, learnt.problems)
    return [mean_offset(found, true) for found in predicted]


def _part(predicted: np.ndarray, true: np.ndarray, distance: np.ndarray, points: np.ndarray) -> dict:
    errors = metrics.errors(predicted[:, points], true[:, points], distance)
    return {"points": int(points.sum()), "nme": metrics.summarise(errors).nme}


def _ours(path: Path, contract: Contract) -> Peer:
    if lacking := latency.needs(path, contract):
        raise InputError(lacking)
    if contract.input.shape[0] > 1:
        raise InputError(f"takes {contract.input.shape[0]} faces a call, the others one; export it with --batch 1")
    runtime, crop, size = runtimes.open(path), contract.crop, contract.crop.size
    index = contract.layout.map_to(LAYOUT)

    def look(image: np.ndarray, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        to_image = square(sample, size, factor=crop.factor, least=crop.least).to_image
        return geometry.warp(image, to_image, size)[None], to_image

    model = {"file": path.name, "name": contract.model.name, "format": contract.model.format, "ours": True}
    model |= {"precision": contract.model.precision, "layout": contract.layout.name, "size": size}
    model |= {"trained_on": contract.training.trained_on, "licence": "Apache-2.0"}
    return Peer(
        measure.artefact(path), model, str(runtime.description), np.ones(len(index), bool), look, runtime,
        lambda points, to_image: geometry.apply(to_image, points.landmarks[0])[index],
    )  # fmt: skip


def _other(path: Path) -> Peer:
    about = measure.artefact(path)
    adapter = adapters.adapter_of(path, about["sha256"])
    graph = graphs.open(path)
    if (wanted := adapter.shape) != graph.input.shape:
        raise InputError(f"{path.name}: its input is {list(graph.input.shape)}, described as {list(wanted)}")
    index = layouts.get(adapter.layout).map_to(LAYOUT)

    def look(image: np.ndarray, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        to_image = adapter.to_image(sample.landmarks)
        return adapter.tensor(image, to_image), to_image

    model = {"file": path.name, "name": adapter.name, "format": containers.format_of(path), "ours": False}
    model |= {"adapter": dataclasses.asdict(adapter), "trained_on": list(adapter.trained_on)}
    model |= {"licence": adapter.licence, "source": adapter.source}
    return Peer(
        about, model, str(graph.description), adapter.has[index], look, graph.run,
        lambda outputs, to_image: adapter.landmarks(outputs, to_image)[index],
    )  # fmt: skip


def _dlib() -> Peer:
    dlib = dlib68.open()

    def look(image: np.ndarray, sample: Sample) -> tuple[tuple, None] | None:
        rectangle = dlib.find(image, geometry.landmark_box(sample.landmarks))
        return None if rectangle is None else ((image, rectangle), None)

    model = {"file": dlib.path.name, "name": "dlib 68", "format": "dlib", "ours": False, "trained_on": ["300-W"]}
    model |= {"licence": dlib68.LICENCE, "source": "Python packages dlib and face_recognition_models"}
    about = measure.artefact(dlib.path) | {"path": dlib.path.name}
    return Peer(
        about, model, f"dlib {dlib.version}", np.ones(layouts.get(LAYOUT).points, bool), look,
        lambda view: dlib.call(*view), lambda points, _: points,
    )  # fmt: skip


def _files(given: str) -> list[str]:
    """A folder stands for the .tflite and .onnx files in it."""
    folder = Path(given)
    if given in models.SHIPPED or not folder.is_dir():
        return [given]
    found = sorted(str(path) for path in folder.iterdir() if path.suffix in (".tflite", ".onnx"))
    if not found:
        raise InputError(f"{folder}: no .tflite and no .onnx file there")
    return found
