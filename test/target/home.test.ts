import { describe, expect, test } from "vitest";
import { perfoptHome } from "../../src/target/home.ts";

describe("perfopt's home", () => {
  test.each([
    ["what PERFOPT_HOME says", { PERFOPT_HOME: "/data/p", HOME: "/home/me" }, true, "/data/p"],
    ["for root a folder that everyone can enter", { HOME: "/root" }, true, "/var/cache/perfopt"],
    ["the user's cache folder", { HOME: "/home/me", XDG_CACHE_HOME: "/c" }, false, "/c/perfopt"],
    [
      "below the home folder else",
      { HOME: "/home/me", XDG_CACHE_HOME: "" },
      false,
      "/home/me/.cache/perfopt",
    ],
  ])("%s", (_, env, root, home) => {
    expect(perfoptHome(env, root)).toBe(home);
  });
});
