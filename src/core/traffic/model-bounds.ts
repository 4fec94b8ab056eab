/** The longest name of a model, in bytes. */
export const modelNameMax = 256;
/** How many models of a replica are known at most. */
export const modelsMax = 1_000;
/** How many methods of a replica report batches at most. */
export const batchMethodsMax = 100;
