/** Where Drover's own code is: its source, or its build. */
const own = new URL(import.meta.url.endsWith(".ts") ? "../" : "./", import.meta.url).href;

/**
 * An error with its stack, for the author of a program: without the frames of Node and of Drover.
 * The stack of a syntax error begins with its location.
 */
export function stackText(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const lines = (cause.stack ?? String(cause)).split("\n");
  return lines.filter((line) => !/^ +at /.test(line) || !(line.includes(own) || /[( ]node:/.test(line))).join("\n");
}
