"""python -m compress: a run into a smaller one. Each verb is a module with EXAMPLE, add_arguments and main."""

from __future__ import annotations

import sys

from edgewing import verbs

VERBS = {
    "distill": (
        "compress.distill",
        "train a student from teachers, with labels, their heatmaps and the labels they make",
    ),
    "prune": ("compress.finetune", "remove channels and fine-tune, the run itself as teacher"),
    "quantize": ("compress.quantize", "choose the ranges of int8, and what stays in float"),
    "qat": ("compress.qat", "fine-tune a run in int8, the run itself as teacher"),
}


def main(argv: list[str] | None = None) -> int:
    return verbs.main("compress", "Make a run smaller, and faster on a device.", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
