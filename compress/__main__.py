"""python -m compress: a run into a smaller one. Each verb is a module with EXAMPLE, add_arguments and main."""

from __future__ import annotations

import sys

from edgewing import commands, verbs

VERBS = {
    "distill": (
        "compress.distill",
        "train a student from teachers, with labels, their heatmaps and the labels they make",
    ),
    "prune": ("compress.finetune", "remove channels and fine-tune, the run itself as teacher"),
    "quantize": ("compress.quantize", "choose the ranges of int8, and what stays in float"),
    "qat": ("compress.qat", "fine-tune a run in int8, the run itself as teacher"),
}


def main(arguments: list[str] | None = None) -> None:
    argv = sys.argv[1:] if arguments is None else arguments
    parser = verbs.parser("compress", "Make a run smaller, and faster on a device.", VERBS, argv)
    with commands.command(parser, argv) as options:
        sys.exit(verbs.run(options))


if __name__ == "__main__":
    main()
