import { stripVTControlCharacters } from "node:util";

/** Text of a program, without characters that control a terminal. */
export function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll("\t", "  ")
    .replace(/[^\P{Cc}\n]/gu, "");
}

/** The first line of a text, with `…` where there are more. */
export function firstLine(text: string): string {
  const [line = "", ...more] = plain(text).trim().split("\n");
  return more.length > 0 ? `${line} …` : line;
}
