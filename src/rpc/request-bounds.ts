/** Bounds on what one request may hold. They are checked on its bytes, before it is decoded. */
export interface RequestBounds {
  /** The most fields that are set, those of the messages in it and the items of lists counted. */
  readonly fieldsMax: number;
  /**
   * The most JSON values in all its JSON together. Each item of a list is one, too, and an object
   * or a list counts as two.
   */
  readonly jsonValuesMax: number;
}

/** The bounds of the controller's API. */
export const apiRequestBounds: RequestBounds = { fieldsMax: 600_000, jsonValuesMax: 30_000 };

/** The most items of a list, or entries of a map, whose proto has no rule. */
export const itemsMaxDefault = 1_000;
/** How often a field that is no list may be set: protobuf lets the last win, and merges messages. */
export const settingsMax = 8;
/** The most fields in one message that its proto does not have. Each of them is a violation. */
export const unknownFieldsMax = 20;
