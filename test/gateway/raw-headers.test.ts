import { expect, test } from "vitest";
import { type HeaderFields, noFields } from "../../src/gateway/sides.ts";
import { fieldsOf, sendBlock } from "../../src/gateway/wire/raw-headers.ts";

const singleValue = () => Object.assign(new TypeError("must only have a single value"), { code: "ERR_HTTP2_HEADER_SINGLE_VALUE" });

test("where a Node takes one value of a name, several are joined with commas", () => {
  const tried: HeaderFields[] = [];
  const sent = sendBlock({ location: ["/a", "/b"], te: "trailers" }, (fields) => {
    tried.push(fields);
    if (Object.values(fields).some(Array.isArray)) throw singleValue();
    return fields;
  });
  expect({ ...sent }).toEqual({ location: "/a, /b", te: "trailers" });
  expect(tried.length).toBe(2);
});

test("a block that is refused for another reason is tried once", () => {
  let tries = 0;
  const refused = () => {
    tries++;
    throw new TypeError("no");
  };
  expect(() => sendBlock({}, refused)).toThrow("no");
  expect(tries).toBe(1);
});

test("names that every object has are names like others", () => {
  const fields = fieldsOf(["__proto__", "a", "constructor", "b", "__proto__", "c"]);
  expect(Object.entries(fields)).toEqual([
    ["__proto__", ["a", "c"]],
    ["constructor", "b"],
  ]);
  expect(noFields()["constructor" as string]).toBeUndefined();
});
