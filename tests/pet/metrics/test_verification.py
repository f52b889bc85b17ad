import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from sklearn.model_selection import KFold

from pet.metrics import verification


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    same = rng.random(307) < 0.5
    first = rng.normal(size=(307, 8))
    second = np.where(same[:, None], first + rng.normal(size=(307, 8)), rng.normal(size=(307, 8)))
    return verification.squared_distances(first, second), same


def test_squared_distances_are_those_of_normalised_embeddings():
    distances = verification.squared_distances(np.array([[2.0, 0], [1, 0], [0, 0]]), np.array([[0, 3.0], [-5, 0], [1, 0]]))
    np.testing.assert_allclose(distances, [2, 4, 1], atol=1e-6)


def test_accuracy_is_that_of_a_loop_over_folds(pairs):
    distances, same = pairs
    accuracies = []
    for train, test in KFold(10, shuffle=False).split(distances):
        rights = [((distances[train] < threshold) == same[train]).mean() for threshold in np.arange(0, 4, 0.01)]
        best = np.arange(0, 4, 0.01)[int(np.argmax(rights))]
        accuracies.append(((distances[test] < best) == same[test]).mean())
    figure = verification.fold_accuracy(distances, same)
    assert figure.mean == pytest.approx(np.mean(accuracies), abs=1e-12)
    assert figure.std == pytest.approx(np.std(accuracies), abs=1e-12)
    assert 0.6 < figure.mean < 1


def test_the_order_of_the_pairs_matters():
    distances = np.tile([0.1, 3.0, 0.1, 3.0, 0.1], 4)
    same = np.tile([True, False], 10)
    assert verification.fold_accuracy(distances, same).mean != verification.fold_accuracy(distances[::-1], np.sort(same)).mean


def test_accepts_by_folds_are_those_of_a_loop(pairs):
    distances, same = pairs
    rates = []
    for train, test in KFold(10, shuffle=False).split(distances):
        thresholds = np.arange(0, 4, 0.001)
        curve = [(distances[train][~same[train]] < threshold).mean() for threshold in thresholds]
        threshold = np.interp(0.05, curve, thresholds)
        rates.append((distances[test][same[test]] < threshold).mean())
    assert verification.fold_accept_rate(distances, same, 0.05).mean == pytest.approx(np.mean(rates), abs=1e-12)


def test_true_accepts_do_not_exceed_the_rate_and_the_nearest_may():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    same = np.array([True, True, False, True, True, False, False])
    rate, all_false = verification.accept_rates(scores, same, [0.3, 1.0])
    assert (rate.rate, rate.nearest) == (0.5, 1.0)
    assert (all_false.rate, all_false.nearest) == (1.0, 1.0)


@pytest.mark.parametrize("rate", [1e-4, 1e-2, 0.03, 0.1, 0.5])
def test_the_nearest_is_that_of_sklearns_curve(pairs, rate):
    distances, same = pairs
    scores = -np.round(distances, 2)
    false, true, _ = roc_curve(same, scores)
    place = min(zip(np.abs(false[::-1] - rate), range(len(false)), strict=True))[1]
    found = verification.accept_rates(scores, same, [rate])[0]
    assert found.nearest == pytest.approx(true[::-1][place], abs=1e-12)
    full_false, full_true, _ = roc_curve(same, scores, drop_intermediate=False)
    assert found.rate == pytest.approx(full_true[full_false <= rate].max(), abs=1e-12)


def test_pairs_of_one_kind_have_no_rates():
    (rate,) = verification.accept_rates(np.arange(4.0), np.ones(4, bool), [0.1])
    assert math.isnan(rate.rate)
    assert math.isnan(verification.fold_accept_rate(np.arange(4.0) / 2, np.ones(4, bool), 0.1).mean)


def test_templates_average_media_and_add_them():
    embeddings = np.array([[1.0, 0], [3, 0], [0, 1], [0, 5], [2, 2]])
    ids, joined = verification.join_templates(embeddings, np.array([7, 7, 7, 3, 3]), np.array([1, 1, 2, 1, 2]))
    assert ids.tolist() == [3, 7]
    # 7: the mean of the first two, (2, 0), and (0, 1); 3: (0, 5) and (2, 2)
    expected = np.array([[2, 7], [2, 1]])
    np.testing.assert_allclose(joined, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    scores = verification.template_scores(ids, joined, np.array([[7, 3], [7, 7]]))
    np.testing.assert_allclose(scores, [joined[0] @ joined[1], 1], rtol=1e-6)
