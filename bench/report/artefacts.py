"""A run's artefacts with what was measured of them: contracts, parity, and rows joined to the files by sha256.

A figure that this machine cannot give is shown as such; nothing stands in for it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from bench.time.latency import needs
from edgewing import containers, files, formats, layouts, measure, rows
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.words import counted

EXPORTED = [name for name, form in formats.TABLE.items() if form.targets]
HERE = "local"  # what `bench devices` calls this machine
METRICS_LIMIT = 256 * files.MIB
COLUMNS = ("format", "precision", "size", "NME", "against float", "p50 / p90 / p99 ms", "shift p99 / max px", "gate")
# What targets/table.py writes into names of files that are of the same format and precision.
VARIANTS = re.compile(r"-(ios\d+|heatmaps|batch\d+)(?=-)")
# What targets.coreml_evaluator and targets.tflm say of what they ran in a device's place.
EVALUATED = ("evaluated on the processor", "the NPU was not run")
# Protocol fields that leave the faces, their crops and the measure as they were.
IRRELEVANT = ("threads", "list")


@dataclass(frozen=True)
class Entry:
    """One artefact with its newest rows; a row is None where nothing was measured.

    reasons: why it was rejected, as its parity row has it; empty where that row is gone.
    """

    path: Path
    contract: Contract
    about: dict
    accuracy: dict | None
    latency: dict | None
    reasons: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.contract.model.format} {self.precision}"

    @property
    def precision(self) -> str:
        """With what else sets the file apart: `int8`, `fp16 ios18`, `int8 heatmaps`."""
        return " ".join([self.contract.model.precision, *VARIANTS.findall(self.path.stem)])

    @property
    def rejected(self) -> bool:
        parity = self.contract.parity
        return ".rejected" in self.path.name or (parity is not None and not parity.accepted)

    @property
    def nme(self) -> float | None:
        """As a fraction: of the accuracy row; None where this machine cannot run the file."""
        return self.accuracy.get("nme") if self.accuracy else None

    @property
    def stood_in(self) -> bool:
        """Whether its accuracy is another runtime's: ONNX Runtime computes what TensorRT's engine is built from."""
        ours = self.contract.model.format == "tensorrt" and self.nme is not None
        return ours and not str(self.accuracy["runtime"]).startswith("tensorrt ")

    @property
    def evaluated(self) -> bool:
        """Whether its parity is that of another program than what will run it: no device of its kind has run it."""
        ran = self.contract.parity.ran_on if self.contract.parity else ""
        engine = self.contract.model.format == "tensorrt" and not ran.startswith("tensorrt ")
        return engine or any(said in ran for said in EVALUATED)

    @property
    def reason(self) -> str:
        """Why it was rejected: the gate's own words, else the figures in its contract; empty where it was not."""
        if not self.rejected or self.reasons:
            return "; ".join(self.reasons)
        p = self.contract.parity
        if p is None:
            return "its parity was not measured"
        over = counted(p.faces, self.contract.layout.several)
        return f"NME {change(p.nme_artefact, p.nme_float)} against float, p99 shift {p.p99:.3f} px over {over}"


@dataclass
class Run:
    """A run folder as the report shows it. others: accuracy rows of the same files under other protocols. devices: the
    newest latency row of each file on each device that `bench devices` has reached, this machine among them."""

    path: Path
    entries: list[Entry]
    protocol: dict | None
    rows: list[dict]
    others: list[dict]
    metrics: list[dict]
    problems: list[str] = field(default_factory=list)
    devices: list[dict] = field(default_factory=list)

    @property
    def several(self) -> str:
        """What its files find, as a layout has it."""
        return next((entry.contract.layout.several for entry in self.entries), "faces")

    def reference(self, entry: Entry) -> float | None:
        """NME of the fp32 file with the same weights, on the same faces."""
        weights = entry.contract.provenance.weights_sha256
        for other in self.entries:
            same = other.contract.provenance.weights_sha256 == weights
            if same and other.contract.model.precision == "fp32" and other.nme is not None:
                return other.nme
        return None

    def cells(self, entry: Entry) -> list[str]:
        """The entry's line of the table, a text for each of COLUMNS."""
        model, parity = entry.contract.model, entry.contract.parity
        if entry.nme is not None:
            reference = self.reference(entry)
            nme = f"{100 * entry.nme:.2f} %" + (" (a)" if entry.stood_in else "")
            drop = "no fp32 file" if reference is None else change(entry.nme, reference)
        elif parity is not None:
            nme, drop = f"{100 * parity.nme_artefact:.2f} % (b)", change(parity.nme_artefact, parity.nme_float)
        else:
            nme, drop = _missing(entry.accuracy), ""
        shift = "not measured" if parity is None else f"{parity.p99:.3f} / {parity.max:.3f}"
        passed = "passed (c)" if entry.evaluated else "passed"
        gate = "rejected" if entry.rejected else passed if parity else "no parity"
        return [model.format, entry.precision, size(entry.about["bytes"]), nme, drop, self.times(entry), shift, gate]

    def times(self, entry: Entry) -> str:
        if entry.latency is None or "not_run" in entry.latency:
            lacking = needs(entry.path, entry.contract)
            return f"not run: {lacking}" if lacking else _missing(entry.latency)
        return percentiles(entry.latency)

    @property
    def timed(self) -> list[dict]:
        """The latency rows that have figures."""
        return [e.latency for e in self.entries if e.latency and "not_run" not in e.latency]

    @property
    def busy(self) -> str:
        """A warning where more processes wanted to run than the machine has cores while the times were taken."""
        busiest = max((row["machine"] for row in self.timed), key=lambda m: m["load"] / m["cores"], default=None)
        if busiest is None or busiest["load"] <= busiest["cores"]:
            return ""
        return f"other work slowed these times: load {busiest['load']:g} on {busiest['cores']} cores"

    @property
    def notes(self) -> list[str]:
        """What the letters in the table mean, those that occur."""
        found = []
        for entry in self.entries:
            parity = entry.contract.parity
            if entry.stood_in:
                found.append(f"(a) {entry.name}: run by {entry.accuracy['runtime']}, not by TensorRT")
            elif entry.nme is None and parity is not None:
                found.append(
                    f"(b) {entry.name}: its parity check, {counted(parity.faces, self.several)}, run by {parity.ran_on}"
                )
            if entry.evaluated and not entry.rejected:
                found.append(f"(c) {entry.name}: computed by {parity.ran_on}; not run on the device that it is for")
        return sorted(found)

    @property
    def kind_of_faces(self) -> str:
        """Whether the run's own faces were drawn or photographed, as its list of data says; empty where it does not."""
        try:
            sources = json.loads(files.read(self.path / "data.json", files.MIB))["sources"]
            drawn = {str(source["name"]).startswith("drawn") for source in sources}
        except (InputError, OSError, ValueError, KeyError, TypeError):
            return ""
        return {(True,): "drawn by edgewing", (False,): "photographs"}.get(tuple(drawn), "drawn ones and photographs")

    @property
    def rejections(self) -> list[str]:
        return [f"{entry.path}: {entry.reason}" for entry in self.entries if entry.rejected]


def of_run(run: Path) -> tuple[list[tuple[Path, Contract]], list[str]]:
    """The readable artefacts in RUN/export, by format and precision, and a line for each that is not."""
    if not run.is_dir():
        raise InputError(f"{run}: no such run; give a folder such as runs/demo")
    found, problems = [], []
    for path in sorted((run / "export").glob("*")):
        if formats.BY_SUFFIX.get(path.suffix) in EXPORTED and not path.name.startswith("."):
            try:
                found.append((path, containers.read_contract(path)))
            except InputError as error:
                problems.append(str(error))
    widths = {"fp32": 0, "fp16": 1}

    def place(item: tuple[Path, Contract]) -> tuple:
        model = item[1].model
        return list(formats.TABLE).index(model.format), widths.get(model.precision, len(widths)), item[0].name

    return sorted(found, key=place), problems


def read_run(path: Path) -> Run:
    """A run folder's artefacts joined with its rows. InputError where there is no artefact or no row."""
    found, problems = of_run(path)
    if not found:
        raise InputError(f"{path}/export: no artefact; make some with: python -m targets {path}")
    measured, broken = rows.read(path / "rows.jsonl")
    about = {file: measure.artefact(file) for file, _ in found}
    known = {item["sha256"] for item in about.values()}
    ours = [row for row in measured if measured_file(row) in known]
    scored = [row for row in ours if row["kind"] == "accuracy" and row.get("nme") is not None]
    protocol = scored[-1]["protocol"] if scored else None

    def newest(kind: str, sha256: str) -> dict | None:
        for row in reversed(ours):
            if row["kind"] == kind and row["artefact"]["sha256"] == sha256 and address(row) == HERE:
                if kind != "accuracy" or "not_run" in row or same_protocol(row["protocol"], protocol):
                    return row
        return None

    entries = []
    for file, contract in found:
        score, time, parity = (newest(kind, about[file]["sha256"]) for kind in ("accuracy", "latency", "parity"))
        reasons = tuple(map(str, (parity or {}).get("reasons", ())))
        entries.append(Entry(file, contract, about[file], score, time, reasons))
    others = [row for row in scored if not same_protocol(row["protocol"], protocol)]
    logged = read_metrics(path / "metrics.jsonl")
    return Run(path, entries, protocol, ours, others, logged, problems + broken, _by_device(ours))


def _by_device(ours: list[dict]) -> list[dict]:
    """The newest latency row of each file by each clock on each device; none where no row names one."""
    last: dict[tuple, dict] = {}
    for row in ours:
        if row["kind"] == "latency":
            last[address(row), row["machine"].get("cpu", ""), measured_file(row), clock(row)] = row
    named = any(key[0] != HERE for key in last)
    return list(last.values()) if named else []


def measured_file(row: dict) -> str | None:
    """The digest of the artefact that a row is about: of an engine, of the file that a board built it from."""
    return (row.get("built_from") or row["artefact"]).get("sha256")


def clock(row: dict) -> str:
    """What was timed, in a word: model, crop."""
    return str(row["protocol"].get("clock", "")).split(":")[0]


def address(row: dict) -> str:
    """The device that a row was measured on, as `bench devices` was given it; this machine is ``local``."""
    device = row.get("device")
    return str(device.get("address") or HERE) if isinstance(device, dict) else HERE


def ms(value: float | None) -> str:
    """Milliseconds in a cell. LiteRT's benchmark_model gives no 90th and no 99th percentile."""
    return "none" if value is None else f"{value:.2f}"


def percentiles(row: dict) -> str:
    """``1.25 / 1.50 / 2.75``: p50, p90, p99 of a latency row."""
    return " / ".join(ms(row.get(f"{name}_ms")) for name in ("p50", "p90", "p99"))


def same_protocol(one: dict, other: dict | None) -> bool:
    """Whether two accuracy rows may stand in one column: same faces, crops, points and normaliser."""
    keys = (set(one) | set(other or {})) - set(IRRELEVANT)
    return other is not None and all(one.get(key) == other.get(key) for key in keys)


def read_metrics(path: Path) -> list[dict]:
    """The lines of a training's metrics.jsonl that are JSON objects; none where a run was not trained."""
    if not path.is_file():
        return []
    found = []
    for line in files.read(path, METRICS_LIMIT).splitlines() if path.stat().st_size else []:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue  # the last line of a run that was killed
        if isinstance(value, dict):
            found.append(value)
    return found


def change(value: float, reference: float) -> str:
    """Relative change in percent, with its sign; lower is better for an NME."""
    if not reference > 0:
        return "float is 0"
    percent = round(100 * (value - reference) / reference, 2)
    return f"{percent + 0.0:+.2f} %"  # + 0.0: no -0.00


def size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def protocol_line(protocol: dict) -> str:
    """How the accuracy of a table was measured, in a sentence."""
    moved = ""
    if jitter := protocol.get("jitter"):
        moved = f", moved by up to {jitter['shift']:g} and scaled by {jitter['scale']:g} (seed {jitter['seed']})"
    factor = f", factor {protocol['factor']:g}" if "factor" in protocol else ""  # "released" has its own
    return (
        f"{protocol['faces']} {layouts.several(protocol['layout'])} of {protocol['data']} ({protocol['split']}), "
        f"{protocol['skipped']} skipped; "
        f"{protocol['crop']} crop, box of {protocol['box_source']}{factor}{moved}; "
        f"NME over {protocol['scored_points']}, divided by {protocol['normaliser']}"
    )


def _missing(row: dict | None) -> str:
    """What a cell says where there is no figure."""
    return f"not run: {row['not_run']}" if row and "not_run" in row else "not measured"
