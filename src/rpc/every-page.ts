/** The most pages of a list: a longer one is taken to be endless. */
const pagesMax = 10_000;

/**
 * Reads a list page by page until the last. `read` is called with the token of the page, first with
 * an empty one.
 */
export async function* everyPage<P extends { readonly nextPageToken: string }>(read: (pageToken: string) => Promise<P>): AsyncGenerator<P> {
  let pageToken = "";
  for (let count = 0; count < pagesMax; count++) {
    const page = await read(pageToken);
    yield page;
    pageToken = page.nextPageToken;
    if (pageToken === "") return;
  }
  throw new Error(`a list of more than ${pagesMax} pages`);
}
