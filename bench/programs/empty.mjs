// A program that does nothing: what is left is what every replica costs.
import { deployment } from "drover";

export default deployment(() => null, { name: "empty" });
