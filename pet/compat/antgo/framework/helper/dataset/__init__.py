"""Data of antgo's door: registries, pipelines, and what turns an entry of ``data`` into batches.

A run builds its data from a config in two steps; ``cfg`` has Pet's own settings of the run::

    dataset = build_dataset(entry, place="data.train")         # entry: the mapping of data.train, type and pipeline included
    loader = build_train_loader(
        dataset,
        samples_per_gpu=128,
        workers_per_gpu=2,
        drop_last=True,
        shuffle=True,
        cfg=cfg,
        device=device,
        place="data.train_dataloader",
    )

    build_dataset(entry: Mapping[str, Any], *, place: str) -> PipelineDataset
    build_train_loader(dataset: PipelineDataset, *, samples_per_gpu: int, workers_per_gpu: int = 0, drop_last: bool = False,
                       shuffle: bool = True, cfg: CfgNode, device: torch.device,
                       place: str = "data.train_dataloader") -> TrainLoader
    build_evaluation_loader(dataset: PipelineDataset, *, samples_per_gpu: int, workers_per_gpu: int = 0, drop_last: bool = False,
                            shuffle: bool = False, cfg: CfgNode, device: torch.device,
                            place: str = "data.val_dataloader") -> EvaluationLoader

A batch has the fields of ``inputs_def.fields`` by their names, tensors (B, ...) or lists of B tensors of unequal shapes or of B other
objects (dictionaries, texts), and ``meta``, a list of dictionaries with ``index``, the place of each sample in the data set. Both loaders
ask :mod:`petlib.distributed` for rank and world size. ``PipelineDataset`` has ``fields`` (the names), ``dataset`` (the object that was
built) and a length.
:class:`~pet.compat.antgo.framework.helper.dataset.registry.ComponentRegistry` is what DATASETS and PIPELINES are, and what other
registries of the door may be: ``register_module(name=None)``, ``build(dict(type=...))``, ``get(name)``, ``names()``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
