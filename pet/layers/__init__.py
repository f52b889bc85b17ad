"""Operations on tensors that models share and that torch and torchvision do not have."""
