"""``paddle.static``: networks run as torch runs them, so there is nothing to describe before."""

from pet.compat.shared.absent import refuse_absent

ABSENT = {
    **dict.fromkeys(
        ("InputSpec", "save_inference_model", "load_inference_model"),
        "pet.compat.paddleseg.export(model, 'model.onnx', shape=(3, 512, 512)) writes an ONNX file and checks it",
    ),
    **dict.fromkeys(("Program", "Executor", "program_guard"), "train(), evaluate() and predict() run a network as torch runs it"),
}
__getattr__ = refuse_absent(__name__, ABSENT)
