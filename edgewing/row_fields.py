"""The type of every field of a row, by its kind: what reads rows may rely on it, whoever wrote the file.

A kind is a function that says whether a value is of it; a dict of names and kinds, a name with ``?`` for a field that
may be missing, ``...`` for any further field; or a list of one kind for a list of any length. Fields that are not named
are left alone: a later version may write more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

LARGEST = 1e15  # of any number: beyond it sums and axes of charts are no numbers any more
PERCENTILES = 101


def text(value) -> bool:
    """One printable line: it goes to terminals and pages."""
    return isinstance(value, str) and value.isprintable()


def flag(value) -> bool:
    return isinstance(value, bool)


def number(value) -> bool:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return real and abs(value) <= LARGEST and math.isfinite(value)


def amount(value) -> bool:
    return number(value) and value >= 0


def count(value) -> bool:
    return amount(value) and isinstance(value, int)


def some(value) -> bool:
    return count(value) and value >= 1


def maybe(kind) -> Callable:
    """None, or of that kind."""
    return lambda value: value is None or fault(value, kind) is None


def either(*kinds) -> Callable:
    return lambda value: any(fault(value, kind) is None for kind in kinds)


def fault(value, kind, where: str = "") -> str | None:
    """The name of the first field that is not of its kind, '' for the value itself; None where all is well."""
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return where
        names = {name.removesuffix("?") for name in kind if name is not ...}
        for name, inner in kind.items():
            for key in (value.keys() - names) if name is ... else [name.removesuffix("?")]:
                if key not in value and name.endswith("?"):
                    continue
                here = f"{where}.{key}" if where else str(key)
                found = fault(value[key], inner, here) if key in value else here
                if found is not None:
                    return found
        return None
    if isinstance(kind, list):
        if not isinstance(value, list):
            return where
        faults = (fault(inner, kind[0], f"{where}.{number}") for number, inner in enumerate(value))
        return next((found for found in faults if found is not None), None)
    return None if kind(value) else where


def curve(value) -> bool:
    """Cumulative errors: as many shares as thresholds."""
    return (
        fault(value, {"thresholds": [amount], "share": [amount]}) is None
        and len(value["thresholds"]) == len(value["share"]) > 1
    )


def percentiles(value) -> bool:
    rising = isinstance(value, list) and len(value) == PERCENTILES and all(map(amount, value))
    return rising and all(a <= b for a, b in zip(value, value[1:]))


MACHINE = {"cpu": text, "cores": some, "system": text, "load": amount}
ABOUT = {"path": text, "sha256": text, "bytes": count}
MODEL = {"name": text, "format": text, "precision": text, "layout": text, "size": some}
SUMMARY = {"faces": count, "failed": count, "nme": maybe(amount), "fr08": amount, "fr10": amount}
SUMMARY |= {"auc08": amount, "auc10": amount}
GROUP = SUMMARY | {"nme_low": maybe(amount), "nme_high": maybe(amount)}
PARTS = {...: {"how": text, "groups": {...: GROUP}}}
VISIBILITY = {"points": dict.fromkeys(("absent", "hidden", "seen"), count)}
VISIBILITY |= dict.fromkeys(("auroc_there", "auroc_seen", "error_seen", "error_hidden"), maybe(amount))
COVERED = {"faces": count, "covered": amount, "low": amount, "high": amount}
COVERAGE = dict.fromkeys(("share", "covered", "centred", "median_radius"), amount) | {"parts": {...: {...: COVERED}}}
PCK = {"threshold": amount, "share": amount}
CHANGE = {"change": number, "low": number, "high": number, "faces": count, "lost": count}
RACED = {"calls": some, "ratio": amount, "ratio_low": amount, "ratio_high": amount}
RACED |= {f"{clock}_{name}ms": amount for clock in ("cpu", "wall") for name in ("", "p10_", "p90_")}
TURNS = {"clock": text, "rounds": some, "recorded_calls": some, "unrecorded_calls": count, "warmup_rounds": count}
TURNS |= {"threads": some, "batch?": some, "input": text, "interval": text, "in_turn": [text]}
TIMED = {"change": number, "low": number, "high": number, "verdict": text, "turns": some, "baseline_ms": amount}
TIMED |= {"ms": amount, "seconds": amount}
FACES = {"data": text, "split": text, "list": [text], "crop": text, "box_source": text, "layout": text}
FACES |= {"scored_points": text, "normaliser": text, "faces": count, "skipped": count}
FACES |= {"points_frame?": text, "jitter?": {"shift": amount, "scale": amount, "seed": count}}
SCORED = FACES | {"factor?": amount, "least?": amount, "size": some, "threads": some}
SCORED |= {"labels_sha256?": text, "pixels_sha256?": text}
DEVICE = {
    **dict.fromkeys(("address?", "name?", "chip?", "system?", "architecture?", "board_support?", "power_mode?"), text),
    "clocks?": {...: {...: either(text, number, flag, lambda v: v is None)}},
    "celsius_before?": {...: number},
    "celsius_after?": {...: number},
    "throttled?": {"seen": maybe(flag), "brakes": {...: either(text, number, flag)}},
}
DELEGATION = {"delegate": text, "nodes": count, "delegated": count, "left?": {...: count}}
SPREAD = {"median": amount, "least": amount, "most": amount, "p10?": amount}
NME_OF_POINTS = {"points": count, "nme": maybe(amount)}
WAY = {"way": text, "peak_share": maybe(amount)}
WAY |= dict.fromkeys(
    ("images_per_s", "p10", "p90", "times_eager", "times_eager_p10", "times_eager_p90", "waiting"), amount
)
TREMBLE = {"jitter": amount, "lag_ms": number, "trail?": amount}

HEADER = {
    "kind": text,
    "date": text,
    "command": text,
    "commit": text,
    "dirty": maybe(flag),
    "versions": {...: text},
    "machine": {f"{name}?": kind for name, kind in MACHINE.items()},
    "artefact": {f"{name}?": kind for name, kind in ABOUT.items()},
    "protocol": {},
}
NOT_RUN = {"not_run": text, "artefact": ABOUT, "device?": DEVICE, "protocol": {"clock?": text, "mode?": text}}
OF_A_FILE = {"machine": MACHINE, "artefact": ABOUT}
LATENCY = OF_A_FILE | {
    "model": MODEL,
    "runtime": text,
    "delegation?": maybe(DELEGATION),
    "fallback?": text,
    "protocol": {"mode": text, "least_runs": some, "least_seconds": amount, "warmup_runs": count, "threads": some}
    | {"batch": some, "clock": text, "input": text},
    **dict.fromkeys(("mean_ms", "p50_ms", "p90_ms", "p95_ms?", "p99_ms", "max_ms", "cpu_ms?"), maybe(amount)),
    "call_ms?": amount,
    "percentiles_ms?": percentiles,
    "drift?": amount,
    "runs": some,
    "seconds": amount,
    "load_ms": amount,
    "first_ms": amount,
    "peak_bytes": maybe(count),
    "device?": DEVICE,
    "energy?": maybe({"meter": text, "covers": text, "watts": number, "joules_per_run": number}),
    "built_from?": ABOUT,
}
ANGLES = {"yaw": amount, "pitch": amount, "roll": amount}  # degrees
FIELDS: dict[str, dict] = {
    "ablation": {"protocol": {"recipe": {}, "fingerprint": text, "count": count, "boxes": text, "normaliser": text}}
    | {"cell": text, "seed": count, "steps": count, "faces": count, "median": amount, "cpu_seconds": amount}
    | {"nme": amount, "fr10": amount, "auc10": amount},
    "accuracy": OF_A_FILE
    | SUMMARY
    | {"model": MODEL, "runtime": text, "protocol": SCORED, "pck?": PCK, "parts?": PARTS}
    | {"per_point": [maybe(amount)], "point_groups?": {...: maybe(amount)}, "visibility?": {...: VISIBILITY}}
    | {"per_point_seen?": [maybe(amount)], "per_point_hidden?": [maybe(amount)]}
    | {"ced": curve, "face_errors": {...: maybe(amount)}, "problems": [text], "pictures?": text}
    | {"against?": CHANGE | {"artefact": ABOUT, "nme": maybe(amount)}, "coverage?": COVERAGE},
    "agreement": OF_A_FILE
    | SUMMARY
    | {"model": MODEL, "runtime": text, "teacher": ABOUT | {"name": text, "precision": text}, "parts": PARTS}
    | {"problems": [text]}
    | {
        "protocol": {"data": text, "crop": text, "first_box": [number], "factor": amount, "least": amount, "size": some}
        | {"teacher_size": some, "scored_points": text, "normaliser": text, "faces": count, "skipped": count}
        | {"unlabelled": count, "trained_on_these": flag}
    },
    "boxes": OF_A_FILE
    | {"runtime": text, "detector": text, "found": count, "recall": amount, "crop_shift_p50": maybe(amount)}
    | {"nme": {...: maybe(amount)}}
    | {"protocol": {"data": text, "layout": text, "scored_points": text, "normaliser": text, "faces": count}},
    "detection": {"machine": MACHINE, "detector": text, "runtime": text, "pictures": some, "faces": some}
    | {"false": count, "recall": amount, "cpu_ms": amount, "crop_shift_p50": maybe(amount)}
    | {"protocol": {"data": [text], "layout": text, "least_overlap": amount, "clock": text}},
    "expression": OF_A_FILE
    | {"model": MODEL, "runtime": text, "protocol": {"data": text, "heads": some, "boxes": text}}
    | {"pose": {"median": ANGLES, "p90": ANGLES, "true_points": ANGLES, "by_yaw": {...: {"heads": some}}}}
    | {"units?": maybe({...: {"mae": amount, "correlation": maybe(number), "true_points": maybe(number)}})}
    | {"blink_f1?": amount, "gaze?": maybe({"left": amount, "up": amount, "heads": count})},
    "frames": OF_A_FILE
    | {"model": MODEL, "runtime": text, "ms": {"p10": amount, "median": amount, "p90": amount}, "shift_p99_px": amount}
    | {"protocol": {"device": text, "faces": some, "rounds": some, "threads": some, "batch": some, "clock": text}},
    "gate": OF_A_FILE
    | {"model": MODEL, "runtime": text, "nme": maybe(amount), "passed": flag, "failed": [text], "time": TIMED}
    | {"baseline": {"artefact": ABOUT, "nme": maybe(amount), "date": text}, "accuracy": CHANGE | {"verdict?": text}}
    | {"protocol": {"accuracy": SCORED, "time": {}, "worse": amount, "slower": amount, "least_faces?": count}},
    "gate-proof": OF_A_FILE
    | {"case": text, "run": count, "alarm": flag, "time?": TIMED}
    | {"accuracy?": CHANGE | {"seed": count, "noise": amount}}
    | {"protocol": {"slowed": amount, "worse": amount, "limits": {"worse": amount, "slower": amount}}},
    "latency": LATENCY,
    "memory": OF_A_FILE
    | dict.fromkeys(("frames", "readings"), count)
    | dict.fromkeys(("seconds", "peak_mib", "early_mib", "late_mib"), amount)
    | {"growth_mib": number, "growth_judged?": flag, "accepted": flag}
    | {"protocol": {"source": text, "minutes": amount, "frames": count, "saved": flag, "unit": text}},
    "parity": OF_A_FILE
    | {"ran_on": text, "accepted": flag, "reasons": [text], "failed_float": count, "failed": count}
    | dict.fromkeys(("shift_p50_px", "shift_p99_px", "shift_max_px", "nme_float", "nme"), maybe(amount))
    | {"protocol": {"data?": text, "faces?": count, "text": text}},
    "peer": OF_A_FILE
    | RACED
    | GROUP
    | {"runtime": text, "points": count, "own": NME_OF_POINTS, "inner": NME_OF_POINTS, "aligned": maybe(NME_OF_POINTS)}
    | {"ced": curve, "reference": {"path": text, "sha256": text}}
    | {
        "model": {"file": text, "name": text, "format": text, "ours": flag, "trained_on": [text], "licence": text}
        | {"source?": text, "precision?": text, "layout?": text, "size?": some}
        | {"adapter?": {"factor": either(amount, [amount]), "size": either(some, [some]), "points_source?": text}}
    }
    | {"protocol": FACES | TURNS | {"left_out_points": [count], "offsets": maybe(text)}},
    "race": OF_A_FILE
    | RACED
    | {"runtime": text, "reference": {"path": text, "sha256": text}, "protocol": TURNS}
    | {
        "model": {"file": text, "name": text, "format": text, "contract": flag, "input?": text, "precision?": text}
        | {"layout?": text, "size?": some}
    },
    "steadiness": OF_A_FILE
    | {"runtime": text, "filter": {...: amount}, "still": {"limit": amount, "worst": amount}}
    | {"motions": {...: {"raw": TREMBLE, "shown": TREMBLE}}}
    | {"clips": {...: {"frames": count, "raw": amount, "shown": amount, "lag_ms": number, "trail": amount}}}
    | {"sweep?": {...: {"lag_ms": [number], "jitter": [amount]}}, "protocol": {"data": text, "stills": count}},
    "training": {"machine": MACHINE, "recipe?": text, "ways?": [WAY], "protocol": {"clock": text, "layout": text}}
    | dict.fromkeys(("batched_ms_per_face?", "one_by_one_ms_per_face?", "ratio?", "ratio_p10?", "ratio_p90?"), amount),
    "web": OF_A_FILE
    | {"model": {"name": text, "precision": text}, "frames": count, "with_face": count, "fps": SPREAD}
    | {"runtime": {"place": text, "tried": text, "isolated": flag, "browser": text}}
    | {"protocol": {"camera": text, "clock": text}}
    | dict.fromkeys(("end_to_end_ms", "model_ms", "end_to_end_search_ms?"), maybe(SPREAD)),
}


def wrong(row: dict) -> str | None:
    """The name of the first field of a row that is missing or of another kind; None where all is well."""
    missing = fault(row, HEADER)
    if missing is not None or row["kind"] not in FIELDS:
        return "kind" if missing is None else missing
    return fault(row, NOT_RUN if "not_run" in row else FIELDS[row["kind"]])
