import type { Part } from "../../gen/drover/v1/invoke_service_pb.ts";
import { Media, mediaTypeFault } from "./media.ts";
import { type ElementType, elementLayouts, elementTypeOf, shapeFault, Tensor, type TypedArray } from "./tensor.ts";

/** The most parts of one message. */
export const partsMax = 10_000;
/** The longest path of a part, in bytes. */
const pathBytesMax = 4_096;

/** A part that does not fit its message; `field` is in the proto's words. */
export class WrongPart extends Error {
  override readonly name = "WrongPart";
  readonly field: string;

  constructor(field: string, description: string) {
    super(description);
    this.field = field;
  }
}

// The bytes of typed arrays are sent as they lie in memory. Invariant: the machine is little-endian,
// as parts are. Of the machines that Node has builds for, only s390x is not.

/**
 * The part of a binary value, with an empty path: of bytes, a typed array, a `Tensor` or a `Media`;
 * undefined: the value is something else. The bytes are not copied.
 */
export function partOf(value: object): Part | undefined {
  if (value instanceof Tensor) return arrayPart(value.elementType, value.shape, value.data);
  if (value instanceof Media) return { ...plainPart(value.data), mediaType: value.mediaType };
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return plainPart(new Uint8Array(value));
  if (!ArrayBuffer.isView(value)) return undefined;
  if (value instanceof Uint8Array || value instanceof DataView) return plainPart(bytesOf(value));
  const elementType = elementTypeOf(value);
  return elementType && arrayPart(elementType, [(value as TypedArray).length], value);
}

function plainPart(data: Uint8Array): Part {
  return { $typeName: "drover.v1.Part", path: "", elementType: "", shape: [], mediaType: "", data: data as Uint8Array<ArrayBuffer> };
}

function arrayPart(elementType: ElementType, shape: readonly number[], data: ArrayBufferView): Part {
  return { ...plainPart(bytesOf(data)), elementType, shape: shape.map(BigInt) };
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * Puts the values of parts into their places in `root`, which hold null. Throws `WrongPart`. The
 * bytes are copied only where they do not lie as their numbers need it.
 */
export function placeParts(root: unknown, parts: readonly Part[]): unknown {
  if (parts.length > partsMax) throw new WrongPart("parts", `${parts.length} parts, and at most ${partsMax} are read`);
  const holder: Record<string, unknown> = { "": root };
  for (const [index, part] of parts.entries()) {
    const field = `parts[${index}]`;
    const place = placeOf(holder, part.path);
    if (place === undefined) {
      throw new WrongPart(`${field}.path`, `there is no null at ${JSON.stringify(part.path.slice(0, 200))}; each part has its own`);
    }
    place.holder[place.name] = valueOfPart(part, field);
  }
  return holder[""];
}

type PartHolder = Record<string, unknown>;

/** The object or list in which a path's null is, and its name there. */
function placeOf(holder: PartHolder, path: string): { readonly holder: PartHolder; readonly name: string } | undefined {
  if (Buffer.byteLength(path) > pathBytesMax) return undefined;
  const names = path.split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  let inside: unknown = holder;
  for (const name of names.slice(0, -1)) inside = isHolder(inside, name) ? inside[name] : undefined;
  const name = names.at(-1) as string;
  return isHolder(inside, name) && inside[name] === null ? { holder: inside, name } : undefined;
}

/** Whether a value is an object or a list that has a member of this name itself. */
function isHolder(value: unknown, name: string): value is PartHolder {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false;
  if (Array.isArray(value) && !/^(0|[1-9][0-9]*)$/.test(name)) return false;
  return Object.hasOwn(value, name) && !(value instanceof Tensor) && !(value instanceof Media);
}

function valueOfPart({ elementType, shape, mediaType, data }: Part, field: string): unknown {
  if (elementType === "") {
    if (shape.length > 0) throw new WrongPart(`${field}.shape`, "bytes have no shape; set element_type");
    if (mediaType === "") return data;
    const wrong = mediaTypeFault(mediaType);
    if (wrong !== undefined) throw new WrongPart(`${field}.media_type`, wrong);
    return new Media(data, mediaType);
  }
  if (mediaType !== "") throw new WrongPart(`${field}.media_type`, "a part is an array or a file, not both");
  if (!isElementType(elementType)) {
    const all = Object.keys(elementLayouts).join(", ");
    throw new WrongPart(`${field}.element_type`, `no element type ${JSON.stringify(elementType.slice(0, 50))}; there are ${all}`);
  }
  const { bytes, plain, array = Uint16Array } = elementLayouts[elementType];
  const lengths = shape.map(Number);
  const wrong = shapeFault(lengths, data.byteLength, bytes);
  if (wrong !== undefined) throw new WrongPart(`${field}.shape`, wrong);
  const step = (array as unknown as { readonly BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
  const lying = data.byteOffset % step === 0 ? data : data.slice();
  const numbers = new array(lying.buffer, lying.byteOffset, lying.byteLength / step);
  return plain && lengths.length === 1 ? numbers : new Tensor(numbers, lengths, elementType);
}

function isElementType(name: string): name is ElementType {
  return Object.hasOwn(elementLayouts, name);
}
