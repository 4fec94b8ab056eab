import { fileOfRequirement } from "../core/bundle.ts";
import type { FieldViolation } from "../core/errors.ts";

/** Packages that are named twice: npm would silently take the last version. */
export function npmViolations(npm: readonly string[], root: string): readonly FieldViolation[] {
  const names = npm.map((requirement) =>
    fileOfRequirement(requirement) === undefined ? requirement.replace(/(?<=.)@.*$/, "") : requirement,
  );
  return npm.flatMap((requirement, index) => {
    const first = names.indexOf(names[index] ?? "");
    return first === index
      ? []
      : [{ field: `${root}[${index}]`, description: `names the package of ${root}[${first}] again (got "${requirement}")` }];
  });
}

// As in PEP 440, appendix B.
const version =
  "v?(?:[0-9]+!)?[0-9]+(?:\\.[0-9]+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview)[-_.]?[0-9]*)?(?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?(?:[-_.]?dev[-_.]?[0-9]*)?";
const local = "(?:\\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?";
const clause = new RegExp(`^(?:===.+|(?:==|!=)(?:${version}${local}|${version}\\.\\*)|(?:<=|>=|~=|<|>)${version})$`, "i");

/** Versions that pip does not read. The proto has checked the form around them. */
export function pipViolations(pip: readonly string[], root: string): readonly FieldViolation[] {
  return pip.flatMap((requirement, index) => {
    const begin = fileOfRequirement(requirement) === undefined ? requirement.search(/[=!<>~]/) : -1;
    const clauses = begin < 0 ? [] : requirement.slice(begin).split(",");
    const wrong = clauses.map((text) => text.replaceAll(" ", "")).find((text) => !clause.test(text));
    if (wrong === undefined) return [];
    const description = `"${wrong}" is no version for pip: it must be like >=2.1, ==2.* or ~=2.1 (got ${JSON.stringify(requirement)})`;
    return [{ field: `${root}[${index}]`, description }];
  });
}
