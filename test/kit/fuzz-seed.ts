/** The seed of random cases that are the same at each run: another `DROVER_FUZZ_SEED` gives others. */
export const fuzzSeed = Number(process.env.DROVER_FUZZ_SEED ?? 1);
