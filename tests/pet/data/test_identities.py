import pytest

from pet.data.splitting.identities import identity_lists
from petlib.errors import ConfigError

IMAGES = {name: [f"{name}/{number}.png" for number in range(3)] for name in ("ada", "bob", "carl", "dora", "eve")}


def test_identities_of_the_test_are_none_of_the_training():
    training, pairs = identity_lists(IMAGES, unseen=2, seed=3)
    trained = {line.split("\t")[1] for line in training}
    rows = [line.split("\t") for line in pairs]
    people = [(one.split("/")[0], other.split("/")[0]) for one, other, _ in rows]
    assert len(trained) == 3
    assert len(training) == 9
    assert trained.isdisjoint(name for pair in people for name in pair)
    assert [answer for *_, answer in rows] == ["1", "0"] * 6
    assert all((one == other) == (answer == "1") for (one, other), (*_, answer) in zip(people, rows, strict=True))
    assert len({tuple(row) for row in rows if row[2] == "1"}) == 6
    assert identity_lists(IMAGES, unseen=2, seed=3) == (training, pairs)
    assert identity_lists(IMAGES, unseen=2, seed=4) != (training, pairs)


@pytest.mark.parametrize("unseen", [1, 4])
def test_a_side_with_one_identity_is_refused(unseen):
    with pytest.raises(ConfigError, match=f"unseen: {unseen} given, of 5 identities at least 2 have to be on each side"):
        identity_lists(IMAGES, unseen=unseen, seed=0)


def test_people_with_one_image_make_no_pairs():
    with pytest.raises(ConfigError, match="no identity of the test has two images"):
        identity_lists({name: files[:1] for name, files in IMAGES.items()}, unseen=2, seed=0)
