import { refusal } from "../core/errors.ts";

export function notFound(name: string): never {
  throw refusal("DEPLOYMENT_NOT_FOUND", `no deployment "${name}"`, { metadata: { deployment: name } });
}
