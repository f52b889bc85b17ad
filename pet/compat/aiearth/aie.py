"""The two calls that scripts for AI Earth's platform begin with. The cluster is that of the environment."""

import logging
import os

from pet.cluster.job import Target
from pet.compat.shared.running import begin_script

CLUSTER = "PET_CLUSTER"
"""Environment variable: where jobs of ``JobCloudWrap`` go, ``slurm:PARTITION``, ``ray:http://HOST:8265`` or ``local``."""

logger = logging.getLogger(__name__)


def Authenticate(token: str | None = None) -> None:  # noqa: N802 -- named by AI Earth
    """Say that local runs need no token, nor does Slurm; Ray has variables of its own for it.

    One that is given is neither kept nor sent nor printed.

    Args:
        token: what AI Earth's platform wants.
    """
    begin_script()
    logger.info("aie.Authenticate: a local run needs no token%s", "" if token is None else "; the one that was given is not used")


def Initialize() -> None:  # noqa: N802 -- named by AI Earth
    """Say which cluster jobs go to.

    Raises:
        ConfigError: the environment names none that can be one.
    """
    begin_script()
    if os.environ.get(CLUSTER):
        logger.info("aie.Initialize: jobs of JobCloudWrap go to %s (%s)", cluster_of_environment(), CLUSTER)
        return
    logger.info("aie.Initialize: a local run needs no connection to the platform")


def cluster_of_environment() -> Target:
    """Return where jobs go: to the cluster of ``PET_CLUSTER``, or to this machine.

    Raises:
        ConfigError: the environment names none that can be one.
    """
    return Target.parse(os.environ.get(CLUSTER) or "local", place=CLUSTER)
