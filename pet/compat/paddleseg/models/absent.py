"""PaddleSeg's networks that Pet has no counterpart of."""

BY_LIBRARY = {
    "UNetPlusPlus": "UnetPlusPlus",
    "PSPNet": "PSPNet",
    "DeepLabV3": "DeepLabV3",
    "PAN": "PAN",
    "MANet": "MAnet",
    "UPerNet": "UPerNet",
    "PFPNNet": "FPN",
}
"""PaddleSeg's name -> one of segmentation-models-pytorch, which is installed with Pet. They are not the same to the layer."""

WITHOUT = (
    *("U2Net", "U2Netp", "AttentionUNet", "UNet3Plus", "PPLiteSeg", "STDCSeg", "FastSCNN", "HarDNet", "EMANet", "ANN", "BiseNetV1"),
    *("CCNet", "DANet", "DDRNet_23", "DNLNet", "DecoupledSegNet", "ENCNet", "ENet", "ESPNetV1", "ESPNetV2", "FastFCN", "GCNet", "GINet"),
    *("GSCNN", "HRNetW48Contrast", "ISANet", "MobileSeg", "PointRend", "PortraitNet", "PPHumanSegLite", "PPMobileSeg", "SETR", "SFNet"),
    *("SINet", "SegNet", "SegmenterLinear", "TopTransformer", "VisionTransformer"),
)
TAKES = "train() takes any network of torch that gives logits (B, classes, H, W); of Pet's own there are SegFormer_B0 to B5, OCRNet, FCN"
NOTHING = f"there is none of it here. {TAKES}, DeepLabV3P, UNet and BiSeNetV2"

ABSENT = {
    **{
        name: f"segmentation_models_pytorch.{other}(encoder_name='resnet50', classes=2) is a network of this kind, and train() takes it"
        for name, other in BY_LIBRARY.items()
    },
    **dict.fromkeys(WITHOUT, NOTHING),
}
"""Name -> what to take instead."""
