"""The graph that is deployed: image in, normalisation, network, decode, landmarks and scores out; or heatmaps.

Every target converts the same ``Deployable``, so that a difference between two artefacts is a difference of their
converters and kernels and of nothing else.

B batch, N landmarks, C heatmap channels (N, and the boundary last where the layout has one), H, W rows and
columns of the heatmaps, S side of the crop. Landmarks are in crop px, (0, 0) the centre of the top-left pixel.
"""

from __future__ import annotations

import copy
import dataclasses
import platform
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgewing import contract, decoding
from edgewing.errors import InputError
from edgewing.runtimes import Points
from train.blocks import BOUNDARY_LEVEL, CoordConv, Stack, StackedHourglass
from train.decode import Decode

LANDMARKS, SCORES, HEATMAPS = "landmarks", "scores", "heatmaps"  # the outputs' names in every container
OUTPUTS = {"landmarks": (LANDMARKS, SCORES), "heatmaps": (HEATMAPS,)}  # what --output means


@dataclass(frozen=True)
class Interface:
    """How a target hands images over, and what it gives back.

    axes: NHWC or NCHW. dtype: as the contract has it (image: CoreML's own). output: a key of OUTPUTS. batch: images at
    a time. A target has the first two; a job asks for the last two.
    """

    axes: str
    dtype: str
    name: str = "image"
    output: str = "landmarks"
    batch: int = 1

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return OUTPUTS[self.output]

    def shape(self, size: int) -> list[int]:
        return [self.batch, size, size, 3] if self.axes == "NHWC" else [self.batch, 3, size, size]

    def image(self, size: int) -> Tensor:
        """A black input, for a converter to trace with."""
        return torch.zeros(self.shape(size), dtype=torch.uint8 if self.dtype == "uint8" else torch.float32)

    def tensor(self, crops: np.ndarray) -> Tensor:
        """(B, S, S, 3) uint8 RGB -> what ``Deployable`` takes, in this interface's axes and type, 0 to 255."""
        images = torch.from_numpy(np.ascontiguousarray(crops))
        images = images if self.axes == "NHWC" else images.permute(0, 3, 1, 2).contiguous()
        return images if self.dtype == "uint8" else images.float()


class Deployable(nn.Module):
    """Images of crops -> landmarks (B, N, 2) in crop px and scores (B, N), or all heatmaps, by ``interface``.

    Heatmaps are (B, N, H, W), or (B, N + 1, H, W) of a network with a boundary, which is the last.

    The images are (B, S, S, 3) or (B, 3, S, S), values 0 to 255; the division by 255 is inside.
    """

    def __init__(self, network: nn.Module, decode: Decode, landmarks: int, cut: bool, size: int, interface: Interface):
        super().__init__()
        self.network, self.decode, self.landmarks, self.interface = network, decode, landmarks, interface
        self.size, self.cut = size, cut

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor] | Tensor:
        if self.interface.axes == "NHWC":
            image = image.permute(0, 3, 1, 2)
        heatmaps = self.network(image.float() * (1.0 / 255.0))[-1]
        if self.interface.output == "heatmaps":
            return heatmaps
        if self.cut:  # the boundary, where it was not left out of the head
            heatmaps = heatmaps[:, : self.landmarks]
        return self.decode(heatmaps)


class Ramp(nn.Module):
    """train.blocks.BoundaryMask, ``boundary > level``, as a ramp over 6 / 10,000 of the heatmap's range: XNNPACK takes
    neither GREATER nor the cast of its result, and fuses this into two operations."""

    def forward(self, boundary: Tensor) -> Tensor:
        return ((boundary - BOUNDARY_LEVEL) * 1e4).clamp(0.0, 6.0) * (1.0 / 6.0)


class ConstantCoordinates(CoordConv):
    """A CoordConv at one size: the coordinates' term is a constant map, but for what a boundary masks."""

    def __init__(self, coordconv: CoordConv, features: Tensor):
        nn.Module.__init__(self)
        self.conv, self.mask = coordconv.conv, None
        maps, weight = coordconv.coordinates(features), coordconv.coord.weight
        same = {"stride": coordconv.coord.stride, "padding": coordconv.coord.padding}
        self.register_buffer("constant", nn.functional.conv2d(maps, weight[:, :3], **same))
        if coordconv.mask is not None:
            self.mask = Ramp()
            self.masked = nn.Conv2d(2, weight.shape[0], weight.shape[2:], bias=False, **same)
            self.masked.weight = nn.Parameter(weight[:, 3:])
            self.register_buffer("maps", maps[:, :2])

    def forward(self, features: Tensor, boundary: Tensor | None = None) -> Tensor:
        out = self.conv(features) + self.constant
        return out if self.mask is None else out + self.masked(self.maps * self.mask(boundary))


def build(model: nn.Module, run: contract.Contract, interface: Interface) -> Deployable:
    """The deployable graph of a trained network: batch norms folded into convolutions, coordinates into constants.

    model: forward((B, 3, S, S) in [0, 1]) -> list of (B, C, H, W), one per stack; it is copied, not changed.
    run: the run's contract (layout, crop size, decode).
    """
    network = copy.deepcopy(model).float().eval()
    with torch.no_grad():
        _fold_batch_norms(network)
        _fold_coordinates(network, run.crop.size)
        if interface.output == "landmarks":
            _drop_last_boundary(network, run.layout.points)
    return plain(network, run, interface)


def plain(model: nn.Module, run: contract.Contract, interface: Interface = Interface("NHWC", "uint8")) -> Deployable:
    """The same graph around the network as it is, nothing folded: what artefacts are compared with."""
    size, n = run.crop.size, run.layout.points
    with torch.no_grad():
        heatmaps = model.float().eval()(torch.zeros(1, 3, size, size))[-1]
    if heatmaps.shape[1] < n:
        raise InputError(
            f"the network has {heatmaps.shape[1]} heatmaps, its contract {n} landmarks; train the run again"
        )
    decode = Decode(in_graph(run), *heatmaps.shape[-2:], run.decode.stride)
    return Deployable(model, decode, n, heatmaps.shape[1] > n, size, interface).eval()


def _fold_batch_norms(network: nn.Module) -> None:
    """Convolution, batch norm -> convolution, where they follow each other and nothing else reads between them."""
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for i in range(len(module) - 1):
                if isinstance(module[i], nn.Conv2d) and isinstance(module[i + 1], nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(module[i], module[i + 1]), nn.Identity()
        elif isinstance(module, Stack):
            module.conv_last, module.bn_end = fuse_conv_bn_eval(module.conv_last, module.bn_end), nn.Identity()


def _fold_coordinates(network: nn.Module, size: int) -> None:
    """Replace every CoordConv by its form for crops of this size, seen by running one."""
    seen: dict[CoordConv, Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(lambda module, arguments: seen.update({module: arguments[0]}))
        for module in network.modules()
        if isinstance(module, CoordConv)
    ]
    network(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    for name, module in list(network.named_modules()):
        if module in seen:
            network.set_submodule(name, ConstantCoordinates(module, seen[module]))


def _drop_last_boundary(network: nn.Module, landmarks: int) -> None:
    """Landmarks are decoded without the last stack's boundary: leave it out of the head."""
    if not isinstance(network, StackedHourglass):
        return
    head = network.stacks[-1].head
    if head.out_channels > landmarks:
        smaller = nn.Conv2d(head.in_channels, landmarks, head.kernel_size, padding=head.padding)
        smaller.weight, smaller.bias = nn.Parameter(head.weight[:landmarks]), nn.Parameter(head.bias[:landmarks])
        network.stacks[-1].head = smaller


def in_graph(run: contract.Contract) -> decoding.Decode:
    """The decode of artefacts, in the graph or after it: the run's centroid, or our default in place of the arg max."""
    return run.how() if run.decode.method == "centroid" else decoding.Decode()


def artefact_contract(
    run: contract.Contract, interface: Interface, form: str, precision: str, versions: dict[str, str]
) -> contract.Contract:
    """The contract of an artefact, from its run's. form: a name of edgewing.formats. versions: of what converted it."""
    size, n, batch = run.crop.size, run.layout.points, interface.batch
    how, maps = in_graph(run), [batch, *run.output("heatmaps").shape[1:]]
    parts = {
        LANDMARKS: contract.OutputPart(LANDMARKS, "landmarks", [batch, n, 2], "crop", "px", "float32"),
        SCORES: contract.OutputPart(SCORES, "scores", [batch, n], "none", "heatmap maximum, 0 to 1", "float32"),
        HEATMAPS: contract.OutputPart(HEATMAPS, "heatmaps", maps, "cell", "heat", "float32"),
    }
    return contract.check(
        run.replace(
            input=contract.InputPart(
                name=interface.name,
                shape=interface.shape(size),
                axes=interface.axes,
                dtype=interface.dtype,
                colour="RGB",
                range=[0.0, 255.0],
                normalisation="inside the graph: divided by 255",
            ),
            outputs=[parts[name] for name in interface.outputs],
            decode=dataclasses.replace(run.decode, in_graph=interface.output == "landmarks", **vars(how)),
            model=contract.ModelPart(
                run.model.name, run.model.recipe, form, precision, run.model.parameters, run.model.macs
            ),
            provenance=contract.ProvenancePart(
                run.provenance.commit,
                {
                    **run.provenance.versions,
                    "python": platform.python_version(),
                    "torch": torch.__version__,
                    **versions,
                },
                run.provenance.weights_sha256,
            ),
            parity=None,
        )
    )


def reference(model: nn.Module, run: contract.Contract, crops: np.ndarray, batch: int = 16) -> Points:
    """What the float torch model says of (F, S, S, 3) uint8 RGB crops: landmarks (F, N, 2) crop px, scores (F, N).

    Nothing is folded here: a fault of the folding shows as a fault of the artefact.
    """
    graph = plain(copy.deepcopy(model), run)
    with torch.inference_mode():
        parts = [graph(graph.interface.tensor(crops[i : i + batch])) for i in range(0, len(crops), batch)]
    landmarks, scores = (torch.cat(part).numpy() for part in zip(*parts))
    return Points(landmarks, scores)
