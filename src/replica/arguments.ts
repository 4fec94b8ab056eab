import { type FieldViolation, invalid } from "../core/errors.ts";
import type { GivenArguments } from "../rpc/values.ts";
import type { Parameter } from "./parameters.ts";

/** The parameter that gets the request's context, wherever it stands. */
const contextName = "context";

/**
 * The arguments for a method, from those of a request. Throws INVALID_FIELD with the name of each
 * parameter that is unknown, given twice or missing. `parameters` undefined: they are not known, and
 * what is given by position is passed on.
 */
export function argumentsFor(
  method: string,
  parameters: readonly Parameter[] | undefined,
  given: GivenArguments,
  context: unknown,
): unknown[] {
  if (parameters === undefined) return unchecked(method, given);
  const inOrder = allByPosition(parameters, given, context);
  if (inOrder !== undefined) return inOrder;
  const taken = parameters.filter(({ name }) => name !== contextName);
  const rest = taken.find(({ isRest }) => isRest);
  const open = taken.filter(({ isRest }) => !isRest);
  const values = new Map<Parameter, unknown>();
  const violations: FieldViolation[] = [];
  const wrong = (field: string, description: string) => violations.push({ field, description });
  const positional = withNull(given, open);

  for (const [index, value] of positional.entries()) {
    const parameter = open[index];
    if (parameter) values.set(parameter, value);
    else if (rest === undefined) wrong(`arguments.positional[${index}]`, `"${method}" takes ${listOf(open)}`);
  }
  for (const [name, value] of Object.entries(given.named)) {
    const parameter = open.find((candidate) => candidate.name === name);
    if (parameter === undefined) wrong(name, `"${method}" has no such parameter; it takes ${listOf(open)}`);
    else if (values.has(parameter)) wrong(name, `"${method}" gets it twice: by position and by name; give it once`);
    else values.set(parameter, value);
  }
  for (const [index, parameter] of open.entries()) {
    if (values.has(parameter) || parameter.hasDefault) continue;
    const { name } = parameter;
    if (name !== undefined) wrong(name, `missing; "${method}" needs it, for it has no default (such as "${name} = undefined")`);
    else wrong(`arguments.positional[${index}]`, `missing; "${method}" needs it. The request's context goes to a parameter named context`);
  }
  if (violations.length > 0) throw invalid(violations);
  return parameters.flatMap((parameter) => {
    if (parameter.name === contextName) return [context];
    return parameter === rest ? positional.slice(open.length) : [values.get(parameter)];
  });
}

/**
 * The arguments where each parameter is given by position, without the maps and lists that other
 * requests need: most requests are so. Undefined: this one is not.
 */
function allByPosition(parameters: readonly Parameter[], { positional, named }: GivenArguments, context: unknown): unknown[] | undefined {
  let given = 0;
  const values: unknown[] = [];
  for (const { name, isRest } of parameters) {
    if (isRest || given > positional.length) return undefined;
    values.push(name === contextName ? context : positional[given++]);
  }
  return given === positional.length && Object.keys(named).length === 0 ? values : undefined;
}

/** Nothing given is null for the only parameter that must be given; null is nothing for a method that takes nothing. */
function withNull({ positional, named }: GivenArguments, open: readonly Parameter[]): readonly unknown[] {
  if (open.length === 0 && positional.length === 1 && positional[0] === null) return [];
  const nothing = positional.length === 0 && Object.keys(named).length === 0;
  const onlyFirst = open[0]?.hasDefault === false && open.slice(1).every(({ hasDefault }) => hasDefault);
  return nothing && onlyFirst ? [null] : positional;
}

function unchecked(method: string, { positional, named }: GivenArguments): unknown[] {
  const [name] = Object.keys(named);
  if (name !== undefined)
    throw invalid([{ field: name, description: `the parameters of "${method}" have no names here; give it by position` }]);
  return positional.length === 0 ? [null] : [...positional];
}

function listOf(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return "no arguments";
  return `${parameters.length}: ${parameters.map(({ name, hasDefault }) => `${name ?? "{…}"}${hasDefault ? " (optional)" : ""}`).join(", ")}`;
}
