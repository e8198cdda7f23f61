"""The card of a shipped model, from its contract and from rows that are committed: no figure is typed by hand.

    python -m bench card edgewing-s edgewing-m        -> models/edgewing-s.md, models/edgewing-m.md

The figures that `edgewing models` prints go into edgewing/models/figures.json.

Read are the files in edgewing/models, bench/results/NAME.jsonl (rows that `bench accuracy`, `agreement`, `latency`
wrote with --to), bench/results/race.jsonl (all models in one race) and models/NAME.sh, the commands that made the
model. A row counts if it is of the very bytes that ship, or of those that they were but for the contract
(provenance.stamped_on); of several rows that say the same thing of the same file the newest does. What no row says
reads "not measured".
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.report import artefacts, columns
from bench.report.columns import percent
from edgewing import containers, files, hints, measure, models, notices, repository, rows
from edgewing.contract import Contract
from edgewing.errors import InputError, unknown
from edgewing.words import counted

ROOT = Path(__file__).parents[2]
_FACES = "It finds landmarks of faces in photographs and video. A face detector, or you, must say where a face is"
_NEVER = "It must not be used to tell who somebody is, what they feel or intend, or to decide anything about a person"
PURPOSES = {  # whether nobody's terms are on the weights -> what they are for, and what not
    True: (f"products and research, under Apache-2.0. {_FACES}", _NEVER),
    False: (
        f"research on face landmarks, and trying out edgewing. {_FACES}",
        f"products, because of the terms below. {_NEVER}",
    ),
}
# What stands above the tables of a section.
OF_FILES = (
    "Each file was compared with the float network that it was made from. *Shift* is how far its points are from "
    "those of the network; 99 of 100 are nearer than this, in px of a crop of 256 px. *Change of NME* is how much "
    "larger its error is."
)
OF_ACCURACY = (
    "NME is the mean distance of the points from the true ones, divided by a length of the face, which is named in "
    "brackets. FR10 is the share of faces whose error is above 10 %, and AUC10 says how low the errors below that are "
    "(1 is perfect); FR08 and AUC08 are the same for 8 % ([glossary](../docs/glossary.md)). The network saw a square "
    "around the true points. Where a row says *shifted, scaled*, this square was moved and resized at random, as by a "
    "face detector, and the brackets have the change of the NME."
)
OF_PARTS = (
    "The next tables have the same errors for parts of the faces. *95 %* is the range in which the NME of the part "
    "lies with a certainty of 95 %; it is wide where there are few faces. Where there are none, nothing is known."
)
OF_RADIUS = (
    "The file gives every point a radius, which grows where its score is low: the true point should be within it. The "
    "list says how often, and on which faces the radius was measured; the table says how often it was so on other "
    "faces."
)
OF_TIME = (
    "Times are of one face, from the crop to its points. *Ratio* is the processor time divided by that of another "
    "model, run in turn with this one on one core; below 1 this one is faster. p50, p90 and p99: of 100 runs 50, 90 "
    "and 99 were quicker. *Load* is how many programs wanted to run at that time."
)

EXAMPLE = "edgewing-s"
# Faces here of that name are a part of its official test list (the folder's own README says so).
OF_TEST_LISTS = {"wflw": "WFLW"}
TEST = {"300w-68": "lfpw/testset", "wflw-98": "wflw"}  # the faces that `edgewing models` tells of, by layout
# How the first column of a table of parts is called.
PARTS = {"subset": "subset", "occlusion": "covered points", "pose": "yaw, degrees", "size": "face, px"}


@dataclass(frozen=True)
class File:
    """One file that ships. label: what tables call it, such as ``tflite int8``."""

    path: Path
    contract: Contract
    about: dict

    @property
    def label(self) -> str:
        return f"{self.contract.model.format} {self.contract.model.precision}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="shipped models, such as edgewing-s")
    parser.add_argument(
        "--rows", dest="measured", metavar="FILE", help="their committed rows (default: bench/results/NAME.jsonl)"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "models", metavar="DIR", help="where NAME.sh is and NAME.md goes"
    )


def main(names: list[str], measured: str | None, out: Path) -> None:
    """InputError: the rows of a model are not committed."""
    written = []
    for name in names:
        if name not in models.SHIPPED:
            raise unknown("model", name, models.SHIPPED)
        results = ROOT / "bench" / "results"
        sources = [Path(measured)] if measured else [results / f"{name}.jsonl", results / "race.jsonl"]
        made = out / f"{name}.sh"
        if not made.is_file():
            raise InputError(f"{made}: no such file; write there, one to a line, the commands that made {name}")
        for path in (*sources, made):
            _need_committed(path)
        read = [rows.read(path) for path in sources]
        of_model, problems = (sum(found, []) for found in zip(*read))
        text = card_text(name, of_model, problems, made.read_text(encoding="utf-8"))
        files.write(out / f"{name}.md", text.encode())
        told = models.figures() | {name: figures(name, of_model)}
        ordered = {name: told[name] for name in models.SHIPPED if name in told}
        files.write(models.FOLDER / models.FIGURES, (json.dumps(ordered, indent=1) + "\n").encode())
        written.append(out / f"{name}.md")
    written.append(models.FOLDER / models.FIGURES)
    for path in written:
        print(f"wrote {path}")
    print(hints.next_line("git add", *written))


def figures(name: str, measured: list[dict]) -> dict:
    """What `edgewing models` says of a shipped model's first file: NME with true boxes, its time in the last race."""
    shipped = [_file(path) for path in models.SHIPPED[name].present.values()]
    ours = [told for row in measured if (told := _of_shipped(row, shipped))]
    ours = [row for row in ours if _label(row, shipped) == shipped[0].label]
    found = {}
    for row in _newest(ours, "accuracy", []):
        faces = _short(row["protocol"]["data"])
        if faces == TEST[models.SHIPPED[name].layout] and "jitter" not in row["protocol"]:
            found |= {"faces": faces, "nme": row["nme"]}
    for row in _newest(ours, "race", []):
        found |= {"time": row["ratio"], "cpu_ms": row["cpu_ms"], "reference": Path(row["reference"]["path"]).name}
        found |= {"processor": row["machine"]["cpu"]}
    return found


def card_text(name: str, measured: list[dict], problems: list[str], commands: str) -> str:
    """The card's Markdown. measured: rows, oldest first. commands: what made the model. InputError: a broken row."""
    if problems:
        raise InputError(problems[0])
    shipped = [_file(path) for path in models.SHIPPED[name].present.values()]
    if not shipped:
        raise InputError(f"{name} is not in {models.FOLDER}; put its files there first")
    first = shipped[0].contract
    ours = [told for row in measured if (told := _of_shipped(row, shipped))]
    used: list[dict] = []
    sections = [
        _head(name, shipped),
        _data(first),
        _accuracy(shipped, accuracy := _newest(ours, "accuracy", used)),
        *_coverage(shipped, accuracy),
        _agreement(shipped, _newest(ours, "agreement", used)),
        _time(shipped, _newest(ours, "race", used), _newest(ours, "latency", used)),
        _made(commands, used, first),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _head(name: str, shipped: list[File]) -> list[str]:
    c = shipped[0].contract
    purpose, never = PURPOSES[notices.free(c)]
    lines = [
        f"# {name}",
        "",
        "Written by `python -m bench card` from the model's contract and committed rows; not to be edited.",
        "",
        f"This model finds the {c.layout.points} landmarks of the layout `{c.layout.name}` in a picture of a face that "
        f"is cut out and scaled to {c.crop.size} x {c.crop.size} px. It has {c.model.parameters:,} parameters, and "
        f"needs {c.model.macs / 1e6:.1f} million multiplications for a face.",
        "",
        f"- **For**: {purpose}.",
        f"- **Not for**: {never}.",
        "",
        OF_FILES,
        "",
    ]
    head = ("file", "precision", "bytes", "sha256 begins with", "shift, px", "change of NME")
    found = []
    for file in shipped:
        p, precision = file.contract.parity, file.contract.model.precision
        parity = (f"{p.p99:.3f}", artefacts.change(p.nme_artefact, p.nme_float)) if p else ("not measured",) * 2
        about = (f"{file.about['bytes']:,}", f"`{file.about['sha256'][:16]}`")
        found.append((f"`{file.path.name}`", precision, *about, *parity))
    return lines + columns.markdown(head, found, (0, 1, 3))


def _data(c: Contract) -> list[str]:
    lines = ["## Data and terms", "", f"- Trained on: {', '.join(c.training.trained_on) or 'not stated'}."]
    lines += [f"- Teachers: {', '.join(c.training.teachers)}."] if c.training.teachers else []
    lines += [f"- Terms: {c.training.data_terms}"] if c.training.data_terms else ["- Terms: not stated."]
    for folder, name in OF_TEST_LISTS.items():
        learnt = any(folder in Path(source).parts for source in c.training.trained_on)
        if learnt and name not in c.training.data_terms:  # else the contract says it itself
            lines.append(
                f"- The {name} faces it learnt from belong to {name}'s official test list: it must not be scored on it."
            )
    return lines


def _accuracy(shipped: list[File], found: list[dict]) -> list[str]:
    lines = ["## Accuracy", ""]
    if not found:
        return [*lines, "Not measured."]
    lines += [OF_ACCURACY, ""]
    scores = []
    for row in found:
        shares = (percent(row["nme"]) + _growth(row, found), percent(row["fr08"]), percent(row["fr10"]))
        areas = (f"{row['auc08']:.3f}", f"{row['auc10']:.3f}")
        scores.append((_faces(row), _crop(row), _label(row, shipped), *shares, *areas))
    lines += columns.markdown(("faces", "crop", "file", "NME", "FR08", "FR10", "AUC08", "AUC10"), scores, (0, 1, 2))
    exact = [row for row in found if "jitter" not in row["protocol"] and _label(row, shipped) == shipped[0].label]
    lines += ["", OF_PARTS] if any(row.get("parts") for row in exact) else []
    for row in exact:
        for part, division in row.get("parts", {}).items():
            lines += ["", f"By {part}, {_faces(row)}, {_label(row, shipped)} ({division['how']}):", ""]
            lines += _groups(PARTS[part], "NME", "FR10", division)
    return lines


def _coverage(shipped: list[File], found: list[dict]) -> list[list[str]]:
    """The section, where the files say how far points may be off."""
    told = [(row, row["coverage"]) for row in found if "coverage" in row]
    said = {file.label: file.contract.radius for file in shipped if file.contract.radius}
    if not said:
        return []
    lines = ["## How far a point may be off", "", OF_RADIUS, ""]
    lines += [f"- {label}: {100 * r.share:g} % of points are within it; {r.protocol}." for label, r in said.items()]
    held = []
    for row, c in told:
        shares = (f"{100 * c[name]:.1f} %" for name in ("covered", "centred"))
        held.append((_faces(row), _crop(row), _label(row, shipped), *shares))
        for part, groups in c["parts"].items():
            held += [
                (f"by {part}: {name} ({g['faces']})", "", "", f"{100 * g['covered']:.1f} %", "")
                for name, g in groups.items()
            ]
    head = ("faces", "crop", "file", "within", "without the mean offset of each point")
    return [lines + (["", *columns.markdown(head, held, (0, 1, 2))] if held else [])]


def _agreement(shipped: list[File], found: list[dict]) -> list[str]:
    lines = ["## By age and by sex", ""]
    if not found:
        return [*lines, "Not measured."]
    row = found[-1]
    p, teacher = row["protocol"], row["teacher"]
    lines.append(
        "No set of faces that could be had has both true landmarks and the age and sex of the people. So the points of "
        f"{_label(row, shipped)} were compared with those of a network that stands in for the truth: "
        f"{teacher['name']} {teacher['precision']} (sha256 `{teacher['sha256'][:16]}`), on {p['faces']} "
        f"faces of {_short(p['data'])}, whose file names say age and sex. The figures are the distance between the "
        f"points of both, divided by {p['normaliser']}. Over all faces it is {percent(row['nme'])}. "
        "It is a large network that learnt from photographs. To agree is not to be right: where it is wrong, a model "
        "that agrees with it is wrong too."
    )
    if p["trained_on_these"]:
        lines.append(
            "The model learnt from these pictures, with points that teachers gave, so the figures are too good."
        )
    for part, division in row["parts"].items():
        lines += ["", *_groups(part, "difference", "above 10 %", division)]
    return lines


def _time(shipped: list[File], races: list[dict], latencies: list[dict]) -> list[str]:
    lines = ["## Time and size", ""]
    raced, timed = [], []
    for row in races:
        reference = f"{Path(row['reference']['path']).name} (`{row['reference']['sha256'][:12]}`)"
        ratio = (f"{row['ratio']:.2f}", f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}", f"{row['cpu_ms']:.2f}")
        machine = f"{row['machine']['cpu']}, load {row['machine']['load']:g}"
        raced.append((_label(row, shipped), reference, *ratio, machine))
    for row in latencies:
        if "not_run" not in row:
            peak = f"{row['peak_bytes'] / 1e6:.0f} MB" if row["peak_bytes"] else "not told"
            threads = counted(row["protocol"]["threads"], "threads")
            machine = f"{row['machine']['cpu']}, {threads}, load {row['machine']['load']:g}"
            timed.append((_label(row, shipped), artefacts.percentiles(row), peak, machine))
    lines += [OF_TIME, ""] if raced or timed else []
    if raced:
        head = ("file", "divided by the time of", "ratio", "95 %", "processor ms, p50", "machine")
        lines += columns.markdown(head, raced, (0, 1, 5))
    if timed:
        head = ("file", "p50 / p90 / p99 ms", "peak memory", "machine")
        lines += [""] * bool(raced) + columns.markdown(head, timed, (0, 3))
    return lines if raced or timed else [*lines, "Not measured."]


def _made(commands: str, used: list[dict], c: Contract) -> list[str]:
    measured = dict.fromkeys(row["command"] for row in used)
    made_with = ", ".join(f"{name} {version}" for name, version in c.provenance.versions.items())
    return [
        "## Made by",
        "",
        f"The files were written at commit {c.provenance.commit or 'not stated'}, with "
        f"{made_with or 'versions not stated'}. The sha256 of the float weights begins with "
        f"`{c.provenance.weights_sha256[:16]}`. These commands made them:",
        "",
        "```sh",
        *commands.strip().splitlines(),
        "```",
        "",
        "These commands measured what stands above:",
        "",
        "```sh",
        *measured,
        "```",
    ]


def _groups(part: str, error: str, failures: str, division: dict) -> list[str]:
    found = []
    for name, g in division["groups"].items():
        interval = "none" if g["nme"] is None else f"{100 * g['nme_low']:.2f} to {100 * g['nme_high']:.2f}"
        shares = (percent(g["nme"]), interval, percent(g["fr10"]), f"{g['auc10']:.3f}")
        found.append((name, str(g["faces"]), *shares))
    return columns.markdown((part, "faces", error, "95 %", failures, "AUC10"), found, (0,))


def _newest(ours: list[dict], kind: str, used: list[dict]) -> list[dict]:
    """Rows of a kind in the order of the file, the last of those that measured the same; they go into ``used``."""
    last: dict[tuple, dict] = {}
    for row in ours:
        if row["kind"] == kind:
            p = row["protocol"]
            what = (str(p.get(name)) for name in ("data", "split", "crop", "jitter", "threads", "normaliser"))
            against = (row.get("reference") or row.get("teacher") or {}).get("sha256"), row["machine"]["cpu"]
            key = (row["artefact"]["sha256"], *what, against if kind != "accuracy" else None)
            last.pop(key, None)
            last[key] = row
    used += last.values()
    return list(last.values())


def _growth(row: dict, found: list[dict]) -> str:
    """How much moved boxes cost, where the same file was scored on the same faces with true ones."""
    if "jitter" not in row["protocol"]:
        return ""
    for other in found:
        same = _faces(row) == _faces(other) and row["protocol"]["crop"] == other["protocol"]["crop"]
        if same and "jitter" not in other["protocol"] and other["artefact"]["sha256"] == row["artefact"]["sha256"]:
            return f" ({artefacts.change(row['nme'], other['nme'])})"
    return ""


def _crop(row: dict) -> str:
    moved = row["protocol"].get("jitter")
    box = {"gtbox": "true landmark box"}.get(row["protocol"]["crop"], row["protocol"]["crop"])
    return f"{box}, shifted {moved['shift']:g}, scaled {moved['scale']:g} at most" if moved else box


def _faces(row: dict) -> str:
    """lfpw/testset (224 faces, 300w-68, inter-ocular): which faces, which points, what errors are divided by."""
    p = row["protocol"]
    split = "" if p.get("split", "test") == "test" else f", {p['split']}"
    return f"{_short(p['data'])}{split} ({p['faces']} faces, {p['scored_points']}, {p['normaliser']})"


def _short(data: str) -> str:
    """lfpw/testset of ../data/lfpw/testset; wflw of ../data/wflw: a folder ``data`` is where the sets are."""
    parts = Path(data).parts[-2:]
    return "/".join(part for part in parts if part not in ("data", "..", "/"))


def _label(row: dict, shipped: list[File]) -> str:
    return next(file.label for file in shipped if file.about["sha256"] == row["artefact"]["sha256"])


def _of_shipped(row: dict, shipped: list[File]) -> dict | None:
    """A row of a file that ships, or of the one that it was before its contract was written anew, as that file's."""
    for file in shipped:
        digests = file.about["sha256"], file.contract.provenance.stamped_on
        if row["artefact"].get("sha256") in filter(None, digests):
            return row | {"artefact": row["artefact"] | {"sha256": digests[0]}}
    return None


def _file(path: Path) -> File:
    return File(path, containers.read_contract(path), measure.artefact(path))


def _need_committed(path: Path) -> None:
    """InputError unless the file is in git as it is on disk: others must be able to look a figure up."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; write rows there with the option --to of the other verbs")
    try:
        known = repository.git(path.parent, "ls-files", "--error-unmatch", path.name).returncode == 0
        changed = repository.git(path.parent, "status", "--porcelain", path.name).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        raise InputError("git is not installed; a card is made from committed rows") from None
    if not known or changed:
        raise InputError(f"{path}: not committed as it is; commit it first, so that others can look the figures up")
