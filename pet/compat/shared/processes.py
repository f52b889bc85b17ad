"""The processes of a run that a user's own script is part of."""

import os


def process_count() -> int:
    """Return how many processes share the work, as torchrun and Pet's launcher say, before they have met."""
    return int(os.environ.get("WORLD_SIZE", "1"))
