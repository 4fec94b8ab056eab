# Sharing a GPU: two deployments that each take half a GPU are placed on the same GPU, and see no
# other. Drover counts the halves; each program must bound its use of the GPU's memory itself. On a
# machine without GPUs, `drover start --num-gpus 1` pretends that there is one.
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
