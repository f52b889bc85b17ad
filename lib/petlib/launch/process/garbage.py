"""While a run is prepared, Python's collector of garbage rests.

What a run imports are some hundred thousand objects, and they stay. The collector would look through all of them again and again,
for about a fifth of the time that the imports take, and find nothing.
"""

import gc

RARE = 100_000
"""New objects between two collections; they bound what garbage there can be. Python's own number is 700, or 2,000 from 3.13 on."""


class Collector:
    """How often Python's collector looks for garbage."""

    def __init__(self) -> None:
        self._usual: tuple[int, int, int] | None = None

    def rest(self) -> None:
        """Let it look rarely from here on; where it is switched off, it stays so."""
        if self._usual is None and gc.get_threshold()[0]:
            self._usual = gc.get_threshold()
            gc.set_threshold(RARE, *self._usual[1:])

    def resume(self, *, spare: bool = False) -> None:
        """Let it look as often as it did; without :meth:`rest` nothing changes.

        Args:
            spare: it never looks at what is there by now, and forked workers do not copy that for it.
        """
        if self._usual is not None:
            if spare:
                gc.freeze()
            gc.set_threshold(*self._usual)
            self._usual = None


collector = Collector()
"""That of this process."""
