import type { DescribedDeployment } from "./program-file.ts";

/**
 * An application as a tree: under each deployment those that it calls, the first one at the root.
 * What is called by several has its own calls only at its first place.
 */
export function treeLines(application: string | undefined, deployments: readonly DescribedDeployment[]): readonly string[] {
  const usesOf = new Map(deployments.map(({ spec, uses }) => [spec.name, uses]));
  const lines = [`application ${application ?? ""}`];
  const shown = new Set<string>();
  const show = (name: string, before: string, under: string): void => {
    const uses = usesOf.get(name) ?? [];
    const again = shown.has(name) && uses.length > 0;
    lines.push(`${before}${name}${again ? " (see above)" : ""}`);
    shown.add(name);
    if (again) return;
    for (const [at, used] of uses.entries()) {
      const last = at === uses.length - 1;
      show(used, `${under}${last ? "└─ " : "├─ "}`, `${under}${last ? "   " : "│  "}`);
    }
  };
  const [root] = deployments;
  if (root !== undefined) show(root.spec.name, "", "");
  return lines;
}
