import type { Handled } from "../program/application.ts";
import type { Duration } from "../program/deployment-options.ts";
import type { MetadataValues } from "../rpc/call-metadata.ts";
import type { RequestContext } from "../rpc/request-context.ts";

export interface HandleOptions {
  /**
   * How long each call may take: seconds, or text such as `"10s"`. A call also ends with the
   * request that it is made for. Default: no bound of its own.
   */
  readonly timeout?: Duration;
  /** Metadata to send. It comes before what calls take along of a request. Default: none. */
  readonly metadata?: Readonly<Record<string, MetadataValues>>;
  /** The model that the calls are for, of a program that loads several. Default: none. */
  readonly model?: string;
  /** Cancels the calls. */
  readonly signal?: AbortSignal;
}

/**
 * A call that has begun: a promise of its result. A failure that nobody waits for ends no process.
 */
export interface HandleCall<Result> extends Promise<Result> {
  /**
   * The result, or DEADLINE_EXCEEDED after this time: seconds, or text such as `"10s"`. The call
   * goes on then. Default: no bound.
   */
  result(timeout?: Duration): Promise<Result>;
  /** Ends the call: it fails with CANCELLED, and the callee learns that its caller has left. */
  cancel(): void;
}

interface HandleFunction<Arguments extends readonly unknown[], Result> {
  /**
   * Calls the method. Arguments go by position. A promise, such as another call, is awaited, and what
   * it resolves to is sent.
   */
  (...given: OrPromises<Arguments>): HandleCall<Awaited<Result>>;
  /** The same. */
  remote(...given: OrPromises<Arguments>): HandleCall<Awaited<Result>>;
}

/** A method of a deployment. */
export interface HandleMethod<Arguments extends readonly unknown[], Result> extends HandleFunction<Arguments, Result> {
  /** Calls the method with arguments by the names of its parameters. */
  named(given: Readonly<Record<string, unknown>>): HandleCall<Awaited<Result>>;
  /** Calls the method for a stream of results. Leaving the loop cancels the call. */
  stream(...given: OrPromises<Arguments>): AsyncIterable<ItemOf<Awaited<Result>>>;
}

type OrPromises<Arguments extends readonly unknown[]> = { [Index in keyof Arguments]: Arguments[Index] | Promise<Arguments[Index]> };

/**
 * What calls the deployments of a program of type `Program`: the type of an instance of its class,
 * or of its function. A function is called with the handle itself, or as the method `call`, which
 * also streams. `unknown`: any method can be called, and nothing is checked.
 */
export type Handle<Program = unknown> = unknown extends Program ? UntypedHandle : HandleOf<Program> & HandleSettings<Program>;

interface HandleSettings<Program> extends Handled {
  /** A copy with some options replaced; `metadata` name by name. */
  options(overrides: HandleOptions): Handle<Program>;
  /** The method of that name, also where the handle uses the name itself. */
  method(name: string): HandleMethod<Any, Any>;
}

// biome-ignore lint/suspicious/noExplicitAny: without the program's type nothing is known of it
type Any = any;

interface UntypedHandle extends HandleFunction<Any, Any>, Handled {
  readonly [method: string]: Any;
  options(overrides: HandleOptions): UntypedHandle;
  method(name: string): HandleMethod<Any, Any>;
}

type HandleOf<Program> = Program extends (...given: infer Given) => infer Result
  ? HandleFunction<WithoutContext<Given>, Result> & { readonly call: HandleMethod<WithoutContext<Given>, Result> }
  : {
      readonly [Name in Exclude<keyof Program, "options" | "method"> as Program[Name] extends (...given: never) => unknown
        ? Name
        : never]: Program[Name] extends (...given: infer Given) => infer Result ? HandleMethod<WithoutContext<Given>, Result> : never;
    };

/** The arguments without the context, which the replica adds. */
type WithoutContext<Given extends readonly unknown[]> = Given extends readonly []
  ? []
  : Given extends readonly [infer First, ...infer Rest]
    ? IsContext<First> extends true
      ? WithoutContext<Rest>
      : [First, ...WithoutContext<Rest>]
    : Given extends readonly [(infer First)?, ...infer Rest]
      ? Rest extends Given
        ? Given
        : IsContext<First> extends true
          ? WithoutContext<Rest>
          : [First?, ...WithoutContext<Rest>]
      : Given;

type IsContext<Type> = 0 extends 1 & Type ? false : [Type] extends [RequestContext] ? true : false;

/** The results of a stream. A text and an array are one result. */
type ItemOf<Result> = Result extends string | readonly unknown[] | ArrayBufferView
  ? Result
  : Result extends AsyncIterable<infer Item> | Iterable<infer Item>
    ? Item
    : Result;
