import pytest
import torch

from ganrepro.objectives.adversarial import least_squares, log_loss
from ganrepro.objectives.reconstruction import l1
from ganrepro.objectives.weighted_sum import weighted_sum


def test_least_squares_by_hand():
    logits = torch.tensor([[[[0.0, 2.0]]], [[[1.0, 1.0]]]])
    # real: ((0-1)^2 + (2-1)^2) / 2 = 1 and 0;  fake: (0 + 4) / 2 = 2 and 1.  Exact in float32.
    assert least_squares(logits, True).tolist() == [1.0, 0.0]
    assert least_squares(logits, False).tolist() == [2.0, 1.0]


def test_l1_by_hand():
    a, b = torch.zeros(2, 1, 1, 2), torch.tensor([[[[1.0, -0.5]]], [[[0.0, 0.25]]]])
    assert l1(a, b).tolist() == [0.75, 0.125]


def test_log_loss_is_the_negative_log_likelihood():
    """Against torch's own binary cross-entropy, far from and near zero; float32, 1e-6 relative."""
    logits = torch.tensor([-60.0, -3.0, 0.0, 0.5, 60.0]).view(1, 1, 1, 5)
    for is_real in (True, False):
        expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, is_real))
        assert log_loss(logits, is_real).item() == pytest.approx(expected.item(), rel=1e-6)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="expected"):
        least_squares(torch.zeros(1), True)
    with pytest.raises(ValueError, match="expected"):
        log_loss(torch.zeros(1), True)
    with pytest.raises(ValueError, match="shapes differ"):
        l1(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 3))


def test_weighted_sum_weights_the_total_and_reports_unweighted_means():
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    total, values = weighted_sum({"a": 10.0, "b": 0.5}, {"a": x, "b": x**2})
    assert total.item() == 10 * 2 + 0.5 * 5
    assert {k: v.item() for k, v in values.items()} == {"a": 2.0, "b": 5.0}
    total.backward()
    assert x.grad.tolist() == [5 + 0.5, 5 + 1.5]  # 10/2 + 0.5 * 2x/2


def test_weights_and_terms_must_agree():
    with pytest.raises(ValueError, match="objective"):
        weighted_sum({"a": 1.0}, {"b": torch.zeros(1)})
    with pytest.raises(ValueError, match="objective"):
        weighted_sum({}, {})
