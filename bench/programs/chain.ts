// A program that calls another one by a handle: directly, and through the gateway.
import { deployment, type Handle } from "drover";
import { connect } from "drover/client";

class Leaf {
  echo(value: unknown): unknown {
    return value;
  }

  size(array: Float32Array): number {
    return array.length;
  }

  async wait(seconds: number): Promise<void> {
    await new Promise((done) => setTimeout(done, seconds * 1_000));
  }
}

class Front {
  readonly #leaf: Handle<Leaf>;
  readonly #leafByGateway: Handle<Leaf>;

  constructor({ leaf }: { leaf: Handle<Leaf> }) {
    this.#leaf = leaf;
    // Nothing listens at port 1: without the list of replicas, every call goes through the gateway.
    this.#leafByGateway = connect({ api: "127.0.0.1:1", gateway: process.env.DROVER_GATEWAY! }).handle<Leaf>("leaf");
  }

  one(value: unknown): unknown {
    return value;
  }

  async direct(value: unknown): Promise<unknown> {
    return await this.#leaf.echo(value);
  }

  async gateway(value: unknown): Promise<unknown> {
    return await this.#leafByGateway.echo(value);
  }

  /** The seconds that `count` calls take that are made at the same time and wait. */
  async parallel(count: number, waitSeconds: number): Promise<number> {
    const began = performance.now();
    await Promise.all(Array.from({ length: count }, () => this.#leaf.wait(waitSeconds)));
    return (performance.now() - began) / 1_000;
  }

  /** The milliseconds of each of `count` calls that carry an array and are made one after the other. */
  async arrays(count: number, numbers: number, direct: boolean): Promise<readonly number[]> {
    const [leaf, array] = [direct ? this.#leaf : this.#leafByGateway, new Float32Array(numbers).fill(0.5)];
    const tookMs: number[] = [];
    for (let call = 0; call < count; call++) {
      const beganMs = performance.now();
      if ((await leaf.size(array)) !== numbers) throw new Error("a wrong answer");
      tookMs.push(performance.now() - beganMs);
    }
    return tookMs;
  }
}

export const leaf = deployment(Leaf);
export const front = deployment(Front);
