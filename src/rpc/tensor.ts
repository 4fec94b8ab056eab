/** What the numbers of an array are, in the words of `drover.v1.Part`. */
export type ElementType =
  | "bool"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float16"
  | "float32"
  | "float64"
  | "complex64"
  | "complex128";

/** A typed array, such as `Float32Array`. */
export type TypedArray = ArrayBufferView & ArrayLike<number | bigint> & { readonly BYTES_PER_ELEMENT: number };

type TypedArrayClass = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray;

/** How the numbers of an element type lie in memory. */
export interface ElementLayout {
  /** Undefined: this Node has no class for it. */
  readonly array: TypedArrayClass | undefined;
  /** Bytes of one element. */
  readonly bytes: number;
  /** Whether an array of one dimension is a typed array, and says by its class what it is. */
  readonly plain: boolean;
}

const { Float16Array } = globalThis as { readonly Float16Array?: TypedArrayClass };

export const elementLayouts: Readonly<Record<ElementType, ElementLayout>> = {
  bool: { array: Uint8Array, bytes: 1, plain: false },
  int8: { array: Int8Array, bytes: 1, plain: true },
  int16: { array: Int16Array, bytes: 2, plain: true },
  int32: { array: Int32Array, bytes: 4, plain: true },
  int64: { array: BigInt64Array, bytes: 8, plain: true },
  // A Uint8Array alone is bytes.
  uint8: { array: Uint8Array, bytes: 1, plain: false },
  uint16: { array: Uint16Array, bytes: 2, plain: true },
  uint32: { array: Uint32Array, bytes: 4, plain: true },
  uint64: { array: BigUint64Array, bytes: 8, plain: true },
  float16: { array: Float16Array, bytes: 2, plain: Float16Array !== undefined },
  float32: { array: Float32Array, bytes: 4, plain: true },
  float64: { array: Float64Array, bytes: 8, plain: true },
  complex64: { array: Float32Array, bytes: 8, plain: false },
  complex128: { array: Float64Array, bytes: 16, plain: false },
};

/** The element type of a typed array; undefined: it has none, or is bytes. */
export function elementTypeOf(data: ArrayBufferView): ElementType | undefined {
  if (data instanceof Uint8ClampedArray || data instanceof Uint8Array) return "uint8";
  for (const [name, { array, plain }] of Object.entries(elementLayouts)) {
    if (plain && array !== undefined && data instanceof array) return name as ElementType;
  }
  return undefined;
}

/** The most dimensions of an array. */
export const dimensionsMax = 32;

/**
 * Numbers in any number of dimensions, in row-major order: what numpy's arrays are in TypeScript. It
 * travels as bytes.
 */
export class Tensor {
  /** The numbers. For complex numbers: the real and the imaginary part of each, in turn. */
  readonly data: TypedArray;
  /** The length of each dimension; none: a single number. */
  readonly shape: readonly number[];
  readonly elementType: ElementType;

  /**
   * `shape` is one dimension by default, and `elementType` that of the data's class. Throws a
   * `RangeError` if the data does not have as many numbers as the shape.
   */
  constructor(data: TypedArray, shape?: readonly number[], elementType: ElementType | undefined = elementTypeOf(data)) {
    if (elementType === undefined) throw new TypeError(`data: no typed array of numbers, but a ${Object.prototype.toString.call(data)}`);
    const { bytes } = elementLayouts[elementType];
    const length = data.byteLength / bytes;
    this.data = data;
    this.shape = shape ?? [length];
    this.elementType = elementType;
    const wrong = shapeFault(this.shape, data.byteLength, bytes);
    if (wrong !== undefined) throw new RangeError(`shape: ${wrong}`);
  }
}

/** Why an array of this shape cannot have so many bytes; undefined: it has. */
export function shapeFault(shape: readonly number[], byteLength: number, elementBytes: number): string | undefined {
  if (shape.length > dimensionsMax) return `${shape.length} dimensions, and there are at most ${dimensionsMax}`;
  if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0)) return `[${shape}]: each length is a whole number, 0 or more`;
  // Also of an array without elements, for numpy cannot hold it.
  const longest = shape.reduce((product, length) => product * Math.max(1, length), elementBytes);
  if (longest > Number.MAX_SAFE_INTEGER) return `[${shape}] of ${elementBytes}-byte elements is larger than 2^53 bytes`;
  const bytes = shape.includes(0) ? 0 : longest;
  return bytes === byteLength ? undefined : `[${shape}] of ${elementBytes}-byte elements is ${bytes} bytes, and the data has ${byteLength}`;
}
