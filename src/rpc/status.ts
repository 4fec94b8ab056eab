import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema, anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { Metadata } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  type Code,
  codeOfReason,
  type ErrorDetail,
  type ErrorFacts,
  type FieldViolation,
  type Reason,
  StatusError,
} from "../core/errors.ts";

/** The number of each status code on the wire. */
export const codeNumber: Readonly<Record<Code, number>> = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
};

const nameOfNumber = new Map(Object.entries(codeNumber).map(([name, number]) => [number, name as Code]));

/** The status code of that number; `UNKNOWN` for a number that no failure has. */
export function codeName(n: number): Code {
  return nameOfNumber.get(n) ?? "UNKNOWN";
}

/** The message of every unexpected error: its cause is not shown to callers. */
export const internalText = "internal error; the log has the cause";

/** The trailer that carries a serialized `google.rpc.Status`. */
export const detailsKey = "grpc-status-details-bin";

const domain = "drover";

// Some clients drop trailers above 8 KiB. The message travels twice: percent-encoded, and in the
// details, which grow by a third in base64.
const messageBytesMax = 1536;
const violationBytesMax = 2304;
const metadataBytesMax = 768;
/**
 * The most bytes of all typed details of an error together. A detail that exceeds them is left out.
 */
export const detailBytesMax = 2048;

const typeUrlPrefix = "type.googleapis.com/";

/** An error as it goes on the wire. */
export interface EncodedStatus {
  readonly code: number;
  readonly message: string;
  /** A serialized `google.rpc.Status`; unset where it would say no more than code and message. */
  readonly details: Uint8Array | undefined;
  /** Whether the error was made for the caller; otherwise its cause belongs in the log. */
  readonly known: boolean;
}

/**
 * The one way from errors to gRPC statuses: a `StatusError` keeps its code, anything else is
 * INTERNAL with a fixed text. Texts that do not fit in 8 KiB of trailers are shortened, and marked
 * as such. Throws for facts of other types than theirs, which a program may give.
 */
export function encodeStatus(error: unknown): EncodedStatus {
  const known = error instanceof StatusError;
  const status = known ? error : new StatusError("INTERNAL", internalText, { reason: "INTERNAL" });
  const code = codeNumber[status.code];
  if (code === undefined)
    throw new TypeError(`no status code of a failure: ${status.code}; there are ${Object.keys(codeNumber).join(", ")}`);
  const message = shorten(status.message, messageBytesMax);
  const details = detailsOf(status);
  if (details.length === 0) return { code, message, details: undefined, known };
  return { code, message, details: toBinary(StatusSchema, create(StatusSchema, { code, message, details })), known };
}

function detailsOf({ reason, facts }: StatusError): Any[] {
  const details: Any[] = [];
  const typed = fitDetails(facts.details ?? []);
  const metadata = fitMetadata(facts.metadata ?? {});
  // The reasons are Drover's: the status of a program has its metadata alone.
  if (reason !== undefined || Object.keys(metadata).length > 0) {
    details.push(anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain, reason: reason ?? "", metadata })));
  }
  if (facts.violations !== undefined && facts.violations.length > 0) {
    // Typed details take what the metadata leaves, and then from the violations.
    const left = metadataBytesMax - metadataBytes(metadata) - typed.reduce((sum, detail) => sum + bytesOf(detail), 0);
    const bytesMax = violationBytesMax + Math.min(0, left);
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: fitViolations(facts.violations, bytesMax) })));
  }
  if (facts.retryAfterMs !== undefined) {
    details.push(
      anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(Math.max(0, Math.ceil(facts.retryAfterMs))) })),
    );
  }
  return [...details, ...typed];
}

/** Invariant: they fit in `detailBytesMax`. */
function fitDetails(details: readonly ErrorDetail[]): readonly Any[] {
  let left = detailBytesMax;
  return details.flatMap(({ typeName, value }) => {
    const detail = create(AnySchema, { typeUrl: `${typeUrlPrefix}${typeName}`, value });
    if (bytesOf(detail) > left) return [];
    left -= bytesOf(detail);
    return detail;
  });
}

const bytesOf = ({ typeUrl, value }: Any): number => typeUrl.length + value.length;

/**
 * Cuts a text so that it takes at most `bytesMax` bytes percent-encoded. Lone surrogates are
 * replaced, as they cannot be encoded.
 */
function shorten(text: string, bytesMax: number): string {
  const whole = text.slice(0, bytesMax).toWellFormed();
  if (text.length <= bytesMax && encodeURI(whole).length <= bytesMax) return whole;
  let bytes = 0;
  let cut = "";
  for (const character of whole) {
    bytes += encodeURI(character).length;
    if (bytes > bytesMax - 9) break; // the ellipsis takes nine
    cut += character;
  }
  return `${cut}…`;
}

function fitMetadata(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const fitting = Object.create(null) as Record<string, string>; // `__proto__` is a name like any other
  let left = metadataBytesMax;
  for (const [name, value] of Object.entries(metadata)) {
    left -= encodeURI(name.toWellFormed()).length;
    if (left <= 9) break;
    fitting[name.toWellFormed()] = shorten(value, left);
    left -= encodeURI(fitting[name.toWellFormed()] as string).length;
  }
  return fitting;
}

function metadataBytes(metadata: Readonly<Record<string, string>>): number {
  return Object.entries(metadata).reduce((sum, [name, value]) => sum + encodeURI(name).length + encodeURI(value).length, 0);
}

function fitViolations(violations: readonly FieldViolation[], bytesMax: number): FieldViolation[] {
  const fitting: FieldViolation[] = [];
  let left = bytesMax;
  for (const violation of violations) {
    const field = shorten(violation.field, 256);
    const description = shorten(violation.description, 512);
    left -= Buffer.byteLength(field) + Buffer.byteLength(description) + 8;
    if (left < 0) {
      fitting.push({ field: "", description: `${violations.length - fitting.length} more` });
      break;
    }
    fitting.push({ field, description });
  }
  return fitting;
}

/**
 * The error that a server answered. The status of another kind of server keeps its code and
 * message, and has no reason.
 */
export function decodeStatus(error: { readonly code: number; readonly details: string; readonly metadata?: Metadata }): StatusError {
  const bytes = error.metadata?.get(detailsKey)[0];
  const facts = bytes instanceof Uint8Array ? readDetails(bytes) : {};
  return new StatusError(codeName(error.code), error.details, facts);
}

type ReadFacts = { -readonly [Name in keyof ErrorFacts]: ErrorFacts[Name] } & { reason?: Reason };

function readDetails(bytes: Uint8Array): ReadFacts {
  const facts: ReadFacts = {};
  try {
    for (const detail of fromBinary(StatusSchema, bytes).details) readDetail(detail, facts);
  } catch {
    // Not a google.rpc.Status: code and message still hold.
  }
  return facts;
}

/** What has no fact of its own stays a detail, such as the `ErrorInfo` of another domain. */
function readDetail(detail: Any, facts: ReadFacts): void {
  const info = anyUnpack(detail, ErrorInfoSchema);
  const bad = anyUnpack(detail, BadRequestSchema);
  const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
  if (info?.domain === domain) {
    if (Object.hasOwn(codeOfReason, info.reason)) facts.reason = info.reason as Reason;
    if (Object.keys(info.metadata).length > 0) facts.metadata = info.metadata;
  } else if (bad !== undefined) {
    facts.violations = bad.fieldViolations.map(({ field, description }) => ({ field, description }));
  } else if (delay !== undefined) {
    facts.retryAfterMs = durationMs(delay);
  } else {
    const typeName = detail.typeUrl.slice(detail.typeUrl.lastIndexOf("/") + 1);
    facts.details = [...(facts.details ?? []), { typeName, value: detail.value }];
  }
}
