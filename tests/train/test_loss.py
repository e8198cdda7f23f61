"""Expected values: vectors/adaptive_wing.json, computed at 50 digits from the paper's formula."""

import json
from pathlib import Path

import pytest
import torch

from train import loss, recipes

ROWS = json.loads((Path(__file__).parent / "vectors" / "adaptive_wing.json").read_text())["rows"]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"p{r['prediction']}-y{r['target']}")
def test_adaptive_wing_value_and_slope_are_the_formulas(row):
    constants = {k: row[k] for k in ("omega", "theta", "epsilon", "alpha") if k in row}
    prediction = torch.tensor(float(row["prediction"]), dtype=torch.float64, requires_grad=True)
    target = torch.tensor(float(row["target"]), dtype=torch.float64)
    value = loss.adaptive_wing(prediction, target, **constants)
    value.backward()
    assert value.item() == pytest.approx(row["loss"], abs=1e-9)
    assert prediction.grad.item() == pytest.approx(row["gradient"], abs=1e-9)


def test_value_and_slope_are_continuous_at_theta():
    target = torch.linspace(0, 1, 11, dtype=torch.float64)
    sides = []
    for offset in (-1e-9, 1e-9):
        prediction = (target - loss.THETA + offset).requires_grad_(True)
        value = loss.adaptive_wing(prediction, target)
        value.sum().backward()
        sides.append((value.detach(), prediction.grad))
    torch.testing.assert_close(sides[0][0], sides[1][0], atol=1e-6, rtol=0)
    torch.testing.assert_close(sides[0][1], sides[1][1], atol=1e-6, rtol=0)


def test_slope_is_zero_and_finite_at_a_perfect_prediction():
    target = torch.linspace(0, 1, 101)
    prediction = target.clone().requires_grad_(True)
    loss.adaptive_wing(prediction, target).sum().backward()
    assert torch.equal(prediction.grad, torch.zeros_like(target))


def test_nothing_flows_into_the_target():
    target = torch.rand(8, requires_grad=True)
    prediction = torch.rand(8, requires_grad=True)
    loss.adaptive_wing(prediction, target).sum().backward()
    assert target.grad is None and prediction.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_types_are_widened_and_stay_finite(kind):
    prediction = torch.tensor([0.0, 1e-4, 0.3, 1.0, 40.0, -40.0], dtype=kind, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss.adaptive_wing(prediction, torch.tensor([0.0, 0.0, 1.0, 1.0, 0.5, 0.5], dtype=kind))
    value.sum().backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value).all() and torch.isfinite(prediction.grad).all()


def test_float64_stays():
    assert loss.adaptive_wing(torch.zeros(2, dtype=torch.float64), torch.ones(2)).dtype == torch.float64


def test_baselines_by_hand():
    prediction, target = torch.tensor([0.2, 0.9]), torch.tensor([0.5, 0.0])
    torch.testing.assert_close(loss.LOSSES["mse"](prediction, target), torch.tensor([0.09, 0.81]))
    torch.testing.assert_close(loss.LOSSES["l1"](prediction, target), torch.tensor([0.3, 0.9]))
    # 0.5 ln(1 + 0.3 / 0.05) = 0.97296; 0.9 - 0.5 + 0.5 ln(11) = 1.59895
    torch.testing.assert_close(loss.LOSSES["wing"](prediction, target), torch.tensor([0.972955, 1.598948]))


def test_heatmap_loss_weights_masked_pixels_and_adds_stacks():
    target = torch.zeros(1, 1, 2, 2)
    output = torch.full((1, 1, 2, 2), 0.5)
    mask = torch.tensor([[[[True, False], [False, False]]]])
    # mse: 0.25 everywhere; one of four pixels counts 11 times: 0.25 * (11 + 3) / 4 = 0.875, for each of two stacks
    assert loss.heatmap_loss([output, output], target, mask, "mse", 10.0).item() == pytest.approx(1.75)
    assert loss.heatmap_loss([output], target, None, "mse", 10.0).item() == pytest.approx(0.25)


def test_constants_of_a_recipe_reach_the_loss():
    recipe = recipes.replace(recipes.get("mobile"), omega=10.0, theta=0.4, epsilon=2.0, alpha=1.9)
    output, target = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)
    found = loss.heatmap_loss([output], target, None, recipe.loss, 1.0, constants=recipe.loss_constants)
    torch.testing.assert_close(found, loss.adaptive_wing(output, target, 10.0, 0.4, 2.0, 1.9).mean())
    assert recipes.replace(recipe, loss="mse").loss_constants == {}


def test_the_loss_of_a_recipe_is_the_papers():
    assert recipes.get("paper-wflw").loss_constants == {"omega": 14, "theta": 0.5, "epsilon": 1, "alpha": 2.1}


def test_a_recipe_knows_every_loss():
    assert set(recipes.LOSSES) == set(loss.LOSSES)
