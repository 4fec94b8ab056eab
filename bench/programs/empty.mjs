// A program that does nothing: it shows what every replica costs.
import { deployment } from "drover";

export default deployment(() => null, { name: "empty" });
