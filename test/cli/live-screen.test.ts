import { expect, test } from "vitest";
import { LiveScreen } from "../../src/cli/live-screen.ts";
import { Terminal } from "./terminal.ts";

test("lines at the bottom stay below all that is printed, and are replaced in place", () => {
  const terminal = new Terminal(20, 10);
  const screen = new LiveScreen(terminal);
  screen.show(["starting"]);
  screen.above.write("a-1  hello\n");
  screen.above.write("a-1  world\n");
  screen.show(["running", "watching"]);
  const rule = "─".repeat(20);
  expect(terminal.text).toBe(`a-1  hello\na-1  world\n${rule}\nrunning\nwatching\n`);
  screen.show(["running"]);
  screen.close();
  terminal.write("$ ");
  expect(terminal.text).toBe(`a-1  hello\na-1  world\n${rule}\nrunning\n$ `);
});

test("a line that is wider than the terminal takes one row, and of too many lines the last are shown", () => {
  const terminal = new Terminal(10, 6);
  const screen = new LiveScreen(terminal);
  screen.show(["0123456789ABCDEF"]);
  screen.show([...Array(9).keys()].map((at) => `line ${at}`));
  screen.above.write("printed\n");
  expect(terminal.text).toBe(`printed\n${"─".repeat(10)}\nline 5\nline 6\nline 7\nline 8\n`);
});

test("what a program prints cannot move the cursor or clear the screen; its colours stay", () => {
  const terminal = new Terminal(40, 10);
  const screen = new LiveScreen(terminal);
  screen.show(["watching"]);
  let raw = "";
  terminal.onWrite = (text) => (raw += text);
  screen.above.write("a\u001b[2J\u001b[5A\u001bcb\r\u001b[31mred\u001b[0m\n");
  expect(terminal.text).toBe(`abred\n${"─".repeat(40)}\nwatching\n`);
  expect(raw).toContain("\u001b[31mred\u001b[0m");
});
