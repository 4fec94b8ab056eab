/** What to do about a file that cannot be sent. */
export const leaveOut = ".droverignore leaves it out";

/** A program's files cannot be sent as they are. The message says which, and what to do. */
export class BundleError extends Error {
  override readonly name = "BundleError";
}

/** A file is another one each time it is read. */
export class FileChangedError extends Error {
  override readonly name = "FileChangedError";
  /** Inside the bundle. */
  readonly path: string;

  constructor(path: string) {
    super(`${path} changed while it was read`);
    this.path = path;
  }
}

/** What the options of a deploy are called where it is asked for, for the words of remedies. */
export interface OptionNames {
  /** What names the folder that is sent. */
  readonly bundle: string;
  /** What sends none. */
  readonly noBundle: string;
}

export const inCommandLine: OptionNames = { bundle: "--bundle", noBundle: "--no-bundle" };
export const inCode: OptionNames = { bundle: "the option bundle", noBundle: "bundle: false" };
