// As empty.mjs, in TypeScript: Node must strip the types.
import { deployment } from "drover";

export default deployment((): null => null, { name: "empty" });
