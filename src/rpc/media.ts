/** Why a text is no media type; undefined: it is one. */
export function mediaTypeFault(mediaType: string): string | undefined {
  return mediaType.includes("/") ? undefined : `${JSON.stringify(mediaType.slice(0, 50))} is no media type; give one such as image/png`;
}

/** A file, such as an image: bytes and what they are. It travels as bytes. */
export class Media {
  readonly data: Uint8Array;
  /** The media type, such as `image/png`. */
  readonly mediaType: string;

  constructor(data: Uint8Array, mediaType: string) {
    const wrong = mediaTypeFault(mediaType);
    if (wrong !== undefined) throw new TypeError(`mediaType: ${wrong}`);
    this.data = data;
    this.mediaType = mediaType;
  }
}
