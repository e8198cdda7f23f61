"""One run on its way into files: what every target's ``export(job, precision, path)`` is given."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import nn

from edgewing.contract import Contract
from edgewing.errors import InputError
from targets import graph, ranges
from targets.table import Options


@dataclass
class Job:
    """model: the float network. run: its contract. calibration: (F, S, S, 3) uint8 RGB crops for int8, or None.

    ranges, float_layers: how int8 is done (targets.ranges; regular expressions of module names kept in float).
    compared: other ranges that this job will be given later.
    options: what is asked of every file of this job.
    say: called with what is being done now, for a progress line. target: the name of what is made now. notes: lines
    that its converter says of the last file, for the user. refused: why that file is rejected, whatever its parity.
    """

    model: nn.Module
    run: Contract
    calibration: np.ndarray | None = None
    ranges: str = ranges.DEFAULT
    float_layers: Sequence[str] = ()
    compared: Sequence[str] = ()
    options: Options = Options()
    say: Callable[[str], None] = lambda text: None
    target: str = ""
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _made: dict = field(default_factory=dict)

    def graph(self, interface: graph.Interface) -> graph.Deployable:
        return graph.build(self.model, self.run, self._asked(interface))

    def _asked(self, interface: graph.Interface) -> graph.Interface:
        return replace(interface, output=self.options.output, batch=self.options.batch)

    def once(self, key: str, make: Callable):
        """What ``make`` gives, made at the first call: precisions of a target share their conversion."""
        if key not in self._made:
            self.say("converting")
            self._made[key] = make()
        return self._made[key]

    def crops(self) -> np.ndarray:
        """The crops to calibrate on, shuffled. InputError where the run has none."""
        if self.calibration is None:
            raise InputError("int8 needs crops to calibrate on, RUN/faces/calibration.npz; train the run again")
        return ranges.choose(self.calibration)

    def measured(self, key: str, activations: Callable[[np.ndarray], Iterator[dict]]) -> dict[str, tuple[float, float]]:
        """Tensor name -> (low, high) by this job's ranges, from the ``activations`` of its crops.

        The crops are run once for these ranges, or at once for all that are to be ``compared``.
        """
        quantile = ranges.get(self.ranges).quantile
        if (key, quantile) not in self._made:
            self.say("calibrating")
            wanted = [ranges.get(name).quantile for name in (self.ranges, *self.compared)]
            found = ranges.collect(wanted, activations(self.crops()))
            self._made |= {(key, quantile): part for quantile, part in found.items()}
        if (key, self.ranges) not in self._made:
            self._made[key, self.ranges] = ranges.over_crops(self.ranges, self._made[key, quantile])
        return self._made[key, self.ranges]

    def contract(self, form: str, interface: graph.Interface, precision: str, libraries: Sequence[str]) -> Contract:
        """The artefact's contract, with the versions of the libraries that made it."""
        versions = {name: importlib.metadata.version(name) for name in libraries}
        return graph.artefact_contract(self.run, self._asked(interface), form, precision, versions)


@contextlib.contextmanager
def needs(target: str, package: str) -> Iterator[None]:
    """Wrap the import of a conversion library: where it is missing, one line says what to install."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"{target} needs {package} ({error}); pip install -r requirements/targets.txt, or leave {target} out"
        ) from None
