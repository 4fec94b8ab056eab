import type { Clock } from "../clock/clock.ts";
import { refusal } from "../core/errors.ts";
import { handledName } from "../program/application.ts";
import { functionMethod } from "../program/definition.ts";
import type { Duration } from "../program/deployment-options.ts";
import { millisecondsOf } from "../program/parse-duration.ts";
import type { DeploymentClient, InvokeOptions } from "./deployment-client.ts";
import type { Handle, HandleCall, HandleMethod, HandleOptions } from "./handle-types.ts";

type AnyMethod = HandleMethod<readonly unknown[], unknown>;

/** Makes the handle of a deployment. Throws a TypeError where an option has the wrong type. */
export function makeHandle<Program>(name: string, client: DeploymentClient, clock: Clock, options: HandleOptions = {}): Handle<Program> {
  const invokeOptions = read(options);
  const methods = new Map<string, unknown>();
  const methodOf = (method: string): AnyMethod => methodCalls(client, method, invokeOptions, clock);
  const itself = methodOf(functionMethod);
  const special: Readonly<Record<string, unknown>> = {
    options: (overrides: HandleOptions) => {
      const metadata = { ...options.metadata, ...overrides.metadata };
      return makeHandle(name, client, clock, { ...options, ...overrides, metadata });
    },
    method: methodOf,
    remote: itself.remote,
  };
  return new Proxy(Object.assign(itself, { [inspect]: () => `Handle(${name})`, [handledName]: name }), {
    get: (_, key) => {
      if (key === handledName) return onlyName(name, options);
      if (typeof key === "symbol") return undefined;
      if (Object.hasOwn(special, key)) return special[key];
      // A handle is neither a promise nor JSON: `await handle` is the handle itself.
      if (key === "then" || key === "toJSON") return undefined;
      const known = methods.get(key) ?? methodOf(key);
      methods.set(key, known);
      return known;
    },
  }) as unknown as Handle<Program>;
}

function onlyName(name: string, options: HandleOptions): string {
  if (Object.values(options).every((option) => option === undefined)) return name;
  throw new TypeError(`bind: of the handle of "${name}" only its name goes along: set its options in the constructor`);
}

const inspect = Symbol.for("nodejs.util.inspect.custom");

function methodCalls(client: DeploymentClient, method: string, options: InvokeOptions, clock: Clock): AnyMethod {
  const begin = (positional: readonly unknown[], named: Readonly<Record<string, unknown>> = {}) => {
    const leave = new AbortController();
    return asHandleCall(client.call(method, { positional, named }, { ...options, leave }), leave, clock);
  };
  const call = (...given: readonly unknown[]) => begin(given);
  return Object.assign(call, {
    remote: call,
    named: (given: Readonly<Record<string, unknown>>) => begin([], given),
    stream: (...given: readonly unknown[]) => client.callStream(method, { positional: given, named: {} }, options),
  });
}

function asHandleCall<Result>(call: Promise<Result>, leave: AbortController, clock: Clock): HandleCall<Result> {
  call.catch(() => {}); // nobody may wait for it
  return Object.assign(call, {
    cancel: () => leave.abort(),
    result: (timeout?: Duration) => (timeout === undefined ? call : within(call, milliseconds(timeout), clock)),
  });
}

function within<Result>(call: Promise<Result>, waitMs: number, clock: Clock): Promise<Result> {
  return new Promise((resolve, reject) => {
    const stop = clock.after(waitMs, () => reject(refusal("DEADLINE", `no result within ${waitMs / 1_000} s; the call goes on`)));
    void call.then(resolve, reject).finally(stop);
  });
}

function read({ timeout, metadata, model, signal }: HandleOptions): InvokeOptions {
  return {
    ...(timeout !== undefined && { deadlineMs: milliseconds(timeout) }),
    ...(metadata && { metadata }),
    ...(signal && { signal }),
    model,
  };
}

function milliseconds(timeout: Duration): number {
  const ms = millisecondsOf(timeout);
  if (ms !== undefined) return ms;
  throw new TypeError(`timeout of a handle: must be seconds as a number, or text like "10s" or "1h30m", not ${JSON.stringify(timeout)}`);
}
