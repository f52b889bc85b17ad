"""The two calls that scripts for AI Earth's platform begin with. Pet runs on this machine and needs neither."""

import logging

from pet.compat.shared.running import begin_script

logger = logging.getLogger(__name__)


def Authenticate(token: str | None = None) -> None:  # noqa: N802 -- named by AI Earth
    """Say that local runs need no token. One that is given is neither kept nor sent nor printed.

    Args:
        token: what AI Earth's platform wants.
    """
    begin_script()
    logger.info("aie.Authenticate: a local run needs no token%s", "" if token is None else "; the one that was given is not used")


def Initialize() -> None:  # noqa: N802 -- named by AI Earth
    """Say that local runs need no connection to the platform."""
    begin_script()
    logger.info("aie.Initialize: a local run needs no connection to the platform")
