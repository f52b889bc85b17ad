"""Trains a model of ``pet.tasks.face``: the steps of a run from top to bottom."""

from pet import models, visual
from pet.tasks import face
from pet.tasks.face.model import analyse
from pet.typed import FaceConfig
from petlib import distributed, engine, solver
from petlib.launch import run_script


def train(cfg: FaceConfig) -> None:
    """Train the model that ``cfg`` describes; what comes out lies in ``MISC.CKPT``."""
    task = face.TASK
    with engine.open_run(cfg) as device:
        # 2. Data: what is learned from, and the pairs that the model is measured on
        loader = task.build_training_data(cfg, device)
        evaluation = task.build_evaluation(cfg, device) if cfg.TEST.DATASETS else None

        # 3. Model: parameters, FLOPs and activations; the weights to begin with
        model = task.build_model(cfg)
        analyse(model, cfg)
        origin = models.load_pretrained(model, cfg)

        # 4. Centres of the identities, which the processes share out, and the checkpointer that knows of it
        model.centres = task.build_centres(cfg, device)
        checkpointer = engine.build_checkpointer(cfg, network=model)

        # 5. Device, frozen parameters, and processes that share the work
        rules = task.build_rules(cfg, model)
        network = engine.prepare_model(model, cfg, device, rules)
        network = engine.parallelize(network, cfg, device, ignored=["centres.weight"])

        # 6. Optimizer, and the moving average of the backbone
        optimizer = solver.build_optimizer(distributed.unwrap(network), cfg, rules)
        average = engine.build_average(cfg, model.backbone)

        # 7. One iteration, and the state of the run
        step = engine.build_step(cfg, device)
        parts = {"model": network, "optimizer": optimizer, "checkpointer": checkpointer, "step": step}
        state = engine.build_state(cfg, **parts, iterations_per_epoch=loader.iterations_per_epoch, names=loader.names, origin=origin)

        # 8. Hooks: what happens between the iterations
        hooks = engine.build_train_hooks(cfg, state, batches=loader.batches, evaluate=evaluation, average=average)
        hooks += task.build_hooks(cfg, state.network)

        # 9. Train, from where an interrupted run stopped
        engine.resume(state, hooks, cfg)
        engine.train(state, loader, step, hooks)
        visual.draw_run(cfg.MISC.CKPT)


if __name__ == "__main__":
    # 1. Config: command line over file over defaults, checked before torch is imported
    run_script(train, task=face.config)
