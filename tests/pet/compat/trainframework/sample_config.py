"""The sample config of TrainFramework's document, as it is given there, without its comments."""
# ruff: noqa: C408

dataloader = dict(
    num_workers=8,
    train_data_set=dict(
        name="MyDataset",
        my_data_param="my_data_param",
        transformer=[
            dict(name="RandomFlip", direction=["horizontal", "vertical", "diagonal"], p=0.5),
            dict(
                name="Resize",
                target_size=256,
                interpolation="INTER_LINEAR",
                keep_ratio=False,
                clip_border=True,
            ),
            dict(
                name="RandomColorJitter",
                brightness_limit=[0.6, 1.2],
                brightness_p=0.6,
                contrast_limit=[0.6, 1.4],
                contrast_p=0.6,
                saturation_limit=[0.6, 1.4],
                saturation_p=0.5,
                hue_limit=[-0.1, 0.1],
                hue_p=0.05,
                blur_limit=[3, 7],
                blur_p=0.2,
                gamma_limit=[0.3, 3.0],
                gamma_p=0.1,
            ),
        ],
    ),
    val_data_set=dict(
        name="MyDataset",
        my_data_param="my_data_param",
        transformer=[
            dict(
                name="Resize",
                target_size=256,
                interpolation="INTER_LINEAR",
                keep_ratio=False,
                clip_border=True,
            ),
        ],
    ),
)

trainer = dict(
    name="MyTrainer",
    device="cuda",
    weights="",
    model=dict(
        name="MyModel",
        generator=dict(name="MyNetwork", my_network_param="my_network_param"),
        loss=dict(
            loss1=[dict(name="CrossEntropyLoss", param=dict(lambda_weight=10.0))],
            loss2=[dict(name="CrossEntropyLoss", param=dict(lambda_weight=1.0), input_name=["input_tensor", "target_tensor"])],
        ),
        ema=dict(enable=True, decay_rate=0.995),
    ),
)

solver = dict(
    gradient_accumulation_batch=-1,
    train_per_batch=8,
    test_per_batch=8,
    max_iter=200000,
    max_keep=20,
    checkpoint_period=5000,
    generator=dict(
        lr_scheduler=dict(
            enabled=True,
            type="LRMultiplierScheduler",
            params=dict(
                lr_scheduler_param=dict(
                    name="WarmupMultiStepLR",
                    gamma=0.1,
                    steps=[40000, 120000, 180000, 240000],
                ),
                max_iter=200000,
                warmup_factor=0.01,
                warmup_iter=500,
                warmup_method="linear",
            ),
        ),
        optimizer=dict(
            type="Adam",
            params=dict(
                lr=0.01,
                weight_decay=1e-6,
            ),
            clip_gradients=dict(
                enabled=False,
            ),
        ),
    ),
)
output_dir = "/data"
output_log_name = "my-log"
