from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from pet.compat.trainframework.configuration import Settings, TrainFrameworkConfig, read_config
from petlib.config import nested_of
from petlib.errors import ConfigError
from tests.pet.compat.trainframework.project import make_config

SAMPLE = Path(__file__).with_name("sample_config.py")


@pytest.fixture
def sample() -> TrainFrameworkConfig:
    return read_config(SAMPLE)


def test_settings_are_read_in_either_case_of_letters(sample: TrainFrameworkConfig) -> None:
    assert sample.SOLVER.TRAIN_PER_BATCH == sample.solver.train_per_batch == sample["Solver"]["Train_Per_Batch"] == 8
    assert sample.OUTPUT_LOG_NAME == "my-log"


def test_the_trainer_gives_what_is_below_its_model_as_the_document_reads_it(sample: TrainFrameworkConfig) -> None:
    loss = sample.TRAINER.LOSS
    assert isinstance(loss, Mapping)
    assert list(loss) == ["loss1", "loss2"]
    assert loss["loss1"] == [{"name": "CrossEntropyLoss", "param": {"lambda_weight": 10.0}}]
    assert loss.to_dict() == sample.TRAINER.MODEL.LOSS.to_dict()
    assert sample.TRAINER.NAME == "MyTrainer"


def test_a_missing_setting_is_reported_with_the_nearest_name_and_known_to_hasattr(sample: TrainFrameworkConfig) -> None:
    with pytest.raises(ConfigError, match=r"the config has no solver\.max_itr; did you mean max_iter\?"):
        _ = sample.SOLVER.MAX_ITR
    assert not hasattr(sample.SOLVER, "MAX_ITR")
    assert "max_itr" not in sample.SOLVER
    assert sample.SOLVER.get("max_itr", 7) == 7
    assert sample.TRAINER.get("LOSS")["loss1"]


def test_yaml_means_the_same_as_python(sample: TrainFrameworkConfig, tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(yaml.safe_dump(sample.nested.to_dict()), encoding="utf-8")
    from_yaml = read_config(path)
    assert from_yaml.translated.settings == sample.translated.settings
    assert {name: (part.name, part.arguments) for name, part in from_yaml.translated.components.items()} == {
        name: (part.name, part.arguments) for name, part in sample.translated.components.items()
    }


def test_the_run_has_pets_settings_and_begins_anew_unless_it_is_resumed(tmp_path: Path) -> None:
    assert make_config(tmp_path).run.SOLVER.SCHEDULER.TOTAL_ITERS == 2
    assert not make_config(tmp_path).run.TRAIN.AUTO_RESUME
    assert make_config(tmp_path, resume=True).run.TRAIN.AUTO_RESUME


def test_what_user_code_reads_is_known_and_anything_else_is_an_error(tmp_path: Path) -> None:
    cfg = make_config(tmp_path, {"trainer.model.margin": 0.5, "solver.max_itr": 3})
    assert cfg.TRAINER.MODEL.MARGIN == 0.5
    with pytest.raises(ConfigError) as caught:
        cfg.nested.require_all_read()
    assert str(caught.value) == "command line: solver.max_itr: unknown key, nothing reads it; did you mean solver.max_iter?"


def test_the_file_and_line_of_a_section_are_known(sample: TrainFrameworkConfig) -> None:
    assert sample.trainer.model.generator.locate().endswith("sample_config.py:56: trainer.model.generator")


def test_names_of_a_mapping_may_be_numbers() -> None:
    settings = Settings(nested_of({"classes": {0: "cat", 1: "dog"}}, source="a program"))
    assert settings.CLASSES.to_dict() == {0: "cat", 1: "dog"}
    assert settings.classes[1] == "dog"
    assert 2 not in settings.classes
    with pytest.raises(ConfigError, match=r"the config has no classes\.2; there are: 0, 1"):
        _ = settings.classes[2]
