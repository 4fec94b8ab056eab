// Sharing a GPU: two deployments that each take half a GPU are placed on the same GPU, and see no
// other. Drover counts the halves; each program must bound its use of the GPU's memory itself. On a
// machine without GPUs, `drover start --num-gpus 1` pretends that there is one.
//   drover run half-gpus.ts:firstHalf
//   drover run half-gpus.ts:secondHalf
import { deployment } from "drover";

const half = { version: "1", resources: { numCpus: 0.1, numGpus: 0.5 } };

export const firstHalf = deployment(function firstHalf() {
  return { gpus: process.env.CUDA_VISIBLE_DEVICES ?? "" };
}, half);

export const secondHalf = deployment(function secondHalf() {
  return { gpus: process.env.CUDA_VISIBLE_DEVICES ?? "" };
}, half);
