import { type Token, tokenizer, tokTypes } from "acorn";

/** A parameter of a program's method, as its source has it. */
export interface Parameter {
  /** Undefined: it is taken apart, as in `({ text, max })`. */
  readonly name: string | undefined;
  readonly hasDefault: boolean;
  /** `...rest` */
  readonly isRest: boolean;
}

/**
 * On a function that calls another one: that function, whose parameters it takes. `Symbol.for`, so
 * that a wrapper need not import it.
 */
export const wrapped: unique symbol = Symbol.for("drover.wrapped") as never;

/**
 * The parameters of a function, from its source; undefined: the source is not there, as that of a
 * bound function.
 */
export function parametersOf(method: object): readonly Parameter[] | undefined {
  const inner = (method as { readonly [wrapped]?: object })[wrapped];
  if (inner !== undefined) return parametersOf(inner);
  const source = Function.prototype.toString.call(method);
  if (source.endsWith("{ [native code] }")) return undefined;
  try {
    return readParameters(tokenizer(source, { ecmaVersion: "latest" }));
  } catch {
    return undefined; // syntax that acorn does not know yet
  }
}

const opening = new Set([tokTypes.parenL, tokTypes.braceL, tokTypes.bracketL, tokTypes.dollarBraceL]);
const closing = new Set([tokTypes.parenR, tokTypes.braceR, tokTypes.bracketR]);

/** Only up to the end of the parameters: what follows is never read. */
function readParameters(tokens: Iterable<Token>): readonly Parameter[] {
  const parameters: Parameter[] = [];
  /** The tokens of the parameter that is read; undefined: the list has not begun. */
  let parameter: Token[] | undefined;
  let depth = 0;
  let last: Token | undefined;
  const take = () => {
    if (parameter?.length) parameters.push(parameterOf(parameter));
    parameter = [];
  };
  for (const token of tokens) {
    if (parameter === undefined) {
      if (token.type === tokTypes.arrow && last) return [parameterOf([last])]; // `x => …`
      if (token.type === tokTypes.parenL && depth === 0) parameter = [];
      else if (opening.has(token.type))
        depth++; // a computed name
      else if (closing.has(token.type)) depth--;
    } else if (depth === 0 && token.type === tokTypes.parenR) {
      take();
      break;
    } else if (depth === 0 && token.type === tokTypes.comma) take();
    else {
      if (opening.has(token.type)) depth++;
      else if (closing.has(token.type)) depth--;
      parameter.push(token);
    }
    last = token;
  }
  return parameters;
}

function parameterOf(tokens: readonly Token[]): Parameter {
  const isRest = tokens[0]?.type === tokTypes.ellipsis;
  const first = tokens[isRest ? 1 : 0];
  const isName = first !== undefined && !opening.has(first.type);
  const name = isName ? String((first as Token & { readonly value: unknown }).value) : undefined;
  return { name, isRest, hasDefault: defaultFollows(tokens) };
}

/** Whether a `=` stands outside the braces of what is taken apart. */
function defaultFollows(tokens: readonly Token[]): boolean {
  let depth = 0;
  for (const { type } of tokens) {
    if (opening.has(type)) depth++;
    else if (closing.has(type)) depth--;
    else if (type === tokTypes.eq && depth === 0) return true;
  }
  return false;
}
