"""python -m train: from labelled pictures to a run. Each verb is a module with EXAMPLE, add_arguments and main."""

from __future__ import annotations

import sys

from edgewing import verbs

VERBS = {
    "fit": ("train.fit", "train a network on folders of labelled pictures"),
    "pack": ("train.pack", "a run's weights as one small file"),
    "offsets": (
        "train.offsets",
        "how far the labels of data sets lie from where a run says, to one side and by point",
    ),
    "expression": ("train.expression", "networks that read head pose, expression and gaze off landmarks"),
    "data": ("train.data.check", "what lies in folders of public sets, and what is missing"),
    "layout": ("train.layout_new", "propose a layout of your own points, or show one"),
}


def main(argv: list[str] | None = None) -> int:
    """1: `data check` found something missing."""
    return verbs.main("train", "Train networks for landmarks, of faces or of your own objects.", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
