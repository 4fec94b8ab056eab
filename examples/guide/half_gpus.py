# Sharing a GPU: two deployments that take half of one each are put on the same, and see no other. Drover counts the halves; how much of
# the GPU's memory a program takes is the program's to keep to. On a machine without GPUs, `drover start --num-gpus 1` counts one all the
# same.
#   drover run half_gpus.py:first_half
#   drover run half_gpus.py:second_half
import os

import drover

half = drover.deployment(version="1", resources={"num_cpus": 0.1, "num_gpus": 0.5})


@half
def first_half() -> dict[str, str]:
    return {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}


@half
def second_half() -> dict[str, str]:
    return {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES", "")}
