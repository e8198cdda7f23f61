"""The Adaptive Wing loss, the Weighted Loss Map, and the baselines by name (arXiv 1904.07399, equations 3 to 6).

    loss = heatmap_loss(outputs, targets, weights)          # every stack, summed; a scalar

Losses work in float32 at least: half types are widened, so they stay finite under autocast.
B batch, C channels, H, W heatmap rows and columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

OMEGA, THETA, EPSILON, ALPHA = 14.0, 0.5, 1.0, 2.1
# Feng et al.'s omega 10 and epsilon 2 are for errors in pixels; on heatmaps in [0, 1] these.
WING_OMEGA, WING_EPSILON = 0.5, 0.05


class _AdaptiveWing(torch.autograd.Function):
    """Value and slope in one pass.

    The slope is written out because autograd's is not: (d / epsilon)^k has the derivative k d^(k-1) / epsilon^k, which
    at d = 0 must be 0, and the exponent k = alpha - y depends on the target only, so nothing flows back through it.
    """

    @staticmethod
    def forward(ctx, prediction, target, omega, theta, epsilon, alpha):
        difference = target - prediction
        d = difference.abs()
        k = alpha - target
        # Powers as exp(k log .): cheaper than pow, and at d = 0 exactly 0, since k > 0.
        q = (d / epsilon).log_().mul_(k).exp_()  # (d / epsilon)^k
        edge = (k * math.log(theta / epsilon)).exp_()  # (theta / epsilon)^k
        slope_far = k.mul_(omega / theta) * edge / (1 + edge)  # A; k now holds omega k / theta
        offset = theta * slope_far - omega * edge.log1p_()  # C
        near = d < theta
        loss = torch.where(near, q.log1p() * omega, slope_far * d - offset)
        # omega k d^(k-1) / (epsilon^k + d^k); d is kept off 0 only inside the quotient, where q is 0 already.
        slope_near = k.mul_(theta).mul_(q).div_(q.add_(1)).div_(d.clamp_(min=torch.finfo(d.dtype).tiny))
        ctx.save_for_backward(torch.where(near, slope_near, slope_far).mul_(difference.sign_().neg_()))
        return loss

    @staticmethod
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return gradient * slope, None, None, None, None, None


def adaptive_wing(
    prediction: Tensor,
    target: Tensor,
    omega: float = OMEGA,
    theta: float = THETA,
    epsilon: float = EPSILON,
    alpha: float = ALPHA,
) -> Tensor:
    """Element by element, for target pixels y in [0, 1]: with d = |y - p| and k = alpha - y,

        omega ln(1 + (d / epsilon)^k)   where d < theta,     A d - C   beyond,

    A and C making value and slope continuous at theta. The gradient goes to ``prediction`` alone; ``target`` is a
    constant. Same shape in and out; float32 unless both are float64.
    """
    prediction, target = _widen(prediction, target)
    return _AdaptiveWing.apply(prediction, target, omega, theta, epsilon, alpha)


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """d^2, element by element."""
    prediction, target = _widen(prediction, target)
    return (target - prediction) ** 2


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """d, element by element."""
    prediction, target = _widen(prediction, target)
    return (target - prediction).abs()


def wing(prediction: Tensor, target: Tensor, omega: float = WING_OMEGA, epsilon: float = WING_EPSILON) -> Tensor:
    """Feng et al., CVPR 2018: omega ln(1 + d / epsilon) where d < omega, else d - omega + its value there."""
    prediction, target = _widen(prediction, target)
    d = (target - prediction).abs()
    near = omega * torch.log1p(d / epsilon)
    return torch.where(d < omega, near, d - omega + omega * torch.log1p(torch.tensor(omega / epsilon)).item())


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "adaptive_wing": adaptive_wing,
    "mse": mse,
    "l1": l1,
    "wing": wing,
}


def heatmap_loss(
    outputs: list[Tensor],
    target: Tensor,
    mask: Tensor | None,
    name: str,
    weight: float,
    counted: Tensor | None = None,
    constants: Mapping[str, float] | None = None,
) -> Tensor:
    """Mean over all pixels, channels and samples of loss * (weight * mask + 1); the stacks' losses are added.

    outputs: one (B, C, H, W) per stack. target: (B, C, H, W). mask: (B, C, H, W) bool, or None for no map.
    counted: (B, C) bool, the channels that have a term (GroundTruth.counted); all without it. The mean is still over
    all of them: a face with few points weighs less, and the workers of a batch need not know each other's counts.
    constants: what the loss of that name is given (Recipe.loss_constants); its own without it.
    """
    function = functools.partial(LOSSES[name], **constants or {})
    total = torch.zeros((), dtype=torch.float32, device=target.device)
    for output in outputs:
        loss = function(output, target)
        of_channels = loss.mean(dim=(2, 3))
        if mask is not None:  # mean(loss * (weight * mask + 1))
            of_channels = of_channels + weight * (loss * mask).mean(dim=(2, 3))
        total = total + (of_channels if counted is None else of_channels * counted).mean()
    return total


def _widen(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one floating type of at least 32 bits, whatever autocast says."""
    kind = torch.promote_types(torch.promote_types(prediction.dtype, target.dtype), torch.float32)
    return prediction.to(kind), target.to(kind)
