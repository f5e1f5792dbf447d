import { expect, test } from "vitest";
import { listOpenCodeModels, takesImages } from "./opencode-models.ts";

const model = (image: boolean): object => ({ name: `sees: ${image}`, capabilities: { input: { image } } });
const PROVIDERS = {
  providers: [{ id: "local", models: { seeing: model(true), "blind/1": model(false), quiet: {} } }],
  default: { local: "blind/1" },
};

test("models are named with their provider, and the configured one is the default", () => {
  expect(listOpenCodeModels(PROVIDERS, { model: "local/seeing" })).toEqual({
    models: [
      { id: "local/seeing", name: "sees: true", isDefault: true },
      { id: "local/blind/1", name: "sees: false", isDefault: false },
      { id: "local/quiet", name: "quiet", isDefault: false },
    ],
    alsoTakes: [],
  });
  expect(listOpenCodeModels({ error: "x" }, {})).toBe(null);
});

test("a model takes images unless it is said that it does not", () => {
  const seen = ["local/seeing", "local/blind/1", "local/quiet", "other/x", null].map((name) =>
    takesImages(PROVIDERS, name),
  );
  expect(seen).toEqual([true, false, true, true, false]);
});
