/** The first Node that runs TypeScript modules without a build. */
const nodeMin = [22, 18] as const;

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < nodeMin[0] || (major === nodeMin[0] && minor < nodeMin[1])) {
  process.stderr.write(
    `error: this is Node ${process.versions.node}, and Drover needs Node ${nodeMin.join(".")} or later: install one, for example with \`npm install node@24\`\n`,
  );
  process.exit(1);
}
