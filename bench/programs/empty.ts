// As empty.mjs, in TypeScript, which Node must strip of its types.
import { deployment } from "drover";

export default deployment((): null => null, { name: "empty" });
