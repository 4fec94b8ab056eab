/** A file, such as an image: bytes and what they are. It travels as bytes. */
export class Media {
  readonly data: Uint8Array;
  /** The media type, such as `image/png`. */
  readonly mediaType: string;

  constructor(data: Uint8Array, mediaType: string) {
    if (!mediaType.includes("/")) throw new TypeError(`mediaType: "${mediaType}" is no media type; give one such as image/png`);
    this.data = data;
    this.mediaType = mediaType;
  }
}
