"""`python -m train layout`: propose a layout from a COCO category, or show one.

A wrong flip pair costs a training: half of the pictures are mirrored, and teach the network the wrong points. So what
was guessed is printed, and drawn on pictures (train.layout_sheet) beside the JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewing import errors, files, hints, images, layouts
from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.outputs import Output
from edgewing.words import counted
from train.data import coco
from train.data.samples import Sample, file_of

EXAMPLE = """new data/cats --out cat.json
  python -m train layout new data/cats/annotations.json --category cat --out cat.json
  python -m train layout show cat.json
  python -m train layout show 300w-68 --picture points-68.svg"""
MOST_HELD_OUT = 0.4  # share of the objects
FEWEST_STEPS = 500  # in which drawn cats were learnt (docs/own-landmarks.md)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")  # leftEye, left_eye, "eye L1"
_OTHER = {"l": "r", "r": "l", "left": "right", "right": "left"}


@dataclass(frozen=True)
class Proposal:
    """A layout, with what to say of the parts that did not fit, and the objects of the file that it was made for."""

    layout: Layout
    notes: tuple[str, ...]
    path: Path
    content: dict
    category: str


def propose(annotations: str | Path, category: str | None = None) -> Proposal:
    """A layout for a category (its name, or its id) of a COCO file, or of a folder's one for training.

    InputError: no such file or category, no category with keypoints, or several and none named.
    """
    path = Path(annotations)
    if path.is_dir() and not coco.lists(path):
        raise InputError(f"{path}: no COCO keypoints in it; name the JSON file with images, annotations and categories")
    path = coco.annotations(path, "train")
    content = coco.parsed(path)
    chosen = _choose(path, _categories(path, content), category)
    ours = coco.key_of(chosen["id"])
    content["annotations"] = [a for a in content["annotations"] if coco.key_of(a.get("category_id")) in (ours, None)]
    points, name = chosen["keypoints"], str(chosen.get("name") or "object")
    count = points if isinstance(points, int) else len(points)
    edges, notes = _edges(chosen.get("skeleton") or [], count)
    stem = re.sub(r"[^\w.+-]+", "-", name).strip("-")[:50] or "object"
    value = {
        "name": f"{stem}-{count}" if f"{stem}-{count}" not in layouts.table() else f"own-{stem}-{count}",
        "object": " ".join(re.findall(r"\w+", name))[:40].strip() or "object",
        "points": points,
        "flip_pairs": guess_pairs(points) if isinstance(points, list) else [],
        "edges": edges,
    }
    if isinstance(points, int):
        notes.insert(0, f"the category names no points: numbered 0 to {count - 1}, as its annotations have {count}")
    where = f"{path}: category {name!r}"
    return Proposal(layouts.trainable(layouts.parse(value, where), where), tuple(notes), path, content, name)


def guess_pairs(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of points whose names differ in left and right alone, the left one first. A pair is made only where both
    are there, and no third has the same words."""
    words = [_words(name) for name in names]
    count = Counter(words)
    once = {key: i for i, key in enumerate(words) if count[key] == 1}
    pairs = []
    for key, i in once.items():
        j = once.get(_mirrored(key))
        if j is not None and i != j and _is_left(key):
            pairs.append((i, j))
    return pairs


def about_pairs(layout: Layout, guessed: str = "") -> list[str]:
    """Which points change places in a mirrored picture, which do not, and whether a name says that they should."""
    paired = {point for pair in layout.flip_pairs for point in pair}
    alone = [point for point in range(layout.points) if point not in paired]
    lonely = [point for point in alone if layout.names and _mirrored(words := _words(layout.names[point])) != words]
    lines = []
    if layout.flip_pairs:
        lines.append(f"pairs that change places in a mirrored picture{guessed}: {_pairs(layout)}")
    if lonely:
        lines.append(f"without a partner, though the name says a side: {_names(layout, lonely)}")
    if rest := [point for point in alone if point not in lonely]:
        lines.append(f"points that keep their names in a mirrored picture: {_names(layout, rest)}")
    return lines


def as_text(layout: Layout) -> str:
    """The layout's file, as a person would edit it: points by name, a pair a line. Of what a proposal has."""

    def point(i: int) -> str | int:
        return layout.names[i] if layout.names else i

    value = {
        "name": layout.name,
        "object": layout.object,
        "points": list(layout.names) or layout.points,
        "flip_pairs": [[point(i) for i in pair] for pair in layout.flip_pairs],
        "edges": [[point(i) for i in pair] for pair in layout.edges],
        "normalisers": layout.normalisers,
        "default_normaliser": layout.default_normaliser,
    }
    lines = []
    for key, found in value.items():
        text = json.dumps(found, ensure_ascii=False)
        if key in ("flip_pairs", "edges") and found:
            text = "[\n  " + ",\n  ".join(json.dumps(pair, ensure_ascii=False) for pair in found) + "\n ]"
        lines.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def new(annotations: str | Path, out: str | Path, category: str | None = None) -> Layout:
    """Write a proposal to ``out`` and its contact sheet beside it, and print what was guessed. InputError as for
    ``propose``, and where there is no picture to draw on, or an input would be overwritten."""
    from train.layout_sheet import contact_sheet

    out = Path(out)
    if out.suffix != ".json":
        raise InputError(f"{out}: a layout's name must end in .json")
    proposal = propose(annotations, category)
    layout, sheet = proposal.layout, out.with_suffix(".png")
    samples, problems = [], []
    for found in coco.objects(proposal.path, proposal.content, layout):
        if isinstance(found, Sample):
            samples.append(found)
        elif isinstance(found, InputError):
            problems.append(found)
    if sheet.exists() and not out.exists():
        raise InputError(f"{sheet}: is there, and the contact sheet would replace it; choose another --out")
    if out.exists() and files.read(out, files.MIB) != as_text(layout).encode():
        raise InputError(f"{out}: is there and says something else, perhaps by hand; choose another --out or remove it")
    _spare_inputs((out, sheet), [proposal.path, *(file_of(sample.image) for sample in samples)])
    picture, drawn, broken = contact_sheet(samples, layout)
    problems += broken
    if not drawn:
        reason = problems[0] if problems else f"{proposal.path}: no object of category {proposal.category!r}"
        raise InputError(f"{reason}; nothing to draw the layout on, so nothing was written")
    images.write(sheet, picture)
    files.write(out, as_text(layout).encode())
    _say(f"layout {layout.name}, of category {proposal.category!r} in {proposal.path}")
    _tell(layout, " (guessed from their names)", proposal.notes)
    if problems:
        _say(f"objects that cannot be read: {len(problems)}, the first: {problems[0]}")
    shown = counted(drawn, "objects")
    _say(f"wrote {sheet}: {shown}, and beside each the same mirrored; a name must be on the same side in both")
    _say(f"wrote {out}")
    words = ["--layout", out, "--recipe", "small", "--run", out.stem, *settings(len(samples))]
    words += [] if layout.flip_pairs else ["--flip", "0"]
    print(hints.next_line("python -m train fit", annotations, *words))
    return layout


def settings(objects: int) -> list[str]:
    """What a first training of so few objects needs: enough of them to validate on, and steps enough to learn."""
    from train import recipes
    from train.plan import FEW  # torch

    recipe, words = recipes.get("small"), []
    if recipe.validation * objects < FEW:
        words += ["--validation", f"{min(MOST_HELD_OUT, FEW / objects):.2g}"]
    if recipe.epochs * objects / recipe.batch < FEWEST_STEPS:
        words += ["--steps", str(FEWEST_STEPS)]
    return words


def show(layout: str, picture: str | None = None) -> None:
    """Print a layout of the package or of a file, and draw its numbered points. InputError that names the field where
    something in it is wrong."""
    from train.layout_picture import numbered

    found = layouts.get(layout)
    drawn = numbered(found) if picture else ""
    _say(f"layout {found.name}")
    _tell(found)
    if picture:
        files.write(picture, drawn.encode())
        _say(f"wrote {picture}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    proposed = actions.add_parser(
        "new",
        help="propose a layout from COCO keypoints, and draw it",
        description="Propose a layout from a category of COCO keypoints: its names and skeleton, flip pairs guessed "
        "from left and right in names.\nIt is drawn on ten pictures, mirrored beside unmirrored, so that a wrong pair "
        "is seen before a training is wasted.",
        epilog=f"examples:\n  python -m train layout {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    proposed.add_argument("annotations", metavar="ANNOTATIONS", help="a COCO keypoints file, or the folder it is in")
    proposed.add_argument("--out", type=Output, required=True, metavar="FILE", help="FILE.json; the sheet is FILE.png")
    proposed.add_argument("--category", metavar="NAME", help="which, where several have keypoints: its name or id")
    shown = actions.add_parser(
        "show", help="print a layout",
        description="Print a layout, or what is wrong with it; draw which number is which point.",
        epilog=f"examples:\n  python -m train layout {EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    shown.add_argument("layout", metavar="LAYOUT", help=f"{', '.join(layouts.table())}, or FILE.json")
    text = "draw the numbered points on a mean face, of 300w-68 and wflw-98"
    shown.add_argument("--picture", type=Output, metavar="SVG", help=text)


def main(action: str, **how) -> None:
    if action == "show":
        show(how["layout"], how["picture"])
    else:
        new(how["annotations"], how["out"], how["category"])


def _categories(path: Path, content: dict) -> list[dict]:
    """Those with keypoints: a list of names, or, where the file names none, how many its annotations have."""
    listed = content.get("categories") or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) and "id" in entry for entry in listed):
        raise InputError(f"{path}: categories: expected a list of objects with id, name and keypoints")
    for entry in listed:
        if not isinstance(entry.get("keypoints", []), list):
            raise InputError(f"{path}: category {entry.get('name')!r}: keypoints: expected a list of names")
    named = [entry for entry in listed if entry.get("keypoints")]
    if named:
        return named
    counts: dict[object, Counter[int]] = {}
    for annotation in content["annotations"]:
        flat, number = annotation.get("keypoints"), annotation.get("category_id")
        if isinstance(flat, list) and len(flat) >= 3 and isinstance(number, int | str | None):
            counts.setdefault(number, Counter())[len(flat) // 3] += 1
    if not counts:
        raise InputError(f"{path}: no category and no annotation has keypoints; expected COCO keypoints")
    known = {entry["id"]: entry for entry in listed if isinstance(entry["id"], int | str)}
    return [{"id": i, **known.get(i, {}), "keypoints": found.most_common(1)[0][0]} for i, found in counts.items()]


def _choose(path: Path, categories: list[dict], wanted: str | None) -> dict:
    names = [str(entry.get("name", entry["id"])) for entry in categories]
    if wanted is None:
        if len(categories) > 1:
            raise InputError(f"{path}: {len(names)} categories have keypoints ({', '.join(names)}); choose: --category")
        return categories[0]
    found = [entry for entry, name in zip(categories, names) if wanted == name]
    found = found or [entry for entry in categories if wanted == str(entry["id"])]
    if not found:
        raise errors.unknown("category", wanted, names)
    if len(found) > 1:
        ids = ", ".join(str(entry["id"]) for entry in found)
        raise InputError(f"{path}: {len(found)} categories are called {wanted!r}; choose by id: {ids}")
    return found[0]


def _edges(skeleton: object, count: int) -> tuple[list[tuple[int, int]], list[str]]:
    """COCO counts from 1; who writes a 0 counts from 0. Edges to nowhere are left out."""
    pairs = [pair for pair in skeleton if _is_pair(pair)] if isinstance(skeleton, list) else []
    first = 0 if any(0 in pair for pair in pairs) else 1
    shifted = [(a - first, b - first) for a, b in pairs]
    edges = list(dict.fromkeys(pair for pair in shifted if pair[0] != pair[1] and all(0 <= p < count for p in pair)))
    notes = ["skeleton: it has a point 0, so it was taken to count from 0 (COCO counts from 1)"] if not first else []
    lost = (len(skeleton) if isinstance(skeleton, list) else 1) - len(edges)
    if lost:
        notes.append(f"skeleton: {lost} entries left out: not two different points of {first} to {count - 1 + first}")
    return edges, notes


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(point) is int for point in pair)


def _words(name: object) -> tuple[str, ...]:
    return tuple(word.lower() for word in _WORDS.findall(str(name)))


def _mirrored(words: tuple[str, ...]) -> tuple[str, ...]:
    """Left for right in every word; 'lefteye' is one word."""
    return tuple(_OTHER.get(word) or re.sub("left|right", lambda side: _OTHER[side[0]], word) for word in words)


def _is_left(words: tuple[str, ...]) -> bool:
    """Whether the first side that the words name is left."""
    sides = (re.search("left|right", word) or re.fullmatch("[lr]", word) for word in words)
    return next((side[0][0] == "l" for side in sides if side), False)


def _spare_inputs(outputs: Sequence[Path], inputs: Sequence[Path]) -> None:
    known = {path.resolve() for path in inputs}
    for path in outputs:
        if path.resolve() in known:
            raise InputError(f"{path}: is one of the files that are read; choose another --out")


def _tell(layout: Layout, guessed: str = "", notes: Sequence[str] = ()) -> None:
    boundary = f", {counted(len(layout.curves), 'curves')} for the boundary channel" if layout.curves else ""
    lines = [
        f"{counted(layout.points, 'points')}, {counted(len(layout.edges), 'edges')}{boundary}",
        *about_pairs(layout, guessed),
    ]
    if not layout.flip_pairs:
        found = "no name has a partner on the other side" if guessed else "no flip pairs"
        lines.append(f"{found}; training mirrors pictures, so write flip_pairs, or train with --flip 0")
        lines += [
            f"{name} has {layout.points} points too: where yours are the same in the same order, take --layout {name}"
            for name, known in layouts.table().items()
            if known.points == layout.points and known != layout
        ]
    others = [name for name in layout.normalisers if name != layout.default_normaliser]
    also = f"; also by {', '.join(others)}" if others else ""
    pck = f"; PCK at {layout.pck:g} of it" if layout.pck else ""
    for line in [
        *lines,
        *notes,
        f"errors are divided by {layout.default_normaliser}: {_normaliser(layout)}{also}{pck}",
    ]:
        print("\n".join(textwrap.wrap(errors.printable(line), 120, subsequent_indent="  ", break_on_hyphens=False)))


def _normaliser(layout: Layout) -> str:
    value = layout.normalisers[layout.default_normaliser]
    if isinstance(value, tuple):
        return f"the distance from {_names(layout, value[0])} to {_names(layout, value[1])}"
    return {
        "landmarks": "the root of the area of the points' box",
        "diagonal": "the diagonal of the points' box",
        "dataset": "the root of the area of the annotation's box",
    }[value]


def _names(layout: Layout, points: Sequence[int]) -> str:
    if len(points) == layout.points > 2:
        return f"all {layout.points}"
    return ", ".join(layout.names[point] if layout.names else str(point) for point in points)


def _pairs(layout: Layout) -> str:
    return ", ".join("/".join(layout.names[p] if layout.names else str(p) for p in pair) for pair in layout.flip_pairs)


def _say(text: str) -> None:
    print(errors.printable(text))
