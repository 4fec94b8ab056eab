// A program that takes a config and ignores it.
import { deployment } from "drover";

class Reconfigurable {
  call() {
    return null;
  }

  reconfigure() {}
}

export default deployment(Reconfigurable, { name: "reconfigurable" });
