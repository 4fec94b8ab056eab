/**
 * The most bytes of one text that a process starts with: an argument, the JSON of `init_args`, or a
 * variable with its name. Linux takes 131,072 bytes; the rest is for the variable's name.
 */
export const startTextBytesMax = 128_000;

/**
 * The most bytes of all arguments, `init_args` and `env_vars` of a spec together. Linux takes 2 MiB
 * (a quarter of the stack limit of 8 MiB) with the controller's own variables.
 */
export const startBytesMax = 512 * 1024;

/** The most bytes of the address that `{listen}` in an argument stands for. */
export const listenBytesMax = 128;
