"""Who and what made a network, and under which terms: what a contract says of its training, handed on with weights.

Whatever gives weights or labels gives its credits too: what it was trained on, its teachers, and the sentences about
terms. They are added up at every stage and never dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgewing.contract import Contract
from train.data.catalogue import DRAWN_HEADS, IMAGENET, is_research_only

RESEARCH = (
    "Trained on photographs and labels whose owners allow research use only; so are these weights: no commercial use."
)
FREE = "Trained on faces drawn by edgewing itself; no terms of others apply."
OWN = "These weights are under Apache-2.0, as edgewing is."  # of what learnt from drawn heads alone
_TERMS = "Terms of"  # how a sentence about sources begins that the catalogue does not know
ENCODER = "Its encoder started from ImageNet weights that their makers give out under Apache-2.0."


@dataclass(frozen=True)
class Credits:
    """teachers: who made labels. trained_on: names of sources. notes: sentences beyond those that follow from the
    sources, such as what weights must not be scored on."""

    teachers: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Credits) -> Credits:
        pairs = zip(
            (self.teachers, self.trained_on, self.notes), (other.teachers, other.trained_on, other.notes), strict=True
        )
        return Credits(*(tuple(dict.fromkeys(first + second)) for first, second in pairs))

    @classmethod
    def of(cls, contract: Contract) -> Credits:
        """What weights with that contract hand on."""
        training, rest = contract.training, contract.training.data_terms
        for sentence in (RESEARCH, FREE, OWN, ENCODER):
            rest = rest.replace(sentence, "")
        notes = [sentence for sentence in re.split(r"(?<=[.!?]) ", " ".join(rest.split())) if sentence]
        # Terms that an older contract states and its sources do not show still count.
        if RESEARCH in training.data_terms and not any(map(is_research_only, training.trained_on)):
            notes.insert(0, RESEARCH)
        return cls(tuple(training.teachers), tuple(training.trained_on), tuple(notes))

    def terms(self, stated: str = "") -> str:
        """The sentences for a contract. stated: the terms of sources that the catalogue does not know."""
        told = [note for note in self.notes if note.startswith(_TERMS)]
        kinds = [is_research_only(name) for name in self.trained_on]
        found = [RESEARCH] if True in kinds else [FREE] if None not in kinds and RESEARCH not in self.notes else []
        if found == [FREE] and set(self.trained_on) == {DRAWN_HEADS}:
            found.append(OWN)
        unknown = [name for name, kind in zip(self.trained_on, kinds) if kind is None]
        if unknown := [name for name in unknown if not any(name in note for note in told)]:
            found.append(f"{_TERMS} {', '.join(unknown)}: {stated.rstrip('.') if stated else 'not stated'}.")
        found += [note for note in self.notes if note not in found]
        if IMAGENET in self.trained_on:
            found.append(ENCODER)
        return " ".join(found)
