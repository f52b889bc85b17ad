"""Trainings on a cluster: a job that is submitted, followed, tested, exported and registered there."""

import importlib.util
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pet.cluster import engines
from pet.cluster.job import ClusterJob, Target, check_name, new_id, option_of_storage, storage_of
from pet.cluster.models import newest_model, publish_to_mlflow, register_model
from pet.cluster.node import INSIDE, JobMistakeError, read_ending
from pet.cluster.package import JOB_FILE, Package, package_folder
from pet.cluster.records import Record
from pet.compat.aiearth.aie import cluster_of_environment
from pet.compat.aiearth.job import TrainJob
from pet.compat.shared.running import begin_script, find_trained
from petlib import engine
from petlib.errors import USER_ERROR_EXIT_CODE, ConfigError, DeviceError, name_in_errors
from petlib.launch.start.devices import visible_gpus

EXPORT_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
PLACE = "JobCloudWrap"

logger = logging.getLogger(__name__)


class JobCloudWrap:
    """A job for a cluster. ``run`` checks everything, sends the folder of the script, and follows what the cluster does with it.

    The cluster runs the same script; there ``run`` trains, tests, exports ONNX, compares it with PyTorch, and registers the model in
    ``<storage>/models/<model_name>/<version>``. The cluster is that of the variable ``PET_CLUSTER`` (``slurm:PARTITION``,
    ``ray:http://HOST:8265``), the storage that of ``PET_STORAGE``, a shared folder or an address such as ``s3://bucket/prefix``; without a
    cluster the job runs on this machine, in a copy of the folder.

    Args:
        job: the training.
        model_name: of the model, in the storage too.
        code_dir: the folder that is sent; the script lies in it.
        gpu_num: GPUs of the training; on a machine without one as many processes compute on the CPU.
        onnx_shape: height and width of the images that the ONNX file takes, pixels.
        desc: description of the model.

    Raises:
        ConfigError: an argument is wrong.
    """

    def __init__(  # noqa: PLR0917 -- the signature is AI Earth's
        self,
        job: TrainJob,
        model_name: str,
        code_dir: str | Path,
        gpu_num: int = 1,
        onnx_shape: Sequence[int] = (1024, 1024),
        desc: str = "",
    ) -> None:
        begin_script()
        if not isinstance(job, TrainJob):
            raise ConfigError(f"{PLACE}: job: {job!r} given, an instance of a TrainJob expected")
        if type(gpu_num) is not int or gpu_num < 1:
            raise ConfigError(f"{PLACE}: gpu_num: {gpu_num!r} given, a number from 1 on expected")
        shape = tuple(onnx_shape) if isinstance(onnx_shape, Sequence) else ()
        if len(shape) != 2 or not all(type(side) is int and side > 0 for side in shape):
            raise ConfigError(f"{PLACE}: onnx_shape: {onnx_shape!r} given, height and width in pixels expected, e.g. (1024, 1024)")
        self.job = job
        self.model_name = check_name(model_name, place=f"{PLACE}: model_name")
        self.code_dir = Path(code_dir).resolve()
        self.gpu_num = gpu_num
        self.onnx_shape = shape
        self.desc = desc

    def run(self) -> None:
        """Train on the cluster, follow it to its end, and say where the model is.

        Raises:
            UserError: something is wrong with the job, its data, the code or the cluster; nothing was sent then, or, of a
                :class:`pet.cluster.node.JobMistakeError`, only the processes of the job could see it, and what it printed says what.
            RuntimeError: the job failed on the cluster; what it printed says why.
        """
        if INSIDE in os.environ:
            self._run_on_the_cluster()
            return
        target = cluster_of_environment()
        cluster_job = self._check(target)
        package = self._package()
        with name_in_errors({"ClusterJob.storage": option_of_storage(None), "ClusterJob.code_dir": f"{PLACE}: code_dir"}):
            engines.check(cluster_job, target)
            # asked before anything is sent: a store says now whether it knows who asks
            before = newest_model(cluster_job.storage, self.model_name)
            record = engines.submit(cluster_job, target, package)
        logger.info("%s: submitted to %s", cluster_job.id, target)
        for text in engines.follow(record):
            print(text, end="", flush=True)
        self._conclude(record, version_before=before.card.version if before else 0)

    def train(self) -> None:
        """Do what :meth:`run` does."""
        self.run()

    def _check(self, target: Target) -> ClusterJob:
        """Check everything that can be checked here, and return what is sent."""
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise ConfigError(f"{PLACE}: several processes submit this job; start the script once, and say gpu_num={self.gpu_num}")
        missing = [name for name in EXPORT_PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigError(f"{PLACE}: the export needs {', '.join(missing)}: pip install 'pet-vision[export]'")
        script = self._script()
        self.job.check()
        gpus = self.gpu_num
        if target.engine == "local":
            gpus = len(visible_gpus())
            if 0 < gpus < self.gpu_num:
                raise DeviceError(f"{PLACE}: gpu_num: {self.gpu_num} given, and this machine has {gpus}")
            gpus = min(gpus, self.gpu_num)
        return ClusterJob(
            id=new_id(self.model_name, "script"),
            name=self.model_name,
            program="script",
            words=(script, *sys.argv[1:]),
            code_dir=str(self.code_dir),
            storage=storage_of(None),
            gpus_per_node=gpus,
            processes=self.gpu_num,
            cpus_per_node=self.gpu_num,
            description=self.desc,
        )

    def _script(self) -> str:
        """Return the path of the running script in the folder that is sent."""
        file = getattr(sys.modules["__main__"], "__file__", None)
        if file is None:
            raise ConfigError(f"{PLACE}: the cluster runs the script that calls it; write this one into a file in {self.code_dir}")
        path = Path(file).resolve()
        if not path.is_relative_to(self.code_dir):
            raise ConfigError(f"{PLACE}: code_dir: {self.code_dir} given, and the script {path} lies outside of it")
        return str(path.relative_to(self.code_dir))

    def _package(self) -> Package:
        """Choose what is sent; the data in the job's own folder are linked where the cluster sees them."""
        package = package_folder(self.code_dir)
        own = Path(self.job.work_dir).resolve()
        if own.is_dir() and own.is_relative_to(self.code_dir):
            package = package.with_links([str(own.relative_to(self.code_dir))])
        for line in package.describe():
            logger.info("%s", line)
        package.check()
        return package

    def _conclude(self, record: Record, *, version_before: int) -> None:
        state = engines.state(record)
        if state == "stopped":
            logger.info("%s: stopped; the same script goes on from its last checkpoint", record.job.id)
            return
        if state != "done":
            kind = JobMistakeError if read_ending(record.job) == USER_ERROR_EXIT_CODE else RuntimeError
            raise kind(f"{record.job.id}: {state}; the reason is above, and in {record.job.results}/logs")
        model = newest_model(record.job.storage, self.model_name)
        if model is None or model.card.version <= version_before:
            raise RuntimeError(
                f"{record.job.id}: done, but there is no new model in {record.job.storage}; does this machine see that place?"
            )
        logger.info("%s, version %d: %s", model.card.name, model.card.version, model.place)
        if said := publish_to_mlflow(model):
            logger.info("%s", said)

    def _run_on_the_cluster(self) -> None:
        """Train, test, export and register."""
        cluster_job = ClusterJob.from_json(Path(JOB_FILE).read_text(encoding="utf-8"))
        settings = self.job.trainer.cfg.pet
        settings.set("MISC.CKPT", str(cluster_job.run_folder))
        if cluster_job.is_in_store:
            settings.set("MISC.STORAGE", cluster_job.results)
        self.job.train()
        metrics = self.job.test() if self.job.has_test_data else {}
        onnx = self.job.export_onnx(shape=self.onnx_shape)
        if onnx is None:
            # the first process registers
            return
        engine.keep_results(settings)
        run = cluster_job.run_folder
        files = {"model.pth": find_trained(run, advice="look at the log"), "model.onnx": onnx, "config.yaml": run / "config.yaml"}
        model = register_model(
            cluster_job.storage,
            self.model_name,
            files=files,
            description=self.desc,
            classes=self.job.class_names,
            metrics=metrics,
            weights=_origin(settings.TRAIN.WEIGHTS),
        )
        logger.info("registered: %s\n%s", model.place, json.dumps(dict(metrics)))


def _origin(weights: str) -> Mapping[str, str]:
    """Return what a training began with, and the licence that its weights carry on."""
    if not weights:
        return {"began_with": "random weights", "licence": "whoever trained it decides"}
    return {"began_with": Path(weights).name, "licence": f"that of {Path(weights).name}, which its publisher states"}
