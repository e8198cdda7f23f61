"""python -m train: fit a network to labelled faces."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Collection
from pathlib import Path

from edgewing import errors, hints, layouts
from edgewing.outputs import Output
from train import ablate, layout_new, recipes
from train.options import add_fields, from_options
from train.recipes import Recipe
from train.runs import ABOUT, run_folder

EXAMPLE = """examples:
  python -m train fit drawn --layout 300w-68 --recipe demo --run demo
  python -m train fit data/lfpw/trainset data/ytf/train --layout 300w-68 --recipe mobile --run first --steps 3000
  torchrun --nproc-per-node 2 -m -- train fit data/WFLW --layout wflw-98 --recipe paper-wflw --run paper
"""


def main(arguments: list[str] | None = None) -> int | None:
    """0 or None: done. 1: `data check` found something missing. 2 (by exit): the input was wrong."""
    parser = argparse.ArgumentParser(
        "python -m train", description="Train networks for landmarks, of faces or of your own objects."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    fit = verbs.add_parser(
        "fit",
        help="train a network on folders of labelled pictures",
        description="Train a network on folders of labelled pictures (or on `drawn` faces) and write a run folder.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fit.add_argument(
        "data", nargs="+", metavar="DIR", help="folders of a public set (docs/datasets.md) or of .pts files, or `drawn`"
    )
    fit.add_argument("--layout", default="300w-68", help=f"{', '.join(layouts.table())} (default: %(default)s)")
    fit.add_argument(
        "--recipe", default="mobile", help=f"{', '.join(recipes.RECIPES)}, or a run's path (default: %(default)s)"
    )
    fit.add_argument("--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished run goes on")
    fit.add_argument(
        "--initial",
        metavar="RUN",
        help="start from this run's weights, or `imagenet` for --network lite0 (default: a new network)",
    )
    fit.add_argument("--cache", type=Path, default=Path("cache"), help="of decoded pictures (default: %(default)s)")
    fit.add_argument("--debug", action="store_true", help="show the traceback of an error")
    add_fields(fit)
    ablation = verbs.add_parser(
        "ablate",
        help=ablate.PURPOSE,
        description=f"{ablate.PURPOSE[0].upper()}{ablate.PURPOSE[1:]}: rows, a table and a plot. A killed one goes on.",
        epilog=ablate.EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ablate.add_arguments(ablation)
    ablation.add_argument("--debug", action="store_true", help="show the traceback of an error")
    add_fields(ablation)
    packed = verbs.add_parser(
        "pack",
        help="a run's weights as one small file",
        description="Write a run's weights as fp16 safetensors, recipe and contract inside, for a repository to keep.",
        epilog="example:\n  python -m train pack runs/first --out models/first.safetensors",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    packed.add_argument("source", metavar="RUN", help=ABOUT)
    packed.add_argument("--out", type=Output, required=True, metavar="FILE", help="written here; loads as a run does")
    packed.add_argument("--debug", action="store_true", help="show the traceback of an error")
    moved = verbs.add_parser(
        "offsets",
        help="how far the labels of data sets lie from where a run says, to one side and by point",
        description="A network trained on mirrored pictures cannot learn that all labels lie a little to the right, so "
        "the mean\ndistance of labels from its predictions, averaged with those of the mirrored picture, is just that.",
        epilog="examples:\n  python -m train offsets runs/first data/lfpw/trainset data/ytf/train\n"
        "  python -m train offsets runs/first data/other --out offsets.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    moved.add_argument("source", metavar="RUN", help=f"{ABOUT}; trained with mirrored pictures")
    moved.add_argument("data", nargs="+", metavar="DIR", help="folders of labelled pictures")
    moved.add_argument("--out", type=Output, metavar="FILE", help="write each point's x and y here, for --offsets")
    moved.add_argument("--debug", action="store_true", help="show the traceback of an error")
    data = verbs.add_parser("data", help="what lies in folders of public sets, and what is missing")
    checked = data.add_subparsers(dest="action", required=True).add_parser(
        "check",
        help="count pictures and labels of each split against the official counts",
        description="Recognise WFLW, 300W, 300VW, Menpo, COFW, COFW-68, AFLW-19 and LSP in folders, count the pictures "
        "and labels of each\nsplit against the official counts, name what is missing and where its owners publish it. "
        "Nothing is downloaded.\nExit code 0: all is there; 1: something is missing; 2: no data set in a folder.",
        epilog="example:\n  python -m train data check data/WFLW data/300W data/COFW",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checked.add_argument(
        "folders", nargs="+", metavar="DIR", help="where a set, or several, were unpacked, or an annotation file"
    )
    checked.add_argument("--debug", action="store_true", help="show the traceback of an error")
    layout_new.add_arguments(verbs.add_parser("layout", help="propose a layout of your own points, or show one"))
    with errors.command(parser, arguments) as options:
        if options.verb == "layout":
            return layout_new.run(options)
        if options.verb == "data":
            return check_data(options.folders)
        if options.verb == "pack":
            pack(options.source, Path(options.out))
            return None
        if options.verb == "offsets":
            from train.offsets import tell

            tell(options.source, options.data, options.out and Path(options.out))
            return None
        layout = layouts.given(options.layout)
        recipe = from_options(recipes.get(options.recipe), options, data=tuple(options.data), layout=layout)
        if options.verb == "ablate":
            ablate.main(options, recipe, run_folder(options.run), arguments)
            return None
        given = {name for name in recipes.NETWORK if getattr(options, name, None) is not None}
        run(recipe, run_folder(options.run), options.cache, options.initial, given)
    return None


def _short(value):
    """A field's value for a line to read: not every number of offsets by point."""
    if isinstance(value, dict):
        return {k: f"{len(v)} numbers" if isinstance(v, tuple) and len(v) > 2 else v for k, v in value.items()}
    return value


def check_data(folders: list[str]) -> int:
    """What lies in the folders, on the terminal; 1 where something is missing."""
    from train.data import check

    findings = []
    for folder in folders:
        found = check.check(folder)
        check.show(found)
        findings += found
    lacking = [f.dataset.name for f in findings if not f.complete]
    compared = any(f.dataset for f in findings)
    whole = "complete" if compared else "no official count to compare with"
    print(f"incomplete: {', '.join(lacking)}; nothing was downloaded" if lacking else whole)
    print(hints.next_line(check.advice(findings[0])))
    return 1 if lacking else 0


def pack(source: str, out: Path) -> None:
    """The weights in half precision; the contract's sha256 becomes that of the rounded weights."""
    from train.checkpoint import digest, load_model, save_model

    network, recipe, contract = load_model(source)
    network = network.half()
    # The folders of the machine that trained are nobody else's; the last two parts are the sources' names.
    recipe = dataclasses.replace(recipe, data=tuple("/".join(Path(place).parts[-2:]) for place in recipe.data))
    provenance = dataclasses.replace(contract.provenance, weights_sha256=digest(network))
    save_model(out, network, recipe, contract.replace(provenance=provenance))
    print(f"wrote {out}: {out.stat().st_size / 1e6:.2f} MB")
    print(hints.next_line("edgewing info", out))


def run(recipe: Recipe, folder: Path, root: Path, initial: str | None = None, given: Collection[str] = ()) -> None:
    """Read, cache, train; from the weights of the run ``initial`` where one is named, whose network comes along but for
    the fields ``given``."""
    from train.initial import start
    from train.loop import Workers, fit
    from train.sources import open_cache

    with Workers.join() as workers:
        say = print if workers.rank == 0 else (lambda text: None)
        network, credits = None, None
        if initial:
            recipe, network, credits = start(initial, recipe, given, say)
        cache = open_cache(recipe, root, workers, say)
        changed = {
            f.name: getattr(recipe, f.name)
            for f in dataclasses.fields(Recipe)
            if getattr(recipe, f.name) != getattr(recipes.get(recipe.name), f.name)
        }
        say(
            f"recipe {recipe.name}"
            + "".join(f", {k} {_short(v)}" for k, v in changed.items())
            + f"; on {workers.device}"
        )
        fit(recipe, cache, folder, workers, network, say=say, credits=credits)
        if workers.rank == 0:
            from train.preview import draw_run

            for path in draw_run(folder, cache):
                say(f"wrote {path}")
            say(f"wrote {folder}/model.safetensors")
            say(hints.next_line("python -m compress prune", folder, "--run", f"{folder.name}-s"))


if __name__ == "__main__":
    sys.exit(main())
