import numpy as np
import pytest
import torch

from pet.metrics.linear_probe import fit_linear


def test_the_classifier_is_that_of_an_exact_fit():
    linear_model = pytest.importorskip("sklearn.linear_model")
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    vectors = torch.randn(90, 5, generator=generator) * torch.tensor([1.0, 10.0, 0.1, 3.0, 1.0]) + 4.0
    vectors[:, 0] += labels
    decay = 1e-2
    layer = fit_linear(vectors, labels, num_classes=3, weight_decay=decay, iterations=300)
    standard = ((vectors - vectors.mean(dim=0)) / vectors.std(dim=0, correction=0)).numpy()
    # scikit-learn weighs the sum of the losses by C
    reference = linear_model.LogisticRegression(C=1 / (decay * 90), max_iter=5000, tol=1e-8).fit(standard, labels.numpy())
    probabilities = layer(vectors).softmax(dim=1).numpy()
    assert np.abs(probabilities - reference.predict_proba(standard)).max() < 5e-3
    assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_it_can_be_fitted_in_the_middle_of_an_evaluation():
    with torch.no_grad():
        layer = fit_linear(torch.tensor([[0.0], [1.0], [0.1], [0.9]]), torch.tensor([0, 1, 0, 1]), num_classes=2)
        assert layer(torch.tensor([[0.2], [0.8]])).argmax(dim=1).tolist() == [0, 1]
