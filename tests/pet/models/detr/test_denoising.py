"""Objects with noise as queries: near and further ones in groups that do not see each other, the same wherever they are made."""

import torch
from torchvision.ops import box_convert

from pet.losses.set_prediction import Objects
from pet.models.detr.denoising import NoiseRules, NoisyQueries, make_noisy_queries
from petlib.data.reader import DRAW

OBJECTS = Objects(
    labels=torch.tensor([[1, 2], [0, 0], [2, 0]]),
    boxes=torch.tensor([[[0.3, 0.3, 0.2, 0.2], [0.6, 0.6, 0.3, 0.2]], [[0.0] * 4] * 2, [[0.5, 0.5, 0.2, 0.4], [0.0] * 4]]),
    counts=[2, 0, 1],
)
BATCH = {"meta": [{DRAW: (0, 7)}, {DRAW: (0, 8)}, {DRAW: (1, 7)}]}


def make(objects: Objects = OBJECTS, first: int = 0, *, label_ratio: float = 0.5, box_scale: float = 1.0) -> NoisyQueries:
    batch = {"meta": BATCH["meta"][first : first + len(objects.labels)]}
    rules = NoiseRules(6, label_ratio, box_scale)
    return make_noisy_queries(objects, batch, most=2, num_classes=3, num_queries=4, rules=rules)


def test_without_noise_the_near_queries_are_the_objects() -> None:
    noisy = make(label_ratio=0.0, box_scale=0.0)
    assert noisy.groups == 3
    assert noisy.labels.shape == (3, 12)
    assert noisy.labels[0].tolist() == [1, 2] * 6
    assert noisy.labels[2].tolist() == [2, 3] * 6, "three classes: 3 is no object"
    matches = noisy.matches
    assert [(matches.images == image).sum().item() for image in range(3)] == [6, 0, 3]
    chosen = noisy.boxes.sigmoid()[matches.images, matches.queries]
    torch.testing.assert_close(chosen, matches.of_objects(OBJECTS.boxes), atol=1e-4, rtol=0)


def test_near_queries_move_less_than_a_side_and_the_others_further() -> None:
    noisy = make()
    corners = box_convert(noisy.boxes.sigmoid()[2].reshape(3, 2, 2, 4)[:, :, 0], "cxcywh", "xyxy")
    moved = (corners - torch.tensor([0.4, 0.3, 0.6, 0.7])).abs() / torch.tensor([0.1, 0.2] * 2)
    near, further = moved[:, 0], moved[:, 1]
    # edges whose order is exchanged by the noise count as they are
    assert near.max() <= 1 + 1e-3
    assert further.max() > 1
    assert (noisy.labels[:, 0] != OBJECTS.labels[:, 0]).any() or (noisy.labels != make(label_ratio=0.0).labels).any()


def test_groups_do_not_see_each_other_and_the_other_queries_see_none() -> None:
    mask = make().mask
    assert mask.shape == (16, 16)
    assert (mask[12:, :12] == -torch.inf).all()
    assert (mask[:, 12:] == 0).all()
    assert (mask[:4, :4] == 0).all()
    assert (mask[:4, 4:12] == -torch.inf).all()
    assert (mask[4:8, :4] == -torch.inf).all()


def test_the_noise_of_an_image_does_not_depend_on_its_batch() -> None:
    together = make()
    last = Objects(OBJECTS.labels[2:], OBJECTS.boxes[2:], [1])
    alone = make(last, first=2)
    assert torch.equal(alone.labels[0], together.labels[2])
    assert torch.equal(alone.boxes[0], together.boxes[2])
    assert not torch.equal(make(last, first=0).boxes, alone.boxes), "another draw has other noise"


def test_images_without_a_place_in_a_training_have_noise_too() -> None:
    rules = NoiseRules(6, 0.5, 1.0)
    noisy = make_noisy_queries(OBJECTS, {}, most=2, num_classes=3, num_queries=4, rules=rules)
    assert noisy.boxes.isfinite().all()
