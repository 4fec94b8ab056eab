import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineSplitter, lineBytesMax, readable } from "../../../src/engine/local/lines.ts";

const split = (parts: readonly Buffer[]) => {
  const splitter = new LineSplitter();
  return [...parts.flatMap((part) => splitter.push(part)), ...splitter.end()];
};

describe("lines", () => {
  test("are the same however the bytes come in parts", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme" })), fc.array(fc.nat(200)), (texts, cuts) => {
        const lines = texts.map((text) => text.replaceAll(/[\r\n]/g, ""));
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        expect(split(at.slice(1).map((end, i) => bytes.subarray(at[i]!, end)))).toEqual(lines);
      }),
    );
  });

  test("that are too long come in pieces that cut no character", () => {
    for (const shift of ["", "x", "xx", "xxx"]) {
      const text = shift + "🐑".repeat(lineBytesMax / 2);
      const pieces = split([Buffer.from(`${text}\nnext\n`)]);
      expect(pieces.length).toBeGreaterThan(2);
      expect(pieces.slice(0, -1).join("")).toBe(text);
      for (const piece of pieces) expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(lineBytesMax);
    }
  });

  test("of bytes that are not UTF-8 come in pieces, too, and never without end", () => {
    const pieces = split([Buffer.alloc(3 * lineBytesMax, 0x80)]);
    expect(pieces.length).toBeGreaterThanOrEqual(3);
    expect(pieces.join("").length).toBe(3 * lineBytesMax);
  });

  test("of exactly the most bytes are one piece", () => {
    expect(split([Buffer.from(`${"x".repeat(lineBytesMax)}\n`)])).toEqual(["x".repeat(lineBytesMax)]);
  });
});

describe("a readable line", () => {
  test("keeps its end when it is too long, and whole characters", () => {
    expect(readable("ééé", 5)).toBe("éé");
    expect(readable("ééé", 6)).toBe("ééé");
  });
});
