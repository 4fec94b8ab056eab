import { stripVTControlCharacters } from "node:util";

/** Text of a program, without what would steer a terminal. */
export function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll("\t", "  ")
    .replace(/[^\P{Cc}\n]/gu, "");
}

/** Its first line, with `…` where there are more. */
export function firstLine(text: string): string {
  const [line = "", ...more] = plain(text).trim().split("\n");
  return more.length > 0 ? `${line} …` : line;
}
