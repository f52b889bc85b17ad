"""Trains a model of ``pet.tasks.cls``: the steps of a run from top to bottom."""

from pet import data, models, visual
from pet.tasks import cls
from petlib import distributed, engine
from petlib.config import CfgNode
from petlib.launch import run_script


def train(cfg: CfgNode) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``."""
    with engine.open_run(cfg) as device:
        # 2. Model: parameters, FLOPs and activations; the weights to begin with
        model = cls.build_model(cfg)
        models.analyse(model, cfg)
        models.load_pretrained(model, cfg)

        # 3. Device, and processes that share the work
        model = engine.prepare_model(model, cfg, device)
        model = distributed.parallelize(model, cfg.TRAIN.PARALLEL, device=device, find_unused_parameters=cfg.TRAIN.FIND_UNUSED_PARAMETERS)

        # 4. Optimizer
        optimizer = cls.build_optimizer(distributed.unwrap(model), cfg)

        # 5. Data
        loader = data.build_training_data(cfg, device)
        evaluation = cls.build_evaluation(cfg, device) if cfg.TEST.DATASETS else None

        # 6. One iteration; schedule and checkpoints
        step = engine.build_step(cfg, device)
        state = engine.build_state(cfg, model=model, optimizer=optimizer, step=step, iterations_per_epoch=loader.iterations_per_epoch)

        # 7. Hooks: what happens between the iterations
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        hooks += cls.build_freeze_hooks(cfg)

        # 8. Train, from where an interrupted run stopped
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)
        visual.draw_run(cfg.MISC.CKPT)


if __name__ == "__main__":
    # 1. Config: command line over file over defaults, checked before torch is imported
    run_script(train, task=cls.config)
