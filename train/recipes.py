"""Recipes: every setting of a training run, by name; the only configuration there is.

A recipe is saved as JSON in its run, and each field can be overridden on the command line (``--steps 500``).
Adding one is one entry in ``RECIPES``.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path

from edgewing import layouts
from edgewing.decoding import Decode
from edgewing.errors import InputError, unknown
from edgewing.layouts import Layout
from edgewing.words import counted
from train.data.crops import CROPS
from train.data.frames import FRAMES

MOST_CHANNELS = 4096
# Of every number, lowest and highest value. The upper ends are far beyond use: they keep a file from outside from
# asking for all memory, or for a training that never ends.
SMALLEST = 1e-12
RANGES = {
    "drawn": (1, 10**7), "validation": (0, 0.9), "seed": (0, 2**31 - 1), "lateral": (-0.5, 0.5), "stacks": (1, 8),
    "width": (0.1, 8), "features": (0, MOST_CHANNELS), "input_size": (32, 1024), "heatmap_size": (0, 512),
    "fused": (0, 5), "sigma": (0.1, 20), "hidden": (0.01, 1),
    "omega": (1e-3, 1e4), "theta": (1e-3, 1), "epsilon": (1e-3, 100), "alpha": (1.001, 10),
    "weight": (0, 1e4), "coordinate_loss": (0, 1e4), "distillation": (0, 1),
    "rotation": (0, 180), "scale": (0, 0.9), "shift": (0, 1), "flip": (0, 1), "light": (0, 1), "grey": (0, 1),
    "blur": (0, 1), "low_resolution": (0, 1), "noise": (0, 1), "occlusion": (0, 1),
    "learning_rate": (SMALLEST, 10), "weight_decay": (0, 10),
    "warmup": (0, 10**7), "minutes": (0, 10**6), "steps": (0, 10**9), "epochs": (0, 10**6), "batch": (1, 2**16),
    "ema": (0, 1 - SMALLEST),
    "clip": (0, 1e9), "evaluate_every": (1, 10**9), "threshold": (0, 0.99), "power": (1, 16),
}  # fmt: skip
OLD_NAMES = {"rate": "learning_rate", "weights": "sampling"}  # of fields, in recipes and options of older runs
DRAWN = {"drawn": "cartoons", "heads": "heads"}  # what data are named that train.data.drawn draws, and their kind
LOSSES = ("adaptive_wing", "mse", "l1", "wing")  # of train.loss
# The fields that say what the network is: with other values, weights do not fit.
NETWORK = (
    "network", "block", "stacks", "width", "features", "input_size", "heatmap_size", "boundary", "coordinates",
    "fused", "maps", "channels",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """All settings. Lengths are px of the network's crop unless a comment says otherwise.

    The comment behind a field, or in the lines above it, is what `--help` prints; one behind a blank line begins a
    section (train.options).
    """

    name: str
    layout: str | Layout = "300w-68"  # a name, or a layout of one's own, which the recipe carries whole

    # data
    data: tuple[str, ...] = ()  # folders, or `drawn` (cartoons), or `heads` (drawn human heads)
    unlabelled: tuple[str, ...] = ()  # folders of pictures that teachers label (compress distill)
    corrected: tuple[str, ...] = ()  # sources of data whose labels teachers replace
    note: str = ""  # what else the contract says of the data, such as what the weights must not be scored on
    terms: str = ""  # of data of one's own: what their owners allow, in a sentence for the contract
    sampling: dict[str, float] = field(default_factory=dict)  # source -> how often its faces come; 1 if absent
    drawn: int = 3000  # faces that `drawn` or `heads` draws
    fresh: bool = False  # other drawn faces at every step, drawn as it trains; those of --drawn only measure it
    crop: str = "gtbox"  # gtbox | provided (the dataset's boxes) | released (as the paper's code): train.data.crops
    # upright | stored: points of the pixels before EXIF turns a picture (train.data.frames)
    points_frame: str = "upright"
    validation: float = 0.05  # share of groups (identities) kept out of training
    seed: int = 0  # of everything random
    # How far labels lie from where mirrored pictures say, as a share of the crop's side (python -m train offsets):
    # source -> one number, all points to the right; or x and y of each point; `lateral` if absent
    offsets: dict[str, float | tuple[float, ...]] = field(default_factory=dict)
    lateral: float = 0.0  # how far to the right the network's points shall lie; mirroring keeps them there
    # All sources but the first learn where their points lie from the first's, starting at their offsets: data sets mark
    # differently, and mixing them blindly blurs all. What was learnt is written to offsets.json, no weight has it.
    learn_offsets: bool = False

    # network (train.model)
    network: str = "mobile"  # mobile | paper | lite0 (a teacher: train.lite0)
    block: str = "inverted"  # mobile network only: inverted | hierarchical
    stacks: int = 1  # hourglasses, one after the other
    width: float = 1.0  # multiplies the mobile network's channels
    features: int = 0  # channels that the mobile network's heatmaps are read from; 0: those of its finest maps
    fused: int = 0  # levels of the mobile network, from the finest, whose blocks have no depthwise convolution
    maps: tuple[int, ...] = ()  # channels of its levels, the finest first (1/4, 1/8, ...); empty: by width
    input_size: int = 160  # side of the crop
    heatmap_size: int = 0  # cells; 0: a quarter of the input
    boundary: bool = True  # the boundary as last channel, where the layout has curves
    coordinates: bool = True  # CoordConv: the network is told where in the crop it is
    channels: dict[str, tuple[int, int]] = field(default_factory=dict)  # convolution -> (in, out), written by pruning

    # ground truth (train.heatmaps)
    targets: str = "subpixel"  # subpixel | cell (the paper's)
    sigma: float = 1.5  # cells; of landmark Gaussians. The paper's is 1.75
    # Points of visibility 0, such as the far side of a profile: `ignore` gives their heatmaps no term in the loss,
    # `empty` trains them to be empty, so that a score says whether a point is there.
    absent: str = "ignore"  # ignore | empty
    hidden: float = 1.0  # height of the heatmap of a point of visibility 1, hidden but marked; 1: as one that is seen

    # loss (train.loss)
    loss: str = "adaptive_wing"  # adaptive_wing | mse | l1 | wing
    omega: float = 14.0  # of adaptive_wing alone, as are the next three
    theta: float = 0.5  # difference from which the loss is a line
    epsilon: float = 1.0  # of small differences: how curved the loss is
    alpha: float = 2.1  # above 2; alpha less the pixel is its exponent
    weight_map: str = "dilated"  # dilated | base (undilated, the ablation's) | none
    weight: float = 10.0  # W of the weighted loss map
    # Where the paper and its released code differ: paper has H^d >= 0.2 for all channels, released has > 0.2 for
    # landmarks and > 0.2 / 255 for the boundary, which makes 7 rows around a line of the paper's 5.
    mask: str = "paper"  # paper | released
    boundary_mask: str = "paper"  # paper | released, as for `mask`
    coordinate_loss: float = 0.0  # weight of the decoded landmarks' error beside the heatmaps'; 0 is the paper
    distillation: float = 0.5  # share of a teacher's heatmaps in the loss, where there is a teacher (train.teacher)

    # augmentation (train.augment); all uniform within +- the number unless said
    rotation: float = 35.0  # degrees of turn
    scale: float = 0.15  # share of the crop's side
    shift: float = 0.08  # share of the crop's side
    flip: float = 0.5  # probability
    light: float = 0.35  # strength of brightness, contrast, colour, gamma changes; 0 for none
    grey: float = 0.1  # probability of a grey picture
    blur: float = 0.25  # probability of Gaussian blur
    low_resolution: float = 0.25  # probability of fewer pixels, as of small faces
    noise: float = 0.25  # probability of sensor noise
    occlusion: float = 0.4  # probability of a covered rectangle

    # optimisation (train.loop)
    optimiser: str = "adamw"  # adamw | rmsprop
    learning_rate: float = 2e-3  # at its highest
    weight_decay: float = 0.05  # share of each weight that a step takes off, times the learning rate
    schedule: str = "cosine"  # cosine | step (divided by 10 at each of `milestones`)
    milestones: tuple[float, ...] = (1 / 3, 2 / 3)  # shares of the run
    warmup: int = 100  # steps in which the learning rate rises from 0
    minutes: float = 0.0  # above 0: as many steps as that takes, whatever `steps` and `epochs` say; not repeatable
    steps: int = 0  # of one batch; 0: from epochs
    epochs: float = 100.0  # of the faces as weighted
    batch: int = 32  # faces per step, over all workers together
    ema: float = 0.998  # decay of the averaged weights that are evaluated and saved; 0 for none
    clip: float = 1.0  # largest norm of the gradient; 0 for none
    precision: str = "fp32"  # fp32 | bf16 | fp16: autocast of the network; the loss is always fp32
    compile: bool = False  # by torch.compile: slow to begin, then faster on a GPU
    channels_last: bool = True  # order of the pictures in memory
    evaluate_every: int = 500  # steps from one evaluation to the next

    # decode (edgewing.decoding), kept in the contract
    decode: str = "centroid"  # centroid | quarter (the paper's)
    threshold: float = 0.4  # of the centroid, relative to a landmark's maximum
    power: int = 2  # of the centroid

    @property
    def unlabelled_names(self) -> list[str]:
        """The sources' names of ``unlabelled``, made as those of labelled folders are."""
        return ["/".join(Path(folder).resolve().parts[-2:]) for folder in self.unlabelled]

    @property
    def cells(self) -> int:
        """Heatmap rows and columns."""
        return self.heatmap_size or self.input_size // 4

    @property
    def stride(self) -> float:
        """Crop pixels per heatmap cell."""
        return self.input_size / self.cells

    @property
    def has_boundary(self) -> bool:
        return self.boundary and layouts.get(self.layout).has_boundary

    @property
    def loss_constants(self) -> dict[str, float]:
        """What the function of ``loss`` is given by name."""
        names = ("omega", "theta", "epsilon", "alpha") if self.loss == "adaptive_wing" else ()
        return {name: getattr(self, name) for name in names}

    @property
    def how(self) -> Decode:
        return Decode(self.decode, self.threshold, self.power)


def _paper(name: str, layout: str, **fields) -> Recipe:
    """arXiv 1904.07399 (method.md section 6): RMSprop without momentum, 240 epochs, the rate divided by 10 after 80
    and 160. Where the paper is silent it is ours: the batch of 16, the amounts of blur, noise and occlusion, and the
    5 % of groups kept out to see how the run does (`--validation` says otherwise). Where the released code differs the
    default is the paper's: `--crop released`, `--mask released`, `--boundary-mask released`.
    """
    return Recipe(
        name, layout, network="paper", stacks=4, input_size=256, targets="cell", sigma=1.75,
        optimiser="rmsprop", learning_rate=1e-4, weight_decay=1e-5, schedule="step", warmup=0, epochs=240, batch=16,
        ema=0.0, clip=0.0, rotation=50.0, scale=0.15, shift=25 / 256, flip=0.5,
        # the paper augments neither colour nor resolution; amounts of blur, noise, occlusion are not stated: ours
        light=0.0, grey=0.0, low_resolution=0.0,
        decode="quarter", **fields,
    )  # fmt: skip


def _ours(name: str, layout: str, **fields) -> Recipe:
    """The paper's with what measurement supports, and nothing else. Gains are points of NME over three seeds on 256
    held-out faces of LFPW and HELEN (bench/results/ablation.jsonl, the table `departures`), from 12.81 %: a small
    network seen early in its training, which is the only size measured.
    """
    return dataclasses.replace(
        _paper(name, layout, **fields),
        decode="centroid",  # -1.39 +- 0.65 against the quarter shift; heatmaps and weights are the same
        rotation=30.0,  # -2.05 +- 0.48 against 50 degrees; both together 9.25
    )
    # Not taken, since they were no better: AdamW with a cosine (+0.40 +- 0.48), averaged weights (0.00 +- 0.17),
    # sub-pixel targets (+0.15 +- 1.07 on top of the centroid), the coordinate loss (+1.35 +- 0.74), light and colour
    # (+0.64 +- 0.43). What only pays late in a training may yet: `python -m bench ablate --table departures`, longer.


RECIPES: dict[str, Recipe] = {
    r.name: r
    for r in (
        _paper("paper-wflw", "wflw-98"),
        _paper("paper-300w", "300w-68"),
        _paper("paper-cofw", "cofw-29", crop="provided"),  # COFW is cropped from its own boxes
        _paper("paper-lsp", "lsp-14", boundary=False),
        _ours("wflw", "wflw-98"),
        _ours("300w", "300w-68"),
        _ours("cofw", "cofw-29", crop="provided"),
        # The default: 160 px; what it costs stands in its contract.
        Recipe("mobile"),
        # A teacher: slow, and from ImageNet's weights (--initial imagenet).
        Recipe(
            "teacher",
            network="lite0",
            input_size=224,
            features=96,
            coordinate_loss=0.25,
            rotation=30.0,
            learning_rate=1e-3,
        ),
        # For phones, where time counts most: the network of edgewing-s and edgewing-98.
        Recipe("small", input_size=128, width=0.75, coordinate_loss=0.25, rotation=30.0),
        # Small enough to train within `make demo`: minutes on two cores.
        Recipe(
            "demo",
            input_size=128,
            width=0.75,
            steps=250,
            learning_rate=6e-4,
            warmup=25,
            evaluate_every=125,
            drawn=1400,
            validation=0.2,  # one head that nobody can read is then less than 1 % of the points that gates look at
            absent="empty",
            hidden=0.6,
            coordinate_loss=1.0,
            ema=0.99,
        ),  # fmt: skip
    )
}


def get(name: str) -> Recipe:
    """The recipe of that name, or of a run that is named by its path (``runs/first``), pruned widths and all.

    InputError with the nearest name if there is none."""
    if (Path(name) / "recipe.json").is_file():
        return load(Path(name))
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]


def replace(recipe: Recipe, **fields) -> Recipe:
    """A checked copy with other fields."""
    return check(dataclasses.replace(recipe, **fields))


def check(recipe: Recipe) -> Recipe:
    """The recipe itself if its fields agree; else one InputError that names every problem."""
    if problems := [*_out_of_range(recipe), *_contradictions(recipe)]:
        raise InputError(f"recipe {recipe.name}: {'; '.join(problems)}")
    return recipe


def _out_of_range(recipe: Recipe) -> list[str]:
    choices = {
        "network": ("mobile", "paper", "lite0"), "block": ("inverted", "hierarchical"), "targets": ("subpixel", "cell"),
        "loss": LOSSES, "weight_map": ("dilated", "base", "none"),
        "optimiser": ("adamw", "rmsprop"), "schedule": ("cosine", "step"), "precision": ("fp32", "bf16", "fp16"),
        "decode": ("centroid", "quarter"), "crop": tuple(CROPS), "mask": ("paper", "released"),
        "boundary_mask": ("paper", "released"), "points_frame": FRAMES, "absent": ("ignore", "empty"),
    }  # fmt: skip
    problems = [
        f"{key} {getattr(recipe, key)!r} is not one of {', '.join(known)}"
        for key, known in choices.items()
        if getattr(recipe, key) not in known
    ]
    problems += [
        f"{key} {value:g} is not in {low:g}..{high:g}"
        for key, (low, high) in RANGES.items()
        if not low <= (value := getattr(recipe, key)) <= high
    ]
    for what, (low, high) in {"sampling": (0, 1e6), "offsets": (-0.5, 0.5)}.items():
        for name, values in getattr(recipe, what).items():
            values = values if isinstance(values, tuple) else (values,)
            problems += [f"{what} of {name}: {v:g} is not in {low:g}..{high:g}" for v in values if not low <= v <= high]
    if not all(0 <= share <= 1 for share in recipe.milestones):
        problems.append(f"milestones {recipe.milestones} are not shares of the run, in 0..1")
    if not all(1 <= v <= MOST_CHANNELS for v in recipe.maps):
        problems.append(f"maps {recipe.maps} are not all in 1..{MOST_CHANNELS}")
    if not all(1 <= v <= MOST_CHANNELS for sizes in recipe.channels.values() for v in sizes):
        problems.append(f"channels are not all in 1..{MOST_CHANNELS}")
    return problems


def _contradictions(recipe: Recipe) -> list[str]:
    points = layouts.get(recipe.layout).points
    problems = [
        f"offsets of {name}: {counted(len(values), 'numbers')}, expected one, or x and y of {counted(points, 'points')}"
        for name, values in recipe.offsets.items()
        if isinstance(values, tuple) and len(values) != 2 * points
    ]
    if recipe.learn_offsets and not recipe.coordinate_loss:
        problems.append("learn_offsets needs a coordinate_loss above 0, which is what offsets are learnt by")
    if recipe.fresh and (len(recipe.data) != 1 or recipe.data[0] not in DRAWN):
        problems.append(f"fresh draws faces as it trains; train on {' or '.join(DRAWN)} alone")
    if recipe.fresh and recipe.steps <= 0 and not recipe.minutes:
        problems.append("fresh faces have no epochs; say how long to train with steps or minutes")
    if recipe.steps <= 0 and recipe.epochs <= 0:
        problems.append("steps and epochs are both 0; say how long to train")
    if recipe.network == "paper" and recipe.input_size % 64:
        problems.append(f"input_size {recipe.input_size} is not a multiple of 64, which the paper's network needs")
    if recipe.network == "lite0" and (recipe.input_size % 32 or recipe.cells * 4 != recipe.input_size):
        problems.append(
            f"input_size {recipe.input_size}: lite0 needs a multiple of 32, and heatmaps of a quarter of it"
        )
    if recipe.network == "mobile" and not 64 <= recipe.input_size <= 512:
        problems.append(f"input_size {recipe.input_size} is not in 64..512")
    if recipe.input_size % 8 or recipe.cells not in (recipe.input_size // 4, recipe.input_size // 2):
        problems.append(f"heatmap_size {recipe.cells} is not a quarter or a half of input_size {recipe.input_size}")
    return problems


def changes(before: Recipe, now: Recipe) -> str:
    """The settings that bear on the weights and differ, with both values; '' where none does."""
    told = []
    for name in [one.name for one in dataclasses.fields(Recipe)]:
        values = getattr(before, name), getattr(now, name)
        if values[0] != values[1] and name not in ("name", "note", "terms", "evaluate_every"):
            was, new = (text if len(text := str(value)) <= 60 else f"{text[:60]} ..." for value in values)
            told.append(f"{name} was {was}, is {new}" if was != new else f"{name} {was} is not what it was")
    return "; ".join(told)


def dumps(recipe: Recipe) -> str:
    """The recipe as JSON text."""
    return json.dumps(dataclasses.asdict(recipe), indent=1)


def loads(text: str, where: str = "recipe") -> Recipe:
    """A recipe from JSON text. InputError names unknown fields and values of the wrong kind."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: not JSON ({error})") from None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InputError(f"{where}: not a recipe; expected an object with a name")
    hints = typing.get_type_hints(Recipe)
    value = {OLD_NAMES.get(key, key): v for key, v in value.items()}
    if "blur" in value:  # which both were once
        value = {"low_resolution": value["blur"]} | value
    for key in value:
        if key not in hints:
            raise unknown(f"field in {where}", key, hints)
    try:
        fields = {key: _cast(hints[key], v) for key, v in value.items() if key != "layout"}
        if isinstance(value.get("layout"), dict):
            fields["layout"] = layouts.parse(value["layout"], f"layout of {where}")
        elif "layout" in value:
            fields["layout"] = str(value["layout"])
        return check(Recipe(**fields))
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{where}: a field has a value of the wrong kind ({error})") from None


def load(path: Path) -> Recipe:
    """The recipe in a JSON file or a run folder."""
    path = path / "recipe.json" if path.is_dir() else path
    if not path.is_file():
        raise InputError(f"no recipe at {path}; expected a run folder made by `python -m train fit`")
    return loads(path.read_text(), str(path))


def _cast(hint, value):
    """JSON has no tuples and no int-valued floats."""
    if typing.get_origin(hint) is tuple:
        return tuple(typing.get_args(hint)[0](v) for v in value)
    if typing.get_origin(hint) is dict:
        of_list = int if hint == dict[str, tuple[int, int]] else float
        return {str(k): tuple(map(of_list, v)) if isinstance(v, list) else float(v) for k, v in value.items()}
    if hint is bool and not isinstance(value, bool):
        raise TypeError(f"{value!r} is not true or false")
    return hint(value)
