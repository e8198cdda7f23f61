"""The trainings that led to a run, the first one first: its own, and those of the runs beside it that it learnt from.

A run that was pruned, made 8-bit by training or distilled names its teacher in its contract, with the digest of the
teacher's weights: a run beside it that has the name and the weights is the one before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.report.artefacts import read_metrics
from edgewing import containers
from edgewing.contract import Contract
from edgewing.errors import InputError
from train.weights import MODEL

MOST = 8  # stages: what names itself would go on for ever
_TEACHER = re.compile(r"(.+) \(weights ([0-9a-f]{12})\)")


@dataclass(frozen=True)
class Stage:
    """One training: the run's name, and the lines of its metrics.jsonl."""

    name: str
    metrics: list[dict]

    @property
    def steps(self) -> int:
        return max((m["step"] for m in self.metrics if isinstance(m.get("step"), int)), default=0)


def stages(run: Path) -> list[Stage]:
    """Those with metrics; none where a run was not trained here."""
    found: list[Stage] = []
    following: Path | None = run
    while following is not None and len(found) < MOST:
        found.insert(0, Stage(following.name, read_metrics(following / "metrics.jsonl")))
        following = _before(following)
    return [stage for stage in found if stage.steps]


def _before(run: Path) -> Path | None:
    """The run beside this one that it learnt from."""
    contract = _contract(run)
    for said in contract.training.teachers if contract else ():
        match = _TEACHER.fullmatch(said)
        if match and match[1] == Path(match[1]).name != run.name:
            other = _contract(run.parent / match[1])
            if other and other.provenance.weights_sha256.startswith(match[2]):
                return run.parent / match[1]
    return None


def _contract(run: Path) -> Contract | None:
    try:
        return containers.read_contract(run / MODEL)
    except (InputError, OSError):
        return None
