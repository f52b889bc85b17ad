"""What is worth a look in the figures of a run, in sentences with their numbers: where it is wrong, and what to do next."""

from collections.abc import Callable, Iterator

from pet.report.run_folder import RunFolder
from petlib.suggest import counted

WAITING = 0.2
"""Share of the time that a training waits for data from which it is worth a sentence."""

WORSE = 0.02
"""By which share of its best value a figure has to fall until the end."""

STILL_FALLING = 0.05
"""By which share the loss has to fall in the last tenth of a training."""

FEWEST_POINTS = 20
LOWER_IS_BETTER = ("MAE", "RMSE", "NAE", "loss", "IDSW", "error")


def advise(run: RunFolder) -> list[str]:
    """Return the sentences of all rules that find something."""
    return [line for rule in RULES for line in rule(run)]


def _state(run: RunFolder) -> Iterator[str]:
    if str(run.facts.get("state", "")).startswith("ended by"):
        yield "The training was ended by an error: the last lines of the log say which. The same command continues it."


def _untested(run: RunFolder) -> Iterator[str]:
    if not run.metrics:
        yield (
            "There is no test yet: pet-test with the config of this training measures the best model, and adds figures of each class and "
            "pictures of samples."
        )


def _waiting(run: RunFolder) -> Iterator[str]:
    (_, whole), (_, waited) = (run.series.get(name, ([], [])) for name in ("iter_time", "data_time"))
    share = sum(waited) / sum(whole) if sum(whole) else 0.0
    if share >= WAITING:
        yield (
            f"{share:.0%} of the time is spent waiting for data: more loader workers, smaller image files or a cache of them make the "
            "training faster."
        )


def _declining(run: RunFolder) -> Iterator[str]:
    name, (iterations, values) = next(((name, own) for name, own in run.series.items() if name.count("/") == 1), ("", ([], [])))
    if len(values) < 3:
        return
    lower = any(word in name for word in LOWER_IS_BETTER)
    best = min(values) if lower else max(values)
    if abs(values[-1] - best) > WORSE * abs(best):
        place = iterations[values.index(best)]
        yield (
            f"{name} was best at iteration {place:,} ({best:.4g}) and is {values[-1]:.4g} at the end: the best model is kept; fewer "
            "iterations or stronger augmentation may help."
        )


def _falling(run: RunFolder) -> Iterator[str]:
    name = next((name for name in ("total_loss", *run.series) if name in run.series and "loss" in name and "/" not in name), "")
    _, values = run.series.get(name, ([], []))
    if len(values) < FEWEST_POINTS:
        return
    tenth = len(values) // 10
    before, last = sum(values[-2 * tenth : -tenth]) / tenth, sum(values[-tenth:]) / tenth
    if before > 0 and (before - last) / before > STILL_FALLING:
        yield f"{name} still fell by {(before - last) / before:.0%} in the last tenth of the training: a longer one may be better."


def _weakest(run: RunFolder) -> Iterator[str]:
    by_figure: dict[str, dict[str, float]] = {}
    for name, value in run.metrics.items():
        if name.count("/") >= 2 and value is not None and 0 <= value <= 1:
            head, figure, label = name.split("/", 2)
            if figure in run.classes:
                figure, label = label, figure
            if not run.may_be_class(label):
                continue  # of a range of counts or distances
            by_figure.setdefault(f"{head}/{figure}", {})[label] = value
    figure, classes = max(by_figure.items(), key=lambda entry: len(entry[1]), default=("", {}))
    if len(classes) >= 3:
        weakest = sorted(classes, key=lambda label: classes[label])[:3]
        shown = ", ".join(f"{label} ({classes[label]:.0%})" for label in weakest)
        yield f"The weakest classes by {figure}: {shown}. Look at their worst samples below first."


def _warned(run: RunFolder) -> Iterator[str]:
    if run.warnings:
        yield f"The log of the training has {counted(len(run.warnings), 'warning')}, listed at the end of this page."


RULES: tuple[Callable[[RunFolder], Iterator[str]], ...] = (_state, _untested, _weakest, _declining, _falling, _waiting, _warned)
