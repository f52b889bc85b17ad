"""Search of a gallery, with values by hand: people at 0, 90, 180 and 270 degrees, and probes whose cosines follow from their angles."""

import math

import numpy as np
import pytest

from pet.metrics.identification import Searches, identification_rate, rank_rate, search_gallery

GALLERY_ANGLES, KNOWN = [0, 90, 180, 270, 20], np.array([10, 30, 20, 40, 10])


def vectors(angles: list[float]) -> np.ndarray:
    radians = np.deg2rad(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_a_person_is_as_near_as_the_nearest_of_its_templates():
    # 30 degrees: person 10 by its template at 20, 10 away; 100 degrees: person 30 (10 away), then 20 and 10 (80 away)
    found = search_gallery(vectors([30, 100, 100, 100, 5]), np.array([10, 30, 10, 40, 99]), vectors(GALLERY_ANGLES), KNOWN)
    expected = [math.cos(math.radians(angle)) for angle in (10, 10, 10, 10, 5)]
    np.testing.assert_allclose(found.greatest, expected, rtol=1e-5)
    assert found.ranks[[0, 1, 3, 4]].tolist() == [1, 1, 4, 0]
    assert found.ranks[2] in (2, 3)


def test_equal_scores_are_no_success():
    found = search_gallery(np.ones((1, 1), np.float32), np.array([2]), np.ones((3, 1), np.float32), np.array([1, 2, 3]))
    assert found.ranks.tolist() == [3]


def test_parts_of_the_probes_are_joined(monkeypatch):
    rng = np.random.default_rng(0)
    probes, gallery = rng.normal(size=(7, 4)).astype(np.float32), rng.normal(size=(5, 4)).astype(np.float32)
    people, known = np.arange(7), np.array([0, 9, 2, 3, 4])
    whole = search_gallery(probes, people, gallery, known)
    monkeypatch.setattr("pet.metrics.identification.PROBES_AT_ONCE", 3)
    parts = search_gallery(probes, people, gallery, known)
    assert np.array_equal(whole.ranks, parts.ranks)
    np.testing.assert_allclose(whole.greatest, parts.greatest, rtol=1e-6)
    order = np.argsort(-(probes @ gallery.T), axis=1)
    assert whole.ranks[2] == 1 + known[order[2]].tolist().index(2)


# four probes of strangers, five of people of the gallery: two first above 0.8, one first at 0.5, one second, one first at 0.65
SEARCHES = Searches(np.array([0.7, 0.6, 0.3, 0.1, 0.9, 0.85, 0.5, 0.95, 0.65], np.float32), np.array([0, 0, 0, 0, 1, 1, 1, 2, 1]))


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        # none of the strangers may exceed it: 0.7, which 0.9 and 0.85 exceed
        (0.1, 2 / 5),
        # one of four: 0.6, and 0.65 too
        (0.25, 3 / 5),
        (0.49, 3 / 5),
        # two: 0.3, and 0.5 too
        (0.5, 4 / 5),
        # all: whoever is first; a person that is second is never found
        (1.0, 4 / 5),
    ],
)
def test_true_identifications_at_a_rate_of_false_ones(rate, expected):
    assert identification_rate(SEARCHES, rate) == pytest.approx(expected)


def test_rates_at_ranks_are_those_of_people_in_the_gallery():
    assert (rank_rate(SEARCHES, 1), rank_rate(SEARCHES, 2)) == (0.8, 1.0)
    strangers = Searches(SEARCHES.greatest[:4], SEARCHES.ranks[:4])
    assert math.isnan(rank_rate(strangers, 1))
    assert math.isnan(identification_rate(strangers, 0.1))
    assert math.isnan(identification_rate(Searches(SEARCHES.greatest[4:], SEARCHES.ranks[4:]), 0.1))
