/** The known name that `given` most likely means; undefined: none is near. */
export function didYouMean(given: string, known: readonly string[]): string | undefined {
  const spelled = given.slice(0, 64).toLowerCase().replaceAll("-", "_");
  const near = Math.max(1, Math.floor(spelled.length / 4));
  const [best] = known
    .map((name) => ({ name, edits: editDistance(spelled, name) }))
    .filter(({ edits }) => edits <= near)
    .sort((a, b) => a.edits - b.edits);
  return best?.name;
}

/** Levenshtein: the fewest letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
