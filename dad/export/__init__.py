"""From a checkpoint to what ships: a folder for timm, ONNX, int8, TorchScript, bare weights, and a model card."""
