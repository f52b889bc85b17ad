"""The figures of the model zoo are those of the pages that they come from, and every config is in one of its tables."""

import yaml

from pet.commands.configs import shipped_configs
from tests.integration.conftest import ROOT

TRAINED = yaml.safe_load((ROOT / "tools" / "docs" / "trained.yaml").read_text(encoding="utf-8"))


def test_figures_and_times_are_those_of_their_pages() -> None:
    for name, recipe in TRAINED.items():
        text = " ".join((ROOT / recipe["page"]).read_text(encoding="utf-8").replace("\n#", " ").split())
        for words in (recipe.get("words", recipe["figures"]), recipe["cost"]):
            assert " ".join(words.split()) in text, f"{name}: {recipe['page']} does not say {words!r}"


def test_every_config_is_in_one_table() -> None:
    page = (ROOT / "docs" / "model_zoo.md").read_text(encoding="utf-8")
    _, own = page.split("## Trained with Pet")
    own, not_yet = own.split("## Not run yet")
    names = [config.name for config in shipped_configs()]
    assert set(TRAINED) <= set(names)
    for name in names:
        assert (f"[`{name}`]" in own, f"[`{name}`]" in not_yet) == (name in TRAINED, name not in TRAINED)
