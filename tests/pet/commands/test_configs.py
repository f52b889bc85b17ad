"""The configs that come with Pet, as ``pet-configs`` lists them."""

import pytest

from pet.commands import configs


def test_every_config_has_a_name_a_task_and_a_line() -> None:
    found = {config.name: config for config in configs.shipped_configs()}
    assert len(found) > 70
    assert all(config.task and config.line for config in found.values())
    assert found["vision/shapes/mask_rcnn_R-18-FPN.yaml"].task == "box, mask"
    assert found["tasks/cls/finetune_resnet18.yaml"].task == "cls"
    # of a preset the file that it names, without links
    preset = found["projects/densepose/densepose_rcnn_R-50-FPN_1x.yaml"]
    assert preset.line == "DensePose R-CNN with a decoder in front of the head"
    assert not [name for name in found if "/base_" in name]


def test_a_word_is_looked_for_in_names_tasks_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        configs.main(["KEYPOINT_RCNN"])
    lines = capsys.readouterr().out.splitlines()
    assert done.value.code == 0
    assert [line.split()[0] for line in lines[:-1]] == [
        "vision/mscoco/e2e_keypoint_rcnn_R-50-FPN_1x.yaml",
        "vision/shapes/keypoint_rcnn_R-18-FPN.yaml",
    ]
    assert lines[-1].startswith("train one: pet-train --cfg vision/mscoco/e2e_keypoint_rcnn_R-50-FPN_1x.yaml")


def test_a_word_that_no_config_has_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        configs.main(["mask_rcn_R-18"])
    assert done.value.code == 2
    message = "no config has 'mask_rcn_R-18' in its name, task or description; did you mean mask_rcnn_R-18-FPN"
    assert message in capsys.readouterr().err
