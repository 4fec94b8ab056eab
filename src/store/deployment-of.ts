import { type Entry, type Kind, placeOf } from "./store.ts";

/** The name of the deployment that an object belongs to. Undefined: it belongs to none. */
export function deploymentOf(kind: Kind, { key, value }: Pick<Entry, "key" | "value">): string | undefined {
  const place: "name" | "part" | "none" = placeOf[kind];
  if (place === "name") return key;
  return place === "part" ? (value as { readonly deployment: string }).deployment : undefined;
}
