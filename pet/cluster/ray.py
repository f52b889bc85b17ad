"""Jobs on Ray, submitted to the job server of a running cluster; on the cluster :mod:`pet.cluster.ray_driver` runs them."""

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pet.cluster.job import ClusterJob, Target
from pet.cluster.node import ending_state, read_ending
from pet.cluster.package import Package
from pet.cluster.records import Record
from petlib.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

# without a shell in between: it would end at once when the job is stopped, and in a container whose first process is Ray the end of what it
# had started would stay unnoticed
ENTRYPOINT = "exec python -m pet.cluster.ray_driver"
STOP_SECONDS = 120
"""How long a job may take to save and end; Ray's own limit is three seconds."""
VARIABLES = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS), "RAY_DEDUP_LOGS": "0", "RAY_COLOR_PREFIX": "0"}
STATES = {"PENDING": "pending", "RUNNING": "running", "STOPPED": "stopped", "SUCCEEDED": "done", "FAILED": "failed"}
ANSWER_SECONDS = 20.0
SUBMIT_SECONDS = 180.0
"""The code is uploaded in this time, and the cluster's agents, which start after it, are there."""
POLL_SECONDS = 1.0

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


def check(job: ClusterJob, target: Target) -> None:  # noqa: ARG001 -- who has the cluster's nodes is seen when they are asked for
    """Refuse what cannot be submitted from here; the cluster itself is not asked.

    Raises:
        ConfigError: Ray is not installed.
    """
    _client_class()


def submit(job: ClusterJob, target: Target, package: Package) -> str:
    """Submit a job and return Ray's name of it, the job's id.

    Raises:
        ConfigError: the cluster does not answer, or refuses the job.
    """
    client = connect(target.place)
    with tempfile.TemporaryDirectory(prefix="pet-package-") as folder:
        code = Path(folder, "code")
        package.write_code(job, code)

        def send() -> str:
            number: str = client.submit_job(
                entrypoint=ENTRYPOINT,
                submission_id=job.id,
                entrypoint_num_cpus=0,
                runtime_env={"working_dir": str(code), "env_vars": VARIABLES},
                metadata={"name": job.name, "description": job.description},
            )
            return number

        what = "takes no jobs yet: is its dashboard agent running? (dashboard_agent.log in the cluster's folder of logs)"
        return within(SUBMIT_SECONDS, send, f"--on {target}: Ray answers, but {what}")


def state(record: Record) -> str:
    """Return pending, running, done, stopped, failed, or lost where neither Ray nor the job says how it ended."""
    code = read_ending(record.job)
    if code is not None:
        return ending_state(code)
    try:
        client = connect(record.target.place)
        status = within(ANSWER_SECONDS, lambda: client.get_job_status(record.number), f"{record.target} does not answer")
    except ConfigError as error:
        logger.debug("%s: %s", record.job.id, error)
        return "lost"
    return STATES[status.value]


def follow(record: Record) -> Iterator[str]:
    """Yield what a job prints until it has ended.

    Raises:
        ConfigError: the cluster does not answer.
    """
    client = connect(record.target.place)
    shown = 0
    while True:
        seen = 0
        for text in _tail(client, record.number):
            # after a lost connection everything comes again
            new = text[max(0, shown - seen) :]
            seen += len(text)
            if new:
                shown += len(new)
                yield new
        if state(record) not in ("pending", "running"):
            return
        time.sleep(POLL_SECONDS)


def stop(record: Record) -> None:
    """Have a job save and end.

    Raises:
        OutputError: Ray refuses it, or does not answer.
    """
    try:
        client = connect(record.target.place)
        within(ANSWER_SECONDS, lambda: client.stop_job(record.number), f"{record.target} does not answer")
    except ConfigError as error:
        raise OutputError(f"{record.job.id}: {error}") from error


def connect(address: str) -> "JobSubmissionClient":
    """Return a connection to a job server.

    Raises:
        ConfigError: it does not answer, or wants a token.
    """
    client = _client_class()
    from ray.exceptions import AuthenticationError

    try:
        return within(ANSWER_SECONDS, lambda: client(address), f"--on ray:{address}: no answer within {ANSWER_SECONDS:g} s")
    except AuthenticationError as error:
        raise ConfigError(
            f"--on ray:{address}: the cluster takes jobs with its token only: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH, as on its machines"
        ) from error


def _client_class() -> "type[JobSubmissionClient]":
    """Return the class of Ray's clients.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise ConfigError("--on ray needs Ray, also on this machine: pip install 'pet-vision[ray]'") from error
    return JobSubmissionClient  # type: ignore[no-any-return, unused-ignore]


def within(seconds: float, call: Callable[[], Answer], late: str) -> Answer:
    """Return what a call of Ray's client returns, which itself waits without a limit.

    Args:
        seconds: how long it may take.
        call: the call.
        late: what is wrong when it takes longer.

    Raises:
        ConfigError: it takes longer, or fails.
    """
    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(call())
        except Exception as error:  # noqa: BLE001 -- raised below, by the thread that waits
            answer.set_exception(error)

    threading.Thread(target=work, name="ray-client", daemon=True).start()
    try:
        return answer.result(timeout=seconds)
    except TimeoutError:
        raise ConfigError(late) from None
    except ConnectionError as error:
        advice = "Is Ray's dashboard running there (`ray start --head`), and does this machine reach it?"
        raise ConfigError(f"{str(error).strip()} {advice}") from error
    except (RuntimeError, ValueError) as error:
        # what its client makes of answers that report a mistake
        raise ConfigError(f"Ray: {str(error).strip()}") from error


def _tail(client: "JobSubmissionClient", number: str) -> Iterator[str]:
    """Yield what a job has printed and prints, until it has ended or the connection is lost."""
    import aiohttp

    with asyncio.Runner() as runner:
        texts = client.tail_job_logs(number)
        while True:
            try:
                text = runner.run(_next(texts))
            except (RuntimeError, OSError, aiohttp.ClientError) as error:
                logger.warning("%s: the connection to Ray is lost: %s", number, error)
                return
            if text is None:
                return
            yield text


async def _next(texts: AsyncIterator[str]) -> str | None:
    """Return the next text; None: there is no more."""
    return await anext(texts, None)
