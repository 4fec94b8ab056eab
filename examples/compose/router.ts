// A router: a program that sends each request to the program that is made for it.
//   drover run router.ts
//   drover invoke router size '{"shape": "circle", "radius": 1}'
import { deployment, type Handle, StatusError } from "drover";

class Circle {
  area({ radius }: { radius: number }): number {
    return Math.PI * radius ** 2;
  }
}

class Square {
  area({ side }: { side: number }): number {
    return side ** 2;
  }
}

class Router {
  readonly #programs: { readonly circle: Handle<Circle>; readonly square: Handle<Square> };

  constructor({ circle, square }: { circle: Handle<Circle>; square: Handle<Square> }) {
    this.#programs = { circle, square };
  }

  async size(shape: { shape: "circle"; radius: number } | { shape: "square"; side: number }): Promise<number> {
    if (shape.shape === "circle") return this.#programs.circle.area(shape);
    if (shape.shape === "square") return this.#programs.square.area(shape);
    throw new StatusError("INVALID_ARGUMENT", `shape: must be one of ${Object.keys(this.#programs).join(", ")}`);
  }
}

const options = { version: "1", resources: { numCpus: 0.1 } };

export const app = deployment(Router, options).bind({
  circle: deployment(Circle, options).bind(),
  square: deployment(Square, options).bind(),
});
