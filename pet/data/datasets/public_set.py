"""Public data sets by name."""

from collections.abc import Sequence
from pathlib import Path

from pet.data.catalog.public_sets import PUBLIC_SETS, PublicSet
from pet.data.catalog.source import Reading, Source
from pet.data.datasets.semseg_folder import SemsegFolder
from pet.data.targets.label_coding import BACKGROUND, ColourCoding, LabelCoding, NumberCoding
from petlib.errors import ConfigError, DataError
from petlib.suggest import did_you_mean

BACKGROUNDS = (BACKGROUND, "背景", "unchanged")


def build_public_set(source: Source) -> SemsegFolder:
    """Return the set called ``source.split`` in the folder ``source.path``.

    ``source.classes`` may name its classes in another order, which the labels then follow, or give all of them other names.

    Raises:
        ConfigError: there is no such set, or the classes or the filter do not fit it.
        DataError: the files are missing or do not fit.
    """
    if source.split not in PUBLIC_SETS:
        raise ConfigError(f"unknown public data set {source.split!r}{did_you_mean(source.split, PUBLIC_SETS)}; {', '.join(PUBLIC_SETS)}")
    public = PUBLIC_SETS[source.split]
    _check_there(public, source.path)
    coding = public_coding(public, source.classes, source.reading)
    return SemsegFolder(
        images=source.path / public.images,
        images2=source.path / public.images2 if public.images2 else None,
        labels=source.path / public.labels,
        label_ending=public.label_ending,
        classes=coding.classes,
        coding=coding,
        reading=source.reading,
        channels=source.channels,
        kinds=source.kinds,
    )


def public_coding(public: PublicSet, classes: Sequence[str] | None, reading: Reading) -> LabelCoding:
    """Return what the label images of a set mean where its classes are called ``classes``.

    Raises:
        ConfigError: these are neither its classes in any order nor new names for all of them, or the filter does not fit.
    """
    order = _order(public, list(classes or public.classes))
    names = list(classes or public.classes)
    if public.label_colours:
        places = {own: place for place, own in enumerate(order)}
        return ColourCoding(classes=names, colours=[(colour, places[number]) for colour, number in public.label_colours])
    values = reading.label_values or public.label_values or tuple(range(len(public.classes)))
    first = min(values)
    return NumberCoding(
        classes=names,
        values=[values[own] for own in order] if len(values) == len(order) else values,
        ignored=range(first),
        classes_filter=reading.classes_filter,
    )


def _order(public: PublicSet, names: list[str]) -> list[int]:
    """Return for each of the names which class of the set it means."""
    own = [_plain(name) for name in public.classes]
    given = [_plain(name) for name in names]
    if sorted(own) == sorted(given):
        return [own.index(name) for name in given]
    known = {name for name in given if name in own and name != BACKGROUND}
    if known or len(given) != len(own):
        raise ConfigError(
            f"{public.name}: the classes {', '.join(names)} given, {', '.join(public.classes)} expected, in any order; "
            "classes_filter chooses some of them"
        )
    return list(range(len(own)))


def _plain(name: str) -> str:
    return BACKGROUND if name.lower() in BACKGROUNDS else name.lower()


def _check_there(public: PublicSet, folder: Path) -> None:
    parts = [part for part in (public.images, public.images2, public.labels) if part]
    missing = [part for part in parts if not (folder / part).is_dir()]
    if not missing:
        return
    ending = f"; label images end with {public.label_ending!r} before their suffix" if public.label_ending else ""
    tree = "\n".join(f"  {folder / part}/" for part in parts)
    raise DataError(
        f"{public.name}: there is no folder {folder / missing[0]}. Get the files at {public.homepage} and put them into\n{tree}\n"
        f"  with the same names{ending}"
    )
