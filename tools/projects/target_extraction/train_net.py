"""Trains a model of one kind of target: the steps of a run from top to bottom."""

from pet import models, visual
from pet.projects import target_extraction
from pet.typed import SegmentationConfig
from petlib import distributed, engine, solver
from petlib.launch import run_script


def train(cfg: SegmentationConfig) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``."""
    task = target_extraction.TASK
    with engine.open_run(cfg) as device:
        # 2. Data: what is learned from, and what the model is measured on
        loader = task.build_training_data(cfg, device)
        evaluation = task.build_evaluation(cfg, device, names=loader.names) if cfg.TEST.DATASETS else None

        # 3. Model: parameters, FLOPs and activations
        model = task.build_model(cfg)
        models.analyse(model, cfg, name=cfg.MODEL.NETWORK, num_images=cfg.DATA.NUM_IMAGES, channels=cfg.MODEL.IN_CHANNELS)

        # 4. Checkpointer, and the weights to begin with
        checkpointer = engine.build_checkpointer(cfg)
        origin = models.load_pretrained(model, cfg, backbone=model.network.encoder_name)

        # 5. Device, frozen parameters, and processes that share the work
        rules = task.build_rules(cfg, model)
        model = engine.prepare_model(model, cfg, device, rules)
        model = engine.parallelize(model, cfg, device)

        # 6. Optimizer
        optimizer = solver.build_optimizer(distributed.unwrap(model), cfg, rules)

        # 7. Scheduler of the learning rate
        epoch = loader.iterations_per_epoch
        scheduler = solver.build_scheduler(optimizer, cfg, max_iter=engine.run_length(cfg, epoch), iterations_per_epoch=epoch)

        # 8. One iteration, and the state of the run
        step = engine.build_step(cfg, device)
        state = engine.build_state(
            cfg,
            model=model,
            checkpointer=checkpointer,
            optimizer=optimizer,
            scheduler=scheduler,
            step=step,
            iterations_per_epoch=epoch,
            names=loader.names,
            origin=origin,
        )

        # 9. Hooks: what happens between the iterations
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        hooks += task.build_hooks(cfg, state.network)

        # 10. Train, from where an interrupted run stopped
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)
        visual.draw_run(cfg.MISC.CKPT)


if __name__ == "__main__":
    # 1. Config: command line over file over defaults, checked before torch is imported
    run_script(train, task=target_extraction.config)
