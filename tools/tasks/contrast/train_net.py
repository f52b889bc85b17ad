"""Trains a network of ``pet.tasks.contrast`` without labels: the steps of a run from top to bottom."""

from pet import models, visual
from pet.tasks import contrast
from pet.typed import ContrastConfig
from petlib import distributed, engine, solver
from petlib.launch import run_script


def train(cfg: ContrastConfig) -> None:
    """Train the network that ``cfg`` describes; what comes out lies in ``MISC.CKPT``, the backbone in ``backbone.safetensors``."""
    task = contrast.TASK
    with engine.open_run(cfg) as device:
        # 2. Data: views to learn from, and labelled images that the embeddings are measured on
        loader = task.build_training_data(cfg, device)
        evaluation = task.build_evaluation(cfg, device) if cfg.TEST.DATASETS else None

        # 3. Model: parameters, FLOPs and activations of what is handed over
        model = task.build_model(cfg)
        models.analyse(model.eval(), cfg)

        # 4. Checkpointer, and the weights to begin with
        checkpointer = engine.build_checkpointer(cfg)
        origin = contrast.load_backbone(model, cfg)

        # 5. Device, frozen parameters, and processes that share the work; each keeps its queue to itself
        rules = task.build_rules(cfg, model)
        model = engine.prepare_model(model, cfg, device, rules)
        model = engine.parallelize(model, cfg, device, ignored=model.own_buffers())

        # 6. Optimizer
        optimizer = solver.build_optimizer(distributed.unwrap(model), cfg, rules)

        # 7. One iteration, the schedule of the learning rate, and the state of the run
        step = contrast.build_step(cfg, device)
        state = engine.build_state(
            cfg,
            model=model,
            checkpointer=checkpointer,
            optimizer=optimizer,
            step=step,
            iterations_per_epoch=loader.iterations_per_epoch,
            origin=origin,
        )

        # 8. Hooks: what happens between the iterations
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation)
        hooks += task.build_hooks(cfg, state.network) + contrast.build_hooks(cfg, state, evaluation)

        # 9. Train, from where an interrupted run stopped
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)
        visual.draw_run(cfg.MISC.CKPT)


if __name__ == "__main__":
    # 1. Config: command line over file over defaults, checked before torch is imported
    run_script(train, task=contrast.config)
