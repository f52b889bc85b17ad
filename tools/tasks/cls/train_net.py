"""Trains a model of ``pet.tasks.cls``: the ten steps of a run from top to bottom."""

from pet import data, models, visual
from pet.tasks import cls
from petlib import dist, engine, solver
from petlib.config import CfgNode
from petlib.launch import run_script


def train(cfg: CfgNode) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``."""
    with engine.open_run(cfg) as device:
        # 2. Model
        model = cls.build_model(cfg)

        # 3. Parameters, FLOPs and activations
        models.analyse(model, cfg)

        # 4. Checkpoints, and the weights to begin with where no interrupted run is continued
        checkpointer = engine.build_checkpointer(cfg)
        if not (cfg.TRAIN.AUTO_RESUME and checkpointer.has_latest()):
            models.load_pretrained(model, cfg)
        model = engine.prepare_model(model, cfg, device)

        # 5. Processes that share the work
        model = dist.parallelize(model, cfg.TRAIN.PARALLEL, device=device, find_unused_parameters=cfg.TRAIN.FIND_UNUSED_PARAMETERS)

        # 6. Optimizer
        optimizer = cls.build_optimizer(dist.unwrap(model), cfg)

        # 7. Data
        dataset = data.build_dataset(cfg, cfg.TRAIN.DATASETS)
        data.check_samples(dataset, cfg.MODEL.NUM_CLASSES, cfg.DATA.CHECK_SAMPLES)
        loader = data.build_train_loader(cfg, dataset, device)
        max_iter = engine.run_length(cfg, loader.iterations_per_epoch)

        # 8. Learning-rate schedule
        scheduler = solver.build_scheduler(optimizer, cfg, max_iter=max_iter, iterations_per_epoch=loader.iterations_per_epoch)

        # 9. Hooks: what happens between the iterations
        step = engine.build_step(cfg, device)
        state = engine.TrainState(
            model=model,
            optimizers={"main": optimizer},
            schedulers={"main": scheduler},
            max_iter=max_iter,
            iterations_per_epoch=loader.iterations_per_epoch,
            checkpointer=checkpointer,
            scaler=step.precision.scaler,
            total_epochs=cfg.SOLVER.SCHEDULER.TOTAL_EPOCHS,
        )
        evaluation = cls.build_evaluation(cfg, device) if cfg.TEST.DATASETS else None
        hooks = [*engine.build_train_hooks(cfg, state, evaluate=evaluation, batches=loader.batches), *cls.build_freeze_hooks(cfg)]

        # 10. Train, from where an interrupted run stopped
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)

        if dist.is_main_process():
            visual.draw_curves(checkpointer.folder / "metrics.jsonl", checkpointer.folder / "curves.png")


if __name__ == "__main__":
    # 1. Config: command line over file over defaults, checked before torch is imported
    run_script(train, task=cls.config)
