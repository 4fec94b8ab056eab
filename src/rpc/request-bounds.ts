/** Bounds on what one request may hold. They are checked on its bytes, before it is decoded. */
export interface RequestBounds {
  /** The most fields that are set, those of the messages in it and the items of lists counted. */
  readonly fieldsMax: number;
  /**
   * The most JSON values in all its JSON together. Each item of a list is one, too, and an object
   * or a list counts as two.
   */
  readonly jsonValuesMax: number;
  /** The most items of a list, or entries of a map, whose proto has no rule. */
  readonly itemsMax: number;
  /** What to do with more JSON values; undefined: nothing helps. */
  readonly jsonRemedy?: string;
}

/** The bounds of the controller's API. */
export const apiRequestBounds: RequestBounds = { fieldsMax: 600_000, jsonValuesMax: 30_000, itemsMax: 1_000 };

/**
 * The bounds of a request to a program. Each JSON value takes some 200 bytes of memory once it is
 * decoded, and some take only 2 bytes in the message: without a bound, one message of 64 MiB could end
 * a replica for want of memory. A message has 10,000 parts at most.
 */
export const invokeRequestBounds: RequestBounds = {
  fieldsMax: 10_000_000,
  jsonValuesMax: 2_000_000,
  itemsMax: 10_000,
  jsonRemedy: "send many numbers as an array, which goes as bytes",
};

/** How often a field that is no list may be set: protobuf lets the last win, and merges messages. */
export const settingsMax = 8;
/** The most fields in one message that its proto does not have. Each of them is a violation. */
export const unknownFieldsMax = 20;
