// Sharing a GPU: two deployments that take half of one each are put on the same, and see no other. Drover counts the halves; how much of the
// GPU's memory a program takes is the program's to keep to. On a machine without GPUs, `drover start --num-gpus 1` counts one all the same.
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
